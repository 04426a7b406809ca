"""Asks what to copy of a layer that is no local file: which part, how fine, where to."""

from __future__ import annotations

from typing import Any, Optional

from qgis.core import QgsCoordinateTransform, QgsProject, QgsRasterLayer, QgsRectangle
from qgis.gui import QgsFileWidget
from qgis.PyQt.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QDoubleSpinBox, QFormLayout, QWidget

from .widgets import label

_MAX_PX = 2_000_000_000


class CopyDialog(QDialog):
    """Extent, resolution and file; OK is offered once the file is named and the size is sane."""

    def __init__(self, canvas: Any, layer: QgsRasterLayer, parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self._canvas, self._layer = canvas, layer
        self.setWindowTitle(self.tr("Copy {}").format(layer.name()))
        self.setMinimumWidth(420)
        self.part_combo = QComboBox()
        self.part_combo.addItem(self.tr("What the map shows now"), "view")
        if not layer.extent().isEmpty() and layer.width() > 0:
            self.part_combo.addItem(self.tr("The whole layer"), "layer")
        self.resolution_spin = QDoubleSpinBox()
        self.resolution_spin.setDecimals(8)
        self.resolution_spin.setRange(1e-8, 1e6)
        self.resolution_spin.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        native = layer.rasterUnitsPerPixelX() if layer.width() > 0 else 0.0
        self.resolution_spin.setValue(native or self.extent().width() / max(1, canvas.width()))
        self.file_widget = QgsFileWidget()
        self.file_widget.setStorageMode(QgsFileWidget.StorageMode.SaveFile)
        self.file_widget.setFilter("GeoTIFF (*.tif)")
        self.size_label = label(name="muted")
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        form = QFormLayout(self)
        form.addRow(self.tr("Part"), self.part_combo)
        form.addRow(self.tr("Pixel size ({})").format(self._units()), self.resolution_spin)
        form.addRow(self.tr("File"), self.file_widget)
        form.addRow("", self.size_label)
        form.addRow(self.buttons)
        self.part_combo.currentIndexChanged.connect(self._on_changed)
        self.resolution_spin.valueChanged.connect(self._on_changed)
        self.file_widget.fileChanged.connect(self._on_changed)
        self._on_changed()

    def extent(self) -> QgsRectangle:
        """The part to copy, in the layer's CRS."""
        if self.part_combo.currentData() == "layer":
            return self._layer.extent()
        source = self._canvas.mapSettings().destinationCrs()
        change = QgsCoordinateTransform(source, self._layer.crs(), QgsProject.instance())
        view = change.transformBoundingBox(self._canvas.extent())
        whole = self._layer.extent()
        return view if whole.isEmpty() else view.intersect(whole)

    def resolution(self) -> float:
        """Side of a pixel in units of the layer's CRS."""
        return float(self.resolution_spin.value())

    def path(self) -> str:
        """The file to write, with its suffix."""
        path = self.file_widget.filePath().strip()
        return path if not path or path.lower().endswith((".tif", ".tiff")) else path + ".tif"

    def _on_changed(self, *_: object) -> None:
        extent = self.extent()
        columns = round(extent.width() / self.resolution())
        rows = round(extent.height() / self.resolution())
        good = 0 < columns * rows <= _MAX_PX
        text = self.tr("{:,} × {:,} pixels").format(columns, rows)
        if extent.isEmpty():
            text = self.tr("The map shows nothing of this layer.")
        elif not good:
            text = self.tr("{}: choose larger pixels or a smaller part").format(text)
        self.size_label.setText(text)
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(good and bool(self.path()))

    def _units(self) -> str:
        return self.tr("degrees") if self._layer.crs().isGeographic() else self.tr("map units")
