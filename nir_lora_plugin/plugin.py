"""What QGIS sees of the plugin: its actions, its dock, its Processing provider.

``unload`` undoes ``initGui`` in reverse. The dock and all behind it are made when they are first wanted,
so that QGIS starts as fast as without the plugin.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, List, Optional

from qgis.core import QgsApplication, QgsMapLayerType, QgsSettings
from qgis.PyQt.QtCore import QCoreApplication, QLocale, QTimer, QTranslator
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QAction

from .paths import resource

if TYPE_CHECKING:
    from .flow.dock_flow import DockFlow

MENU = "NIR-LoRA"


class NirLoraPlugin:
    """The plugin; ``iface`` is None where there is no desktop."""

    def __init__(self, iface: Any) -> None:
        self._iface = iface
        self._provider: Any = None
        self._translator: Optional[QTranslator] = None
        self._undo: List[Callable[[], None]] = []  # what unload has to do, in the order of doing
        self.flow: Optional[DockFlow] = None

    def initProcessing(self) -> None:
        """Add the algorithms; all that qgis_process asks for."""
        self._translate()
        from .processing.provider import NirLoraProvider

        self._provider = NirLoraProvider()
        registry = QgsApplication.processingRegistry()
        registry.addProvider(self._provider)
        self._undo.append(lambda: registry.removeProvider(self._provider))

    def initGui(self) -> None:
        """Add the algorithms, the toolbar button and the menu entries."""
        self.initProcessing()
        iface = self._iface
        self.dock_action = self._action(self.tr("NIR-LoRA panel"), "icon.svg", self._toggle_dock)
        self.dock_action.setCheckable(True)
        self.segment_action = self._action(
            self.tr("Segment NIR layer"), "icons/segment.svg", self._segment_active
        )
        help_action = self._action(self.tr("Help"), "icons/help.svg", self._help)
        for action in (self.dock_action, self.segment_action, help_action):
            iface.addPluginToRasterMenu(MENU, action)
            self._undo.append(partial(iface.removePluginRasterMenu, MENU, action))
        for action in (self.dock_action, self.segment_action):
            iface.addToolBarIcon(action)
            self._undo.append(partial(iface.removeToolBarIcon, action))
        iface.addCustomActionForLayerType(self.segment_action, "", QgsMapLayerType.RasterLayer, True)
        self._undo.append(lambda: iface.removeCustomActionForLayerType(self.segment_action))
        self._open_as_before()

    def unload(self) -> None:
        """Take everything away again, the dock and the backend process first."""
        if self.flow is not None:
            self.flow.dock.shown.disconnect(self._on_dock_shown)
            self.flow.close()
            self.flow = None
        from .backend_process.manager import manager

        manager().close()
        while self._undo:
            self._undo.pop()()
        self._provider = None

    def tr(self, text: str) -> str:
        """``text`` in the user's language."""
        return QCoreApplication.translate("NirLoraPlugin", text)

    def show_dock(self) -> DockFlow:
        """The dock, made if need be, and shown."""
        if self.flow is None:
            from .flow.dock_flow import DockFlow

            self.flow = DockFlow(self._iface)
            self.flow.dock.shown.connect(self._on_dock_shown)
            self.flow.place()
        self.flow.dock.show()
        return self.flow

    def _toggle_dock(self, wanted: bool) -> None:
        if wanted:
            self.show_dock().dock.raise_()
        elif self.flow is not None:
            self.flow.dock.hide()
        self._remember(wanted)

    def _on_dock_shown(self, visible: bool) -> None:
        if self.flow is not None:  # a dock behind another one is hidden too, but still open
            self.dock_action.setChecked(not self.flow.dock.isHidden())

    def _segment_active(self) -> None:
        layer = self._iface.activeLayer()
        raster = layer is not None and layer.type() == QgsMapLayerType.RasterLayer
        self.show_dock().segment_layer(layer if raster else None)
        self._remember(True)

    def _help(self) -> None:
        from .flow.help import open_help

        open_help()

    def _open_as_before(self) -> None:
        """Open the dock once QGIS is up, if it was open when QGIS ended."""
        from .settings import Settings

        if Settings.DOCK_OPEN.get():
            timer = QTimer(self.dock_action)
            timer.setSingleShot(True)
            timer.timeout.connect(self.show_dock)
            timer.start(0)

    def _remember(self, is_open: bool) -> None:
        from .settings import Settings

        Settings.DOCK_OPEN.set(is_open)

    def _action(self, text: str, icon: str, do: Callable[..., None]) -> QAction:
        action = QAction(QIcon(str(resource(icon))), text, self._iface.mainWindow())
        action.setObjectName(f"NirLora{len(self._undo)}")
        action.triggered.connect(do)
        self._undo.append(action.deleteLater)
        return action

    def _translate(self) -> None:
        locale = str(QgsSettings().value("locale/userLocale", QLocale().name()))
        for name in (locale, locale[:2]):
            path = resource(f"i18n/nir_lora_{name}.qm")
            translator = QTranslator()
            if path.exists() and translator.load(str(path)):
                QCoreApplication.installTranslator(translator)
                self._translator = translator
                self._undo.append(partial(QCoreApplication.removeTranslator, translator))
                return
