"""Adapting a backbone to rasters without labels: plans and runs it, takes it up again, opens its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Optional

from qgis.PyQt.QtCore import QObject, QUrl, pyqtSignal
from qgis.PyQt.QtGui import QDesktopServices

from nir_lora_plugin.protocol import AdaptRequest, AdaptResult, ErrorInfo, JobRecord, from_dict
from nir_lora_plugin.settings import Settings
from nir_lora_plugin.ui.adapt_panel import AdaptPanel

from .files import BACKBONE_SUFFIX, clean_stem, free_path, output_folder
from .rasters import ProjectRasters
from .readiness import missing_for_adapt
from .resumable import JobWords, ResumableJob
from .session import Later, Session, call

_PLAN_WAIT_MS = 500


class AdaptFlow(QObject):
    """Ties the panel and its job to the session.

    Args:
        bands: The ``bands`` text of the layer step.
        device: Where to compute.
        rasters: Of the project.
    """

    started = pyqtSignal()
    adapted = pyqtSignal(str)  # path of the backbone
    use_wanted = pyqtSignal(str)  # train with the backbone at this path

    def __init__(
        self,
        session: Session,
        panel: AdaptPanel,
        bands: Callable[[], str],
        device: Callable[[], str],
        rasters: ProjectRasters,
    ) -> None:
        super().__init__(session)
        self._session, self._panel, self._rasters = session, panel, rasters
        self._bands, self._device = bands, device
        self._is_open = False
        self._result: Optional[AdaptResult] = None
        self._asked: Optional[AdaptRequest] = None  # what the shown estimate is of
        self._plan_later = Later(_PLAN_WAIT_MS, self._plan, self)
        self.job = ResumableJob(session, self._words())
        panel.backbone_combo.choose(Settings.ADAPT_BACKBONE.get())
        panel.set_objective(Settings.ADAPT_OBJECTIVE.get())
        panel.minutes_spin.setValue(Settings.ADAPT_MINUTES.get())
        self._connect()

    def _connect(self) -> None:
        panel, session, job = self._panel, self._session, self.job
        panel.adapt_wanted.connect(self._adapt)
        panel.cancel_wanted.connect(self.cancel)
        panel.keep_wanted.connect(self._keep)
        panel.resume_wanted.connect(job.resume)
        panel.report_wanted.connect(self._open_report)
        panel.use_wanted.connect(self._use)
        panel.changed.connect(self._on_settings)
        session.changed.connect(self._refresh)
        session.layer_changed.connect(self._on_layer)
        self._rasters.changed.connect(self._refresh)
        job.started.connect(self._on_started)
        job.progressed.connect(panel.show_record)
        job.done.connect(self._on_done)
        job.ended.connect(panel.show_end)

    def set_open(self, is_open: bool) -> None:
        """Whether the card is open: only then is anything looked at."""
        self._is_open = is_open
        self._refresh()

    def close(self) -> None:
        """Let go of the running job: it ends with the backend, and can be taken up again."""
        self.job.let_go()

    def cancel(self) -> None:
        """Stop the running job; nothing of it stays."""
        if self.job.is_running:
            self._panel.job_view.stopping()
            self.job.cancel()

    def request(self) -> Optional[AdaptRequest]:
        """The adaptation as it is set up now; None while no raster is chosen."""
        panel = self._panel
        layers = self._rasters.refs(panel.rasters.chosen())
        if not layers:
            return None
        first = Path(layers[0].path)
        stem = clean_stem(panel.backbone_name() or f"{first.stem}_adapted")
        return AdaptRequest(
            layers=layers,
            out=str(free_path(output_folder(first), stem, BACKBONE_SUFFIX)),
            bands=self._bands(),
            backbone=panel.backbone_combo.backbone(),
            objective=panel.objective(),
            max_seconds=panel.minutes_spin.value() * 60.0,
            device=self._device(),
        )

    def _on_settings(self) -> None:
        panel = self._panel
        Settings.ADAPT_BACKBONE.set(panel.backbone_combo.backbone())
        Settings.ADAPT_OBJECTIVE.set(panel.objective())
        Settings.ADAPT_MINUTES.set(panel.minutes_spin.value())
        self._refresh()

    def _on_layer(self) -> None:
        if self._session.ref is not None:
            self._panel.name_edit.setText(f"{Path(self._session.ref.path).stem}_adapted")

    def _refresh(self) -> None:
        if not self._is_open:
            return
        panel, layer = self._panel, self._session.layer
        panel.rasters.show_rows(self._rasters.rows(chosen=layer.id() if layer is not None else ""))
        missing = self._missing()
        panel.show_missing(missing)
        if missing:
            self._plan_later.stop()
            panel.show_estimate("")
        else:
            self._plan_later.start()

    def _missing(self) -> str:
        return missing_for_adapt(self._session.facts(), len(self._panel.rasters.chosen()))

    def _plan(self) -> None:
        request = self.request()
        wanted = self._is_open and self._session.may_ask
        if not wanted or self._missing() or request is None or request == self._asked:
            return
        self._asked = request
        self._panel.show_estimate(self.tr("Estimating …"))
        call(
            self,
            self.tr("Estimating the adaptation"),
            lambda client: client.plan_adaptation(request),
            lambda plan: self._on_planned(request, plan),
            lambda error: self._on_plan_failed(request, error),
        )

    def _on_planned(self, request: AdaptRequest, plan: Dict[str, Any]) -> None:
        if request == self._asked:
            self._panel.show_plan(plan)

    def _on_plan_failed(self, request: AdaptRequest, error: ErrorInfo) -> None:
        if request == self._asked:
            self._asked = None
            self._panel.show_failed_plan(error)

    def _adapt(self) -> None:
        request = self.request()
        if request is not None:
            self.job.run(request, self.tr("Adapting {}").format(_name(request.out)))

    def _keep(self) -> None:
        if self.job.is_running:
            self._panel.job_view.stopping()
            self.job.keep()

    def _on_started(self) -> None:
        self._asked = None
        self._panel.start()
        self.started.emit()

    def _on_done(self, record: JobRecord) -> None:
        result = self._result = from_dict(AdaptResult, record.result)
        name = _name(result.backbone)
        self._panel.show_result(result, name)
        if not self._panel.isVisible():  # else the panel says it
            self._session.messages.good(self.tr("The backbone {} is ready.").format(name))
        self._open_report()
        self.adapted.emit(result.backbone)

    def _use(self) -> None:
        if self._result is not None:
            self.use_wanted.emit(self._result.backbone)

    def _open_report(self) -> None:
        report = self._result.report if self._result is not None else ""
        if report and Path(report).exists():
            QDesktopServices.openUrl(QUrl.fromLocalFile(report))

    def _words(self) -> JobWords:
        return JobWords(
            kind="adapt",
            resumed=self.tr("Adapting, taken up again"),
            named=self.tr("{} was interrupted."),
            untitled=self.tr("An adaptation"),
            cancelled=self.tr("Cancelled; nothing was kept."),
            interrupted=self.tr("The adaptation was interrupted."),
            stopped=self.tr("The backend was stopped during the adaptation."),
            lost=self.tr("The backend ended during the adaptation and was started again."),
        )


def _name(path: str) -> str:
    return Path(path).name[: -len(BACKBONE_SUFFIX)]
