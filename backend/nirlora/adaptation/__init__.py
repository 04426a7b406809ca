"""Going on learning without labels: extended pre-training of a backbone on unlabelled rasters."""
