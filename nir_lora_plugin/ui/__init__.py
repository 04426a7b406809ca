"""The dock's widgets: they take plain data and give signals; what they mean is decided in ``flow``."""
