"""The QGIS plugin package; for now it holds the wire types that plugin, CLI and backend share."""
