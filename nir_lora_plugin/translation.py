"""The one way to the translator for functions that are no QObject; widgets use ``self.tr``.

Outside of QGIS, where the backend's set-up can run too, everything is in English.
"""

from __future__ import annotations

try:
    from qgis.PyQt.QtCore import QCoreApplication
except ImportError:
    QCoreApplication = None


def translate(context: str, text: str) -> str:
    """``text`` in the user's language; ``context`` is where it stands, for the translator's sake.

    Any thread may ask.
    """
    return QCoreApplication.translate(context, text) if QCoreApplication else text


def noted(text: str) -> str:
    """Mark a constant for translators; the module's own ``_tr`` translates it when it is shown."""
    return text
