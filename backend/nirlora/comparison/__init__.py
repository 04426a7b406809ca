"""Adapters side by side: the same seeds and steps, with each seed the same split; one table and plot."""
