"""Vector data on the grid of a raster: labels, areas of interest, areas, and maps as polygons."""
