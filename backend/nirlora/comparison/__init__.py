"""Adapters side by side: the same split, steps and seeds; scores and costs in one table and plot."""
