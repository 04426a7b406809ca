"""Brings a finished map into the project: styled, above its source, refreshed where it is loaded already."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from qgis.core import QgsLayerTreeGroup, QgsMapLayer, QgsProject, QgsRasterLayer, QgsVectorLayer

from .errors import PluginError
from .protocol import SegmentResult
from .result_style import style_confidence, style_map, style_polygons
from .translation import translate

__all__ = ["add_results", "release", "restore", "style_confidence", "style_map", "style_polygons"]

_MADE_HERE = "nir_lora/made_here"  # custom property of every layer of a result
_OUTPUT = "nir_lora/output"  # custom property: the file of a layer that is released for the moment
_Style = Callable[[Any, SegmentResult], None]
# From top to bottom in the layer tree: kind of output, style, whether it is shown at first.
_KINDS: Tuple[Tuple[str, Optional[_Style], bool], ...] = (
    ("polygons", style_polygons, True),
    ("map", style_map, True),
    ("confidence", style_confidence, False),
    ("probabilities", None, False),
)


def add_results(
    result: SegmentResult, source: Optional[QgsMapLayer], project: QgsProject
) -> List[QgsMapLayer]:
    """Add the outputs of a segmentation to the project, or refresh those that it shows already.

    New ones lie right above ``source`` (None: on top of all), in a group if there are several. Confidence
    and probabilities are not ticked at first, for they would cover the map.

    Returns:
        The layers: the map first, then confidence, polygons and probabilities as far as they were made.

    Raises:
        PluginError: QGIS cannot open an output.
    """
    paths = {"map": result.map, **result.outputs}
    layers: Dict[str, QgsMapLayer] = {}
    new: List[Tuple[QgsMapLayer, bool]] = []
    for kind, style, shown in _KINDS:
        if not paths.get(kind):
            continue
        known = _loaded(paths[kind], project)
        layer = layers[kind] = known or _open(paths[kind])
        if known is not None:
            _reopen(layer, paths[kind])
        if not layer.isValid():
            raise PluginError(
                _tr("QGIS cannot open {}.").format(paths[kind]), hint=_tr("Is the file still there?")
            )
        if style is not None:
            style(layer, result)
        layer.setCustomProperty(_MADE_HERE, True)
        if known is None:
            new.append((layer, shown))
    _insert(new, source, project, Path(result.map).stem)
    return [layers[kind] for kind in ("map", "confidence", "polygons", "probabilities") if kind in layers]


def is_result(layer: QgsMapLayer) -> bool:
    """Whether a layer of the project is an output of a segmentation."""
    return bool(layer.customProperty(_MADE_HERE))


def release(paths: Iterable[str], project: QgsProject, *, always: bool = False) -> None:
    """Let go of files that are about to be replaced; their layers stay in the tree, empty.

    Windows refuses to replace a file that QGIS has open. Elsewhere nothing needs to be done (unless
    ``always``), and the old map stays in sight until the new one is there. ``add_results`` fills the layers
    again; after a job that failed, :func:`restore` does.
    """
    if sys.platform != "win32" and not always:
        return
    for path in paths:
        layer = _loaded(path, project)
        if layer is not None:
            layer.setCustomProperty(_OUTPUT, path)
            layer.setDataSource("", layer.name(), layer.providerType())


def restore(project: QgsProject) -> None:
    """Open again what was released and not replaced."""
    for layer in project.mapLayers().values():
        path = layer.customProperty(_OUTPUT)
        if path:
            _reopen(layer, str(path))


def _loaded(path: str, project: QgsProject) -> Optional[QgsMapLayer]:
    """The layer of the project that shows a file, or showed it before it was released."""
    for layer in project.mapLayers().values():
        file = str(layer.customProperty(_OUTPUT) or layer.source().split("|", 1)[0])
        if file and (file == path or os.path.realpath(file) == os.path.realpath(path)):
            return layer
    return None


def _open(path: str) -> QgsMapLayer:
    name = Path(path).stem
    if path.lower().endswith(".gpkg"):
        return QgsVectorLayer(path, _tr("{} polygons").format(name), "ogr")
    return QgsRasterLayer(path, name, "gdal")


def _reopen(layer: QgsMapLayer, path: str) -> None:
    """Read the file anew: QGIS goes on showing what it had open."""
    layer.removeCustomProperty(_OUTPUT)
    layer.setDataSource(path, layer.name(), "ogr" if path.lower().endswith(".gpkg") else "gdal")
    layer.triggerRepaint()


def _insert(
    new: List[Tuple[QgsMapLayer, bool]], source: Optional[QgsMapLayer], project: QgsProject, name: str
) -> None:
    """Put layers (top first) above ``source``."""
    root = project.layerTreeRoot()
    node = root.findLayer(source.id()) if source is not None else None
    parent = node.parent() if node is not None else root
    place = parent.children().index(node) if node is not None else 0
    if len(new) > 1:
        parent, place = QgsLayerTreeGroup.insertGroup(parent, place, name), 0
    for i, (layer, shown) in enumerate(new):
        project.addMapLayer(layer, False)
        made = parent.insertLayer(place + i, layer)
        made.setItemVisibilityChecked(shown)
        made.setExpanded(layer.name() == name)  # the legend of the map


def _tr(text: str) -> str:
    return translate("ResultLayers", text)
