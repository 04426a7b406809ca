"""NIR-LoRA for QGIS: train on a few polygons, segment near-infrared rasters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .plugin import NirLoraPlugin


def classFactory(iface: Any) -> NirLoraPlugin:
    """Make the plugin; ``iface`` is None in qgis_process."""
    from .plugin import NirLoraPlugin

    return NirLoraPlugin(iface)
