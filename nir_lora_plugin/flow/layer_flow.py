"""Step 1 at work: follows the chosen raster and asks the backend what it is."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from qgis.core import QgsMapLayer, QgsRasterLayer
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt.QtCore import QObject
from qgis.PyQt.QtWidgets import QFileDialog

from nir_lora_plugin.layers import export_reason, layer_ref, prepare_export, why_not
from nir_lora_plugin.protocol import ErrorInfo, LayerRef
from nir_lora_plugin.tasks import WorkTask
from nir_lora_plugin.ui.copy_dialog import CopyDialog
from nir_lora_plugin.ui.layer_panel import LayerPanel
from nir_lora_plugin.ui.problem import problem_text

from .session import Later, Session, call, project

_INSPECT_WAIT_MS = 60  # a project that is closed chooses one layer after another for a moment


class LayerFlow(QObject):
    """Ties the layer panel to the session."""

    def __init__(self, session: Session, panel: LayerPanel, combo: QgsMapLayerComboBox) -> None:
        super().__init__(session)
        self._session, self._panel, self._combo = session, panel, combo
        self._known: Dict[Tuple[str, int], Dict[str, Any]] = {}  # (path, time of change) -> facts
        self._inspect_later = Later(_INSPECT_WAIT_MS, self._ask, self)
        combo.layerChanged.connect(self._on_layer)
        panel.changed.connect(self._on_form)
        panel.open_wanted.connect(self._open)
        panel.copy_wanted.connect(self._copy)
        session.backend_ready.connect(self.refresh)

    def choose(self, layer: QgsMapLayer) -> None:
        """Choose ``layer`` as if the user had."""
        self._combo.setLayer(layer)

    def refresh(self) -> None:
        """Look at the chosen layer again."""
        self._on_layer(self._combo.currentLayer())

    def _on_layer(self, layer: Optional[QgsRasterLayer]) -> None:
        session = self._session
        session.layer, session.ref, session.inspected, session.layer_problem = layer, None, {}, ""
        if layer is None:
            self._panel.show_nothing(self.tr("Open a near-infrared or multispectral raster."))
        elif why_not(layer):
            session.layer_problem = why_not(layer)
            self._panel.show_nothing(session.layer_problem, "warning")
        else:
            session.ref = layer_ref(layer)
            if session.ref is None:
                session.layer_problem = self.tr("Make a copy of the layer first.")
                words = self.tr("{} A copy of the part you need can be used.").format(export_reason(layer))
                self._panel.show_nothing(words, "info", self.tr("Make a copy …"))
            else:
                self._inspect(session.ref)
        session.layer_changed.emit()
        session.changed.emit()

    def _inspect(self, ref: LayerRef) -> None:
        key = _key(ref)
        if key in self._known:
            self._session.inspected = self._known[key]
            self._panel.show_facts(self._known[key])
            return
        if not self._session.backend:
            self._panel.show_nothing(self.tr("Its bands are shown once the backend is set up."))
            return
        self._panel.show_nothing(self.tr("Reading the bands …"))
        self._inspect_later.start()

    def _ask(self) -> None:
        ref = self._session.ref
        if ref is None:
            return
        call(
            self,
            self.tr("Reading {}").format(Path(ref.path).name),
            lambda client: client.inspect(ref.path),
            partial(self._on_facts, _key(ref)),
            partial(self._on_failed, ref),
        )

    def _on_facts(self, key: Tuple[str, int], facts: Dict[str, Any]) -> None:
        self._known[key] = facts
        session = self._session
        if session.ref is None or session.ref.path != key[0]:
            return  # the user has gone on to another layer
        session.inspected = facts
        self._panel.show_facts(facts)
        self._on_form()
        session.layer_changed.emit()
        session.changed.emit()

    def _on_failed(self, ref: LayerRef, error: ErrorInfo) -> None:
        session = self._session
        if session.ref is None or session.ref.path != ref.path:
            return
        session.layer_problem = error.message
        self._panel.show_nothing(problem_text(error), "error")
        session.messages.error(error)
        session.changed.emit()

    def _on_form(self) -> None:
        if self._session.inspected:
            self._session.layer_problem = self._panel.problem()
            self._session.changed.emit()

    def _open(self) -> None:
        kinds = (
            self.tr("Rasters")
            + " (*.tif *.tiff *.vrt *.img *.jp2 *.dat *.nc);;"
            + self.tr("All files")
            + " (*)"
        )
        path, _ = QFileDialog.getOpenFileName(self._combo, self.tr("Open a raster"), "", kinds)
        if path:
            layer = self._session.iface.addRasterLayer(path, Path(path).stem)
            if layer is not None:
                self.choose(layer)

    def _copy(self) -> None:
        layer = self._session.layer
        if layer is None:
            return
        dialog = CopyDialog(self._session.iface.mapCanvas(), layer, self._combo)
        if not dialog.exec():
            return
        job = prepare_export(layer, dialog.extent(), dialog.resolution(), dialog.path())
        self._panel.show_nothing(self.tr("Copying the layer …"))
        task = WorkTask(self.tr("Copying {}").format(layer.name()), job.run)
        task.reported.connect(self._on_copy_progress)
        task.done.connect(self._on_copied)
        task.failed.connect(self._on_copy_failed)
        task.start()

    def _on_copy_progress(self, fraction: float, _: str) -> None:
        self._panel.show_nothing(self.tr("Copying the layer … {:.0%}").format(fraction))

    def _on_copied(self, ref: LayerRef) -> None:
        layer = QgsRasterLayer(ref.path, Path(ref.path).stem)
        project().addMapLayer(layer)
        self.choose(layer)

    def _on_copy_failed(self, error: ErrorInfo) -> None:
        self.refresh()
        if error.code != "cancelled":
            self._session.messages.error(error)


def _key(ref: LayerRef) -> Tuple[str, int]:
    """A raster and when it was changed."""
    path = Path(ref.path)
    return ref.path, path.stat().st_mtime_ns if path.exists() else 0
