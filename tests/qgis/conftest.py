"""The tests in these folders run within QGIS (see desktop.py), never in this Python."""

collect_ignore = ["inside", "from_zip"]
