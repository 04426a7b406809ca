"""Icons of our own, by name; ``resources/icons/<name>.svg``."""

from __future__ import annotations

from qgis.PyQt.QtGui import QIcon

from nir_lora_plugin.paths import resource


def icon(name: str) -> QIcon:
    """The icon ``name``; ``nir_lora`` is the plugin's own."""
    return QIcon(str(resource("icon.svg" if name == "nir_lora" else f"icons/{name}.svg")))
