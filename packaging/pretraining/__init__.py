"""Making the weights that the project ships: from unlabelled tiles to a backbone file."""
