"""What QGIS's message bar says: one short line, and a button to the log for the rest. Never a dialog."""

from __future__ import annotations

from typing import Any

from qgis.core import Qgis, QgsMessageLog
from qgis.PyQt.QtWidgets import QPushButton

from nir_lora_plugin.protocol import ErrorInfo
from nir_lora_plugin.translation import translate

TAG = "NIR-LoRA"
_LONGEST = 140  # characters of a line in the bar
_GOOD_S, _BAD_S = 6, 15


class Messages:
    """Tells the user through ``iface``'s message bar and writes everything to the log."""

    def __init__(self, iface: Any) -> None:
        self._iface = iface

    def good(self, words: str) -> None:
        """Something is done."""
        QgsMessageLog.logMessage(words, TAG, Qgis.MessageLevel.Success, False)
        self._iface.messageBar().pushMessage(TAG, words, Qgis.MessageLevel.Success, _GOOD_S)

    def warning(self, words: str, details: str = "") -> None:
        """Something is worth a look."""
        self._push(words, details, Qgis.MessageLevel.Warning)

    def error(self, info: ErrorInfo) -> None:
        """Something failed: what happened in the bar, the hint in the log too."""
        self._push(info.message, f"{info.message}\n{info.hint}\n({info.code})", Qgis.MessageLevel.Critical)

    def _push(self, words: str, details: str, level: Qgis.MessageLevel) -> None:
        QgsMessageLog.logMessage(details or words, TAG, level, False)
        short = words if len(words) <= _LONGEST else words[: _LONGEST - 1].rsplit(" ", 1)[0] + " …"
        bar = self._iface.messageBar()
        item = bar.createMessage(TAG, short)
        button = QPushButton(translate("Messages", "Details"))
        button.clicked.connect(self._open_log)
        item.layout().addWidget(button)
        item.setLevel(level)
        item.setDuration(_BAD_S)
        bar.pushItem(item)

    def _open_log(self) -> None:
        self._iface.openMessageLog()
