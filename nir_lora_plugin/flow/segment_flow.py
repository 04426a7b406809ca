"""Step 4 at work: checks that the model fits, makes the map, and brings its layers into the project."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Callable, List, Optional, Tuple

from qgis.core import QgsMapLayer, QgsVectorLayer
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt.QtCore import QObject, pyqtSignal
from qgis.PyQt.QtWidgets import QFileDialog

from nir_lora_plugin.errors import PluginError
from nir_lora_plugin.protocol import ErrorInfo, JobRecord, LayerRef, SegmentRequest, SegmentResult, from_dict
from nir_lora_plugin.result_layers import add_results
from nir_lora_plugin.settings import Settings
from nir_lora_plugin.tasks import JobTask
from nir_lora_plugin.ui.area_table import area_text
from nir_lora_plugin.ui.problem import problem_text
from nir_lora_plugin.ui.segment_panel import EXTENT, POLYGONS, SegmentPanel

from .aoi import extent_geometry, polygon_geometries, write_aoi
from .files import forget_scratch, free_path, output_folder, scratch
from .readiness import missing_for_segment
from .session import Later, Session, call, project

_CHECK_WAIT_MS = 150
_PATIENCE_MS = 120_000  # the first import of torch from a slow disk may take a minute


class SegmentFlow(QObject):
    """Ties the segment panel to the session.

    Args:
        roles: The ``bands`` text that says what the user knows better than the file.
        polygons: The combo box of polygon layers in the panel.
    """

    started = pyqtSignal()
    finished = pyqtSignal()

    def __init__(
        self,
        session: Session,
        panel: SegmentPanel,
        roles: Callable[[], str],
        polygons: QgsMapLayerComboBox,
    ) -> None:
        super().__init__(session)
        self._session, self._panel, self._roles, self._polygons = session, panel, roles, polygons
        self._task: Optional[JobTask] = None
        self._source: Optional[QgsMapLayer] = None
        self._asked: Optional[SegmentRequest] = None  # is being checked
        self._checked: Optional[SegmentRequest] = None  # has been checked
        self._wanted = False  # segment as soon as the check says that it fits
        self._patience = Later(_PATIENCE_MS, self._give_up, self)
        self._problems: List[ErrorInfo] = []
        self._lost = False  # whether the backend ended while it ran
        self._area_path = ""  # scratch file of the running job
        self._left = False  # whether the project of the running job was closed
        self._waiting: Optional[SegmentResult] = None  # a map that this project has not been given
        self._check_later = Later(_CHECK_WAIT_MS, self._check, self)
        panel.set_area(Settings.SEGMENT_AREA.get())
        panel.confidence_check.setChecked(Settings.SEGMENT_CONFIDENCE.get())
        panel.polygons_check.setChecked(Settings.SEGMENT_POLYGONS.get())
        panel.min_area_spin.setValue(Settings.SEGMENT_MIN_AREA_M2.get())
        panel.segment_wanted.connect(self.segment)
        panel.notice_pressed.connect(self._on_notice)
        panel.cancel_wanted.connect(self.cancel)
        panel.changed.connect(self._on_choices)
        panel.area_table.csv_wanted.connect(self._save_csv)
        polygons.layerChanged.connect(self._on_choices)
        session.changed.connect(self._refresh)
        session.layer_changed.connect(self._forget_check)
        session.backend_ready.connect(self._on_backend)
        project().cleared.connect(self._on_project_closed)

    def close(self) -> None:
        """Let go of QGIS's signals, and cancel the running job."""
        project().cleared.disconnect(self._on_project_closed)
        if self._task is not None:
            self._task.let_go()
            self._task.cancel()
        forget_scratch(self._area_path)

    def segment(self) -> None:
        """Make the map, unless something is missing; then the panel says what."""
        if missing_for_segment(self._session.facts()):
            return
        if self._plain_request() != self._checked:
            self.segment_soon()
            return
        self._give_up()
        try:
            request = self._request()
        except PluginError as error:
            self._session.messages.error(error.info)
            return
        self._remember()
        self._source, self._area_path, self._left = self._session.layer, request.aoi, False
        task = JobTask("segment", request, self.tr("Segmenting {}").format(Path(request.layer.path).stem))
        task.progressed.connect(self._on_progress)
        task.finished_job.connect(self._on_finished)
        task.failed.connect(self._on_failed)
        self._task = task
        self._panel.start()
        self._session.set_running("segment")
        task.start()
        self.started.emit()

    def segment_soon(self) -> None:
        """Make the map once the layer is read and the model is known to fit; forget it if that takes long."""
        self._wanted = True
        self._patience.start()
        self._check()
        self._refresh()

    def cancel(self) -> None:
        """Stop the running job; nothing of it stays."""
        if self._task is not None:
            self._panel.job_view.stopping()
            self._task.cancel()

    def _request(self) -> SegmentRequest:
        """The job as it is set up now, its area written to a file."""
        plain = self._plain_request()
        if plain is None:
            raise PluginError(self.tr("There is no layer or no model."))
        stem = f"{Path(plain.layer.path).stem}_{Path(plain.model).stem}"
        folder = output_folder(Path(plain.layer.path))
        out = free_path(folder, stem, ".tif")
        polygons = ""
        if self._panel.polygons_check.isChecked():
            polygons = str(free_path(folder, out.stem, ".gpkg"))
        return SegmentRequest(
            layer=plain.layer,
            model=plain.model,
            out=str(out),
            confidence=self._panel.confidence_check.isChecked(),
            probabilities=self._panel.probabilities_check.isChecked(),
            polygons=polygons,
            min_area_m2=self._panel.min_area_spin.value() if polygons else 0.0,
            aoi=self._write_area(),
            bands=plain.bands,
            device=plain.device,
            allow_mismatch=bool(self._problems) and self._panel.allow_check.isChecked(),
        )

    def _plain_request(self) -> Optional[SegmentRequest]:
        """Layer, model and bands alone: what decides whether they fit."""
        session = self._session
        if session.ref is None or session.model is None or session.model.problem:
            return None
        layer = LayerRef(session.ref.path, nodata=session.ref.nodata, crs=session.ref.crs)
        return SegmentRequest(layer, session.model.path, bands=self._roles(), device=Settings.DEVICE.get())

    def _write_area(self) -> str:
        layer, area = self._session.layer, self._panel.area()
        if layer is None or area not in (EXTENT, POLYGONS):
            return ""
        if area == EXTENT:
            shown = extent_geometry(self._session.iface.mapCanvas(), layer)
            return write_aoi(scratch("area.gpkg"), [shown], layer.crs())
        source: QgsVectorLayer = self._polygons.currentLayer()
        return write_aoi(scratch("area.gpkg"), polygon_geometries(source), source.crs())

    def _area_problem(self) -> str:
        if self._panel.area() == POLYGONS and self._polygons.currentLayer() is None:
            return self.tr("There is no polygon layer to segment inside of.")
        return ""

    def _on_choices(self, *_: object) -> None:
        session = self._session
        session.model = self._panel.model_list.current()
        session.area_problem = self._area_problem()
        self._judge()
        session.changed.emit()

    def _judge(self) -> None:
        self._session.misfit = bool(self._problems) and not self._panel.allow_check.isChecked()

    def _refresh(self) -> None:
        missing = missing_for_segment(self._session.facts())
        waits = self._wanted and not missing and self._asked is not None
        self._panel.show_missing(self.tr("Checking that the model fits …") if waits else missing)
        if self._session.running or not self._session.inspected:
            return
        plain = self._plain_request()
        if plain is not None and plain not in (self._asked, self._checked) and self._session.may_ask:
            self._check_later.start()
        if self._wanted and not missing and plain == self._checked:
            self.segment()

    def _give_up(self) -> None:
        self._wanted = False
        self._patience.stop()

    def _on_backend(self) -> None:
        if self._lost:
            self._lost = False
            words = self.tr("The backend ended during the run and was started again. No map was written.")
            self._panel.show_end(words, "warning", self.tr("Segment again"))
        self._forget_check()

    def _forget_check(self) -> None:
        self._asked, self._checked, self._problems = None, None, []
        self._judge()
        self._panel.show_check((), ())
        self._refresh()

    def _check(self) -> None:
        request = self._plain_request()
        if request is None or request in (self._asked, self._checked) or not self._session.inspected:
            return
        self._asked, self._checked, self._problems = request, None, []
        self._panel.allow_check.setChecked(False)
        call(
            self,
            self.tr("Checking that the model fits"),
            lambda client: client.check(request),
            partial(self._on_checked, request),
            partial(self._on_check_failed, request),
        )

    def _on_check_failed(self, request: SegmentRequest, error: ErrorInfo) -> None:
        if error.code == "backend_gone":  # asked again once it is back
            self._asked = None
        else:
            self._on_checked(request, ([error], []))

    def _on_checked(self, request: SegmentRequest, answer: Tuple[List[ErrorInfo], List[str]]) -> None:
        if request != self._asked:
            return  # the user has chosen something else meanwhile
        problems, warnings = answer
        self._asked, self._checked, self._problems = None, request, problems
        self._panel.show_check([problem_text(p) for p in problems], warnings)
        self._judge()
        if problems:
            self._give_up()
        self._session.changed.emit()

    def _on_progress(self, record: JobRecord) -> None:
        if self._task is not None:
            self._panel.show_record(record)

    def _on_finished(self, record: JobRecord) -> None:
        self._end_task()
        if record.state == "done" and record.result is not None:
            self._on_result(from_dict(SegmentResult, record.result))
        elif record.state == "cancelled":
            self._panel.show_end(self.tr("Cancelled; no map was written."), "info")
        else:
            self._panel.show_end(self.tr("The job was interrupted; no map was written."), "warning")
        self._session.set_running("")
        self.finished.emit()

    def _end_task(self) -> None:
        self._task, self._waiting = None, None
        forget_scratch(self._area_path)

    def _on_result(self, result: SegmentResult) -> None:
        name = Path(result.map).name
        if self._left:  # another project may be open by now, which has nothing to do with this map
            self._waiting = result
            self._panel.show_result(result, self.tr("Add the map to this project"))
            self._session.messages.good(self.tr("The map {} is ready; its project was closed.").format(name))
            return
        self._add(result)
        self._panel.show_result(result)
        if not self._panel.isVisible():  # else the panel says it
            self._session.messages.good(self.tr("The map {} is ready.").format(name))

    def _add(self, result: SegmentResult) -> None:
        source = self._source if self._source in project().mapLayers().values() else None
        try:
            show_legend(add_results(result, source, project())[0])
        except PluginError as error:
            self._session.messages.error(error.info)

    def _on_notice(self) -> None:
        """The button beside what became of the last job."""
        if self._waiting is None:
            self.segment()
            return
        result, self._waiting = self._waiting, None
        self._add(result)
        self._panel.show_result(result)

    def _on_project_closed(self) -> None:
        self._left = True

    def _on_failed(self, error: ErrorInfo) -> None:
        self._end_task()
        gone, stopped = error.code == "backend_gone", self._session.stopped
        if error.code == "cancelled":
            self._panel.show_end(self.tr("Cancelled; no map was written."), "info")
        elif gone and stopped:
            words = self.tr("The backend was stopped; no map was written.")
            self._panel.show_end(words, "info", self.tr("Segment again"))
        else:
            self._panel.show_end(problem_text(error), "error")
            self._session.messages.error(error)
        self._session.set_running("")
        if gone and not stopped:
            self._lost = True
            self._session.backend_lost.emit()
        self.finished.emit()

    def _remember(self) -> None:
        panel = self._panel
        Settings.SEGMENT_MODEL.set(self._session.model.path if self._session.model else "")
        Settings.SEGMENT_AREA.set(panel.area())
        Settings.SEGMENT_CONFIDENCE.set(panel.confidence_check.isChecked())
        Settings.SEGMENT_POLYGONS.set(panel.polygons_check.isChecked())
        Settings.SEGMENT_MIN_AREA_M2.set(panel.min_area_spin.value())

    def _save_csv(self) -> None:
        title, kinds = self.tr("Save the area table"), "CSV (*.csv)"
        path, _ = QFileDialog.getSaveFileName(self._panel, title, "areas.csv", kinds)
        if not path:
            return
        try:
            Path(path).write_text(area_text(self._panel.area_table.areas, ","), encoding="utf-8")
        except OSError as error:
            self._session.messages.error(ErrorInfo("output", f"The table was not saved: {error}"))


def show_legend(layer: QgsMapLayer) -> None:
    """Open the map's entry in the layer tree, and its group: the legend is what the map is read by."""
    node = project().layerTreeRoot().findLayer(layer.id())
    while node is not None:
        node.setExpanded(True)
        node = node.parent()
