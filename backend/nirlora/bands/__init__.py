"""bands."""
