"""Where the help is."""

from __future__ import annotations

import configparser

from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QDesktopServices

from nir_lora_plugin.paths import metadata, resource


def open_help() -> None:
    """Open the guide that comes with the plugin, or the project's page."""
    guide = resource("help/index.html")
    if guide.exists():
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(guide)))
        return
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(metadata(), encoding="utf-8")
    page = parser.get("general", "homepage", fallback="")
    if page:
        QDesktopServices.openUrl(QUrl(page))
