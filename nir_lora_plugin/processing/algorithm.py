"""What the algorithms have in common: parameters from options, one job of the backend, errors in words.

QGIS imports all algorithms at its start, so what only a run needs is imported by the run.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Dict, List, Sequence, Set, Type

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFile,
)
from qgis.PyQt.QtCore import QCoreApplication, QThread, QUrl
from qgis.PyQt.QtGui import QIcon

from nir_lora_plugin import paths
from nir_lora_plugin.errors import Cancelled, PluginError
from nir_lora_plugin.protocol import JobRecord
from nir_lora_plugin.translation import translate

from .follow import Follower
from .options import Option, definition, values
from .rasters import RasterInput
from .words import with_parameters

if TYPE_CHECKING:
    from nir_lora_plugin.client import Request

Parameters = Dict[str, Any]


class NirLoraAlgorithm(QgsProcessingAlgorithm):
    """A job of the backend as an algorithm.

    QGIS calls ``prepareAlgorithm`` on the main thread, where layers may be touched, then ``processAlgorithm``
    on any thread, where they may not. A subclass says what it is (``kind``, ``request_type``, ``icon_name``),
    which parameters it has (``files``, ``options``), reads them (``prepare``), builds the request
    (``request``) and reports (``results``).
    """

    kind = ""
    icon_name = ""
    request_type: Type[Any] = object

    def createInstance(self) -> NirLoraAlgorithm:
        """A new one; QGIS runs copies."""
        return type(self)()

    def name(self) -> str:
        """The stable id: ``nirlora:<kind>``."""
        return self.kind

    def group(self) -> str:
        """None: they stand right below the provider, NIR-LoRA."""
        return ""

    def groupId(self) -> str:
        """See ``group``."""
        return ""

    def icon(self) -> QIcon:
        """The same as in the dock."""
        return QIcon(str(paths.resource(f"icons/{self.icon_name}.svg")))

    def helpUrl(self) -> str:
        """The part about this algorithm of the help that comes with the plugin."""
        url = QUrl.fromLocalFile(str(paths.resource("help/processing.html")))
        url.setFragment(self.kind)
        return str(url.toString())

    def shortHelpString(self) -> str:
        """What it does, and what the basic parameters are; the advanced ones have tooltips."""
        advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
        rows = "".join(
            f"<p><b>{html.escape(parameter.description())}</b><br>{html.escape(parameter.help())}</p>"
            for parameter in self.parameterDefinitions()
            if parameter.help() and not parameter.flags() & advanced
        )
        return f"<p>{html.escape(self.about())}</p>{rows}"

    def about(self) -> str:
        """A few sentences for the help; ``shortDescription`` is the one for tooltips."""
        raise NotImplementedError

    def files(self) -> List[QgsProcessingParameterDefinition]:
        """The parameters that are layers and files."""
        raise NotImplementedError

    def options(self) -> List[Option]:
        """The plain fields of the request that the user may set."""
        raise NotImplementedError

    def prepare(
        self, parameters: Parameters, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Read layers and files into ``self``; on the main thread."""
        raise NotImplementedError

    def request(self, rasters: Sequence[Any], fields: Dict[str, Any]) -> Request:
        """The request, of LayerRefs (one for each of ``self.rasters``) and the options' values."""
        raise NotImplementedError

    def results(self, result: Dict[str, Any], context: QgsProcessingContext) -> Dict[str, Any]:
        """The outputs, of the JSON of the job's result."""
        raise NotImplementedError

    def initAlgorithm(self, configuration: Dict[str, Any] = {}) -> None:  # noqa: B006 - as QGIS calls it
        """Add the parameters."""
        self.rasters: List[RasterInput] = []
        for parameter in self.files():
            self.addParameter(parameter)
        for option in self.options():
            self.addParameter(definition(option, self.request_type))

    def prepareAlgorithm(
        self, parameters: Parameters, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        """Read everything that needs the main thread."""
        try:
            self.rasters = []
            self._fields = values(self, self.options(), self.request_type, parameters, context)
            self.prepare(parameters, context, feedback)
        except PluginError as error:
            raise self.in_words(error) from None
        return True

    def processAlgorithm(
        self, parameters: Parameters, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> Dict[str, Any]:
        """Have the backend do it; a cancelled run gives no outputs."""
        follower = Follower(feedback, self._parameter_names())
        try:
            rasters = [raster.ready(feedback) for raster in self.rasters]
            request = self.request(rasters, self._fields)
            record = self._run(request, follower, feedback)
            return self.results(record.result or {}, context)
        except Cancelled:
            if feedback.isCanceled():
                return {}
            raise QgsProcessingException(translate("Processing", "The job was stopped.")) from None
        except PluginError as error:
            raise self.in_words(error) from None

    def in_words(self, error: PluginError) -> QgsProcessingException:
        """The error as Processing shows it: what happened, and on the next line what to do."""
        text = "\n".join(filter(None, (error.info.message, error.info.hint)))
        return QgsProcessingException(with_parameters(text, self._parameter_names()))

    def _parameter_names(self) -> Set[str]:
        return {parameter.name() for parameter in self.parameterDefinitions()}

    def _run(self, request: Request, follower: Follower, feedback: QgsProcessingFeedback) -> JobRecord:
        from nir_lora_plugin.backend_process.manager import manager

        from .job import run_job

        feedback.setProgressText(translate("Processing", "Starting the backend"))
        client = manager().client()
        title, stopped = self.displayName(), feedback.isCanceled
        return run_job(client, self.kind, request, title, follower.see, stopped, _hear_ctrl_c)


def _hear_ctrl_c() -> None:
    """Let qgis_process, which runs algorithms in its main thread, take in the signals that it was sent."""
    from qgis.utils import iface

    application = QCoreApplication.instance()
    if iface is None and QThread.currentThread() == application.thread():
        application.processEvents()


def model_parameter() -> QgsProcessingParameterFile:
    """The model to use."""
    parameter = QgsProcessingParameterFile(
        "MODEL", translate("Processing", "Model (.nirlora)"), extension="nirlora"
    )
    parameter.setHelp(translate("Processing", "A model file from training."))
    return parameter
