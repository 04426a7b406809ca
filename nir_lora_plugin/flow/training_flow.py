"""Step 2 at work: makes or opens the polygon layer, follows drawing, and says what is still thin."""

from __future__ import annotations

from pathlib import Path
from typing import List

from qgis.PyQt.QtCore import QObject, pyqtSignal
from qgis.PyQt.QtWidgets import QFileDialog

from nir_lora_plugin.errors import PluginError
from nir_lora_plugin.training_file import write_copy
from nir_lora_plugin.training_layer import TrainingLayer
from nir_lora_plugin.ui.class_table import ClassTable
from nir_lora_plugin.ui.take_over_dialog import TakeOverDialog
from nir_lora_plugin.ui.training_panel import TrainingPanel

from .files import scratch
from .readiness import missing_for_training
from .session import Session, project


class TrainingFlow(QObject):
    """Ties the training panel to the session and to QGIS's digitising."""

    made = pyqtSignal()  # a layer to draw in is there now

    def __init__(self, session: Session, panel: TrainingPanel) -> None:
        super().__init__(session)
        self._session, self._panel = session, panel
        self._raster_id = ""
        panel.make_wanted.connect(self._make)
        panel.choose_wanted.connect(self._choose)
        panel.draw_wanted.connect(self._draw)
        panel.undo_wanted.connect(self._undo)
        panel.save_wanted.connect(self.save)
        panel.take_over_wanted.connect(self._take_over)
        session.layer_changed.connect(self._on_raster)
        session.changed.connect(self._refresh_start)
        session.iface.mapCanvas().mapToolSet.connect(self._refresh_drawing)
        project().layersWillBeRemoved.connect(self._on_removed)

    def close(self) -> None:
        """Let go of QGIS's signals and of the layer."""
        self._session.iface.mapCanvas().mapToolSet.disconnect(self._refresh_drawing)
        project().layersWillBeRemoved.disconnect(self._on_removed)
        self._drop()

    def save(self) -> bool:
        """Write what was drawn; whether that went well."""
        training = self._session.training
        if training is None:
            return False
        try:
            training.save()
        except PluginError as error:
            self._session.messages.error(error.info)
            return False
        self._refresh()
        return True

    def copy(self) -> str:
        """Path of a new scratch file with the polygons as they are now; "" if it cannot be written."""
        training = self._session.training
        if training is None:
            return ""
        path = str(scratch("training.gpkg"))
        try:
            write_copy(training.layer, path)
        except PluginError as error:
            self._session.messages.error(error.info)
            return ""
        return path

    def _on_raster(self) -> None:
        layer = self._session.layer
        raster_id = layer.id() if layer is not None else ""
        if raster_id != self._raster_id:
            self._raster_id = raster_id
            self._drop()
        if self._session.training is None and self._session.ref is not None and self._in_project():
            self._open("")
        self._refresh_start()

    def _in_project(self) -> bool:
        """Whether the raster's training polygons are already open in the project."""
        beside = self._beside()
        if not beside:
            return False
        sources = (layer.source().split("|")[0] for layer in project().mapLayers().values())
        return any(Path(source) == Path(beside) for source in sources if source)

    def _beside(self) -> str:
        """Path of the training GeoPackage beside the raster, if there is one."""
        ref = self._session.ref
        if ref is None:
            return ""
        path = Path(ref.path).with_name(f"{Path(ref.path).stem}_training.gpkg")
        return str(path) if path.exists() else ""

    def _make(self) -> None:
        self._open("")

    def _choose(self) -> None:
        folder = str(Path(self._session.ref.path).parent) if self._session.ref else ""
        title, kinds = self.tr("Open training polygons"), "GeoPackage (*.gpkg)"
        path, _ = QFileDialog.getOpenFileName(self._panel, title, folder, kinds)
        if path:
            self._open(path)

    def _open(self, path: str) -> None:
        if self._session.layer is None:
            return
        try:
            training = TrainingLayer.open_or_create(self._session.layer, path)
        except PluginError as error:
            self._session.messages.error(error.info)
            return
        self._drop()
        self._session.training = training
        training.changed.connect(self._refresh)
        name = Path(training.layer.source().split("|")[0]).name
        self._panel.show_layer(name, ClassTable(training))
        self._refresh()
        self.made.emit()

    def _drop(self) -> None:
        training, self._session.training = self._session.training, None
        if training is not None:
            training.changed.disconnect(self._refresh)
            self._refresh_start()
            self._session.changed.emit()

    def _on_removed(self, layer_ids: List[str]) -> None:
        training = self._session.training
        if training is not None and training.layer.id() in layer_ids:
            self._drop()

    def _draw(self, on: bool) -> None:
        training, iface = self._session.training, self._session.iface
        if training is None:
            return
        if on:
            try:
                training.start_drawing(iface)
            except PluginError as error:
                self._session.messages.error(error.info)
        else:
            iface.actionPan().trigger()
        self._refresh_drawing()

    def _undo(self) -> None:
        if self._session.training is not None:
            self._session.training.undo()

    def _take_over(self) -> None:
        training = self._session.training
        if training is None:
            return
        dialog = TakeOverDialog([training.layer], self._panel)
        if not dialog.exec():
            return
        try:
            count = training.take_over(dialog.layer(), dialog.field())
        except PluginError as error:
            self._session.messages.error(error.info)
            return
        self._session.messages.good(self.tr("{} polygons were taken over.").format(count))

    def _refresh_start(self) -> None:
        if self._session.training is None:
            beside = self._beside()
            self._panel.show_no_layer(missing_for_training(self._session.facts()), Path(beside).name)

    def _refresh(self) -> None:
        training = self._session.training
        if training is None:
            return
        layer = training.layer
        can_undo = layer.isEditable() and layer.undoStack().canUndo()
        problems = [("warning", problem) for problem in training.problems()]
        self._panel.show_state(layer.isModified(), can_undo, problems)
        self._refresh_drawing()
        self._session.changed.emit()

    def _refresh_drawing(self, *_: object) -> None:
        training = self._session.training
        if training is not None:
            self._panel.show_drawing(self._is_drawing(training), training.current)

    def _is_drawing(self, training: TrainingLayer) -> bool:
        iface = self._session.iface
        return bool(
            iface.actionAddFeature().isChecked()
            and training.layer.isEditable()
            and iface.activeLayer() == training.layer
        )
