"""The tests in ``inside/`` run within QGIS (see run.py), never in this Python."""

collect_ignore = ["inside"]
