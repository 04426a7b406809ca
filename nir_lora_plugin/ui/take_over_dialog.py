"""Asks which layer's polygons to take over, and which field names their class."""

from __future__ import annotations

from typing import Optional, Sequence

from qgis.core import QgsMapLayer, QgsMapLayerProxyModel, QgsVectorLayer
from qgis.gui import QgsFieldComboBox, QgsMapLayerComboBox
from qgis.PyQt.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QWidget

from .widgets import label

_LIKELY = ("class", "label", "class_name", "classname", "type", "crop", "name")


class TakeOverDialog(QDialog):
    """A polygon layer and a field of it."""

    def __init__(self, excluded: Sequence[QgsMapLayer], parent: Optional[QWidget] = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Take polygons over"))
        self.setMinimumWidth(380)
        self.layer_combo = QgsMapLayerComboBox()
        self.layer_combo.setFilters(QgsMapLayerProxyModel.Filter.PolygonLayer)
        self.layer_combo.setExceptedLayerList(list(excluded))
        self.field_combo = QgsFieldComboBox()
        self.layer_combo.layerChanged.connect(self._on_layer)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        form = QFormLayout(self)
        form.addRow(self.tr("Polygons of"), self.layer_combo)
        form.addRow(self.tr("Class is in field"), self.field_combo)
        form.addRow("", label(self.tr("Selected polygons, or all when none is selected."), "muted"))
        form.addRow(self.buttons)
        self._on_layer()

    def layer(self) -> Optional[QgsVectorLayer]:
        """The chosen layer."""
        return self.layer_combo.currentLayer()

    def field(self) -> str:
        """Name of the chosen field."""
        return self.field_combo.currentField()

    def _on_layer(self, *_: object) -> None:
        layer = self.layer()
        self.field_combo.setLayer(layer)
        if layer is not None:
            names = [field.name() for field in layer.fields()]
            lower = [name.lower() for name in names]
            found = next((names[lower.index(word)] for word in _LIKELY if word in lower), "")
            self.field_combo.setField(found or (names[-1] if names else ""))
        enabled = layer is not None and bool(self.field())
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(enabled)
