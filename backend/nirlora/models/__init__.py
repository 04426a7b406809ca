"""Backbones, stems, heads, and the model file. Import the submodules; all of them need torch."""
