"""The one way to the translator for functions that are no QObject; widgets use ``self.tr``."""

from __future__ import annotations

from qgis.PyQt.QtCore import QCoreApplication


def translate(context: str, text: str) -> str:
    """``text`` in the user's language; ``context`` is where it stands, for the translator's sake."""
    return QCoreApplication.translate(context, text)
