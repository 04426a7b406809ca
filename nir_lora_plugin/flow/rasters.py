"""The raster layers of the project, to choose several from. Main thread only."""

from __future__ import annotations

from typing import Iterable, List, Optional, Tuple

from qgis.core import QgsRasterLayer
from qgis.PyQt.QtCore import QObject, pyqtSignal

from nir_lora_plugin.layers import export_reason, layer_ref, why_not
from nir_lora_plugin.protocol import LayerRef
from nir_lora_plugin.result_layers import is_result
from nir_lora_plugin.ui.raster_list import RasterRow

from .session import Later, project

_WAIT_MS = 100  # a project that is opened adds one layer after another


class ProjectRasters(QObject):
    """Tells of layers that come and go. ``close`` lets go of the project."""

    changed = pyqtSignal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._later = Later(_WAIT_MS, self.changed.emit, self)
        project().layersAdded.connect(self._on_layers)
        project().layersRemoved.connect(self._on_layers)

    def close(self) -> None:
        """Let go of QGIS's signals."""
        project().layersAdded.disconnect(self._on_layers)
        project().layersRemoved.disconnect(self._on_layers)

    def rows(self, chosen: str = "", without: str = "") -> List[RasterRow]:
        """All but maps that were made here and the layer with the id ``without``, by name.

        Args:
            chosen: Id of the layer that is ticked at first.
            without: Id of a layer to leave out, and all others of the same file.
        """
        left_out = self._path(without)
        layers = [layer for layer in project().mapLayers().values() if isinstance(layer, QgsRasterLayer)]
        layers = [layer for layer in layers if not is_result(layer) and layer.id() != without]
        found = [(layer, layer_ref(layer)) for layer in layers]
        rows = [
            RasterRow(layer.id(), layer.name(), "" if ref else _problem(layer), layer.id() == chosen)
            for layer, ref in found
            if not (ref and ref.path == left_out)
        ]
        return sorted(rows, key=lambda row: row.name.lower())

    def refs(self, layer_ids: Iterable[str]) -> Tuple[LayerRef, ...]:
        """The layers as the backend opens them, each file once, without those that are gone or unusable."""
        layers = [project().mapLayer(layer_id) for layer_id in layer_ids]
        found = [layer_ref(layer) for layer in layers if layer is not None]
        return tuple({ref.path: ref for ref in found if ref is not None}.values())

    def layer_of(self, path: str) -> Optional[QgsRasterLayer]:
        """A layer of the project with this file."""
        for layer in project().mapLayers().values():
            if isinstance(layer, QgsRasterLayer) and self._path(layer.id()) == path:
                return layer
        return None

    def _path(self, layer_id: str) -> str:
        layer = project().mapLayer(layer_id) if layer_id else None
        ref = layer_ref(layer) if layer is not None else None
        return ref.path if ref is not None else ""

    def _on_layers(self, *_: object) -> None:
        self._later.start()


def _problem(layer: QgsRasterLayer) -> str:
    return why_not(layer) or export_reason(layer)
