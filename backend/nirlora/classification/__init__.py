"""Scene classification: one class for an image, or for a parcel of a raster."""
