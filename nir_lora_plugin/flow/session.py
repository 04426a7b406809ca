"""What the steps share: the chosen layer, what is known of it, the polygons, the model, and what runs."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

from qgis.core import QgsProject, QgsRasterLayer
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from nir_lora_plugin.client import Client
from nir_lora_plugin.protocol import LayerRef, ModelInfo
from nir_lora_plugin.tasks import CallTask
from nir_lora_plugin.training_layer import TrainingLayer

from .messages import Messages
from .readiness import Facts


class Session(QObject):
    """State without behaviour; whoever changes it emits the signal that fits.

    Attributes:
        iface: QGIS's interface.
        layer: The chosen raster.
        ref: The same as the backend can open it; None while it cannot.
        inspected: What the backend says of it.
        layer_problem: Why it cannot be used as it is.
        training: Its polygons.
        model: The chosen model.
        backend: Whether a backend is installed.
        stopped: Whether the user has stopped it.
        running: ``train``, ``adapt``, ``segment`` or "".
    """

    changed = pyqtSignal()  # something that readiness looks at
    layer_changed = pyqtSignal()  # another raster, or now its bands are known
    backend_ready = pyqtSignal()  # it runs now, or again
    backend_lost = pyqtSignal()  # it ended on its own

    def __init__(self, iface: Any, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self.iface = iface
        self.messages = Messages(iface)
        self.layer: Optional[QgsRasterLayer] = None
        self.ref: Optional[LayerRef] = None
        self.inspected: Dict[str, Any] = {}
        self.layer_problem = ""
        self.training: Optional[TrainingLayer] = None
        self.model: Optional[ModelInfo] = None
        self.misfit = False
        self.area_problem = ""
        self.backend = False
        self.stopped = False
        self.running = ""

    @property
    def may_ask(self) -> bool:
        """Whether the backend may be asked what nobody pressed a button for: that must not start it again."""
        return self.backend and not self.stopped

    def facts(self) -> Facts:
        """The session as readiness sees it."""
        classes = self.training.classes() if self.training else []
        return Facts(
            backend=self.backend,
            layer=self.layer.name() if self.layer else "",
            layer_problem=self.layer_problem,
            inspected=bool(self.inspected),
            training_layer=self.training is not None,
            counts=tuple((c.name, c.count) for c in classes),
            has_model=self.model is not None,
            model_problem=self.model.problem if self.model else "",
            misfit=self.misfit,
            area_problem=self.area_problem,
            running=self.running,
        )

    def set_running(self, kind: str) -> None:
        """A job of ``kind`` runs now; "" when it ended."""
        self.running = kind
        self.changed.emit()


def call(
    owner: QObject,
    title: str,
    function: Callable[[Client], Any],
    done: Callable[[Any], None],
    failed: Callable[[Any], None],
) -> CallTask:
    """Ask the backend in a thread; ``done`` or ``failed`` hear of it on the main thread.

    Neither does once ``owner`` is gone: the plugin may be unloaded while the backend still answers.
    """
    task = CallTask(title, function)
    task.done.connect(lambda answer: None if sip.isdeleted(owner) else done(answer))
    task.failed.connect(lambda error: None if sip.isdeleted(owner) else failed(error))
    task.start()
    return task


class Later(QTimer):
    """Does something once the calls for it have ceased for ``wait_ms``."""

    def __init__(self, wait_ms: int, what: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self.setSingleShot(True)
        self.setInterval(wait_ms)
        self.timeout.connect(what)


def project() -> QgsProject:
    """The open project."""
    return QgsProject.instance()
