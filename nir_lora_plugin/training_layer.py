"""Training polygons of a raster: a GeoPackage, its classes, and drawing in it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsDefaultValue,
    QgsEditFormConfig,
    QgsExpression,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from .errors import PluginError
from .training_checks import find_problems
from .training_counts import ClassCount, PolygonCounts, class_text
from .training_file import create_file, open_file, training_path
from .training_style import CLASS_FIELD, next_color, read_classes, show_classes, store_style
from .training_take_over import read_polygons


@dataclass(frozen=True)
class TrainingClass:
    """A class of the table; ``area_m2`` is on the ellipsoid, unsaved polygons count too."""

    name: str
    color: str  # #rrggbb
    count: int
    area_m2: float


class TrainingLayer(QObject):
    """The polygons of one raster. ``changed`` follows every edit, once per turn of the event loop.

    The class table is the layer's categorised style, stored in the GeoPackage. What is done to polygons can
    be undone; a class that an undo brings back has its colour again.

    Attributes:
        layer: The vector layer, in the project.
        raster: What is drawn on.
        current: Name of the class drawn with; "" if there is none.
    """

    changed = pyqtSignal()

    def __init__(self, layer: QgsVectorLayer, raster: QgsRasterLayer) -> None:
        super().__init__()
        self.layer, self.raster, self.current = layer, raster, ""
        self._counts = PolygonCounts(layer)
        self._found: Dict[str, ClassCount] = {}
        self._colors: Dict[str, str] = {}  # of all classes there ever were
        self._note = ""
        self._restyled = False  # since the style was stored
        self._field = layer.fields().lookupField(CLASS_FIELD)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._update)
        self._watch()
        self._quiet_form()
        self._count()
        self._store()  # now, and not by the click that begins a training
        self.set_current(next(iter(self._shown()), ""))

    @classmethod
    def open_or_create(cls, raster: QgsRasterLayer, path: str = "") -> TrainingLayer:
        """Open the training polygons of ``raster``, made if they are not there, and add them to the project.

        Args:
            raster: A raster layer that is a local file (or ``path`` must be given).
            path: A GeoPackage; "": ``<stem>_training.gpkg`` beside the raster, or in the project's folder.

        Raises:
            PluginError: It cannot be made or written to, or is another kind of file.
        """
        path = path or training_path(raster)
        if not Path(path).exists():
            create_file(path, raster)
        layer = open_file(path)
        if not raster.crs().isValid():
            layer.setCrs(QgsCoordinateReferenceSystem())  # else QGIS takes "undefined" for one
        if layer.id() not in QgsProject.instance().mapLayers():
            _add_above(layer, raster)
        return cls(layer, raster)

    def classes(self) -> List[TrainingClass]:
        """The class table, in its order."""
        none = ClassCount()
        return [
            TrainingClass(name, color, self._found.get(name, none).count, self._found.get(name, none).area_m2)
            for name, color in self._shown().items()
        ]

    def add_class(self, name: str, color: str = "") -> None:
        """Add a class and draw with it from now on; ``color`` "": one that suits.

        Raises:
            PluginError: It has no name, or that of another class.
        """
        shown = self._shown()
        name = self._new_name(name)
        shown[name] = color or self._color_for(name, shown)
        self._show(shown)
        self.set_current(name)

    def rename_class(self, old: str, new: str) -> None:
        """Rename a class and its polygons.

        Raises:
            PluginError: The new name is empty, or taken.
        """
        if new.strip() == old:
            return
        new = self._new_name(new)
        with self._editing(self.tr("Rename class {}").format(old)):
            for number in self._ids(old):
                self.layer.changeAttributeValue(number, self._field, new)
        self._show({new if name == old else name: color for name, color in self._shown().items()})
        if self.current == old:
            self.set_current(new)

    def recolor(self, name: str, color: str) -> None:
        """Give a class another colour, ``#rrggbb``."""
        self._show({**self._shown(), name: color})

    def remove_class(self, name: str) -> None:
        """Remove a class and its polygons; undo brings both back."""
        shown = self._shown()
        shown.pop(name, None)
        numbers = self._ids(name)
        if numbers:
            with self._editing(self.tr("Remove class {}").format(name)):
                self.layer.deleteFeatures(numbers)
        self._show(shown)
        if self.current == name:
            self.set_current(next(iter(shown), ""))

    def set_current(self, name: str) -> None:
        """Draw with class ``name`` from now on."""
        if name and name not in self._shown():
            raise PluginError(self.tr("There is no class {}.").format(name))
        self.current = name
        expression = QgsExpression.quotedString(name) if name else ""
        self.layer.setDefaultValueDefinition(self._field, QgsDefaultValue(expression))
        self._touch()

    def start_drawing(self, iface: Any) -> None:
        """Switch QGIS to its polygon tool in this layer; the class is filled in and no form pops up.

        Raises:
            PluginError: There is no class yet, or the file cannot be written to.
        """
        if not self.current:
            raise PluginError(
                self.tr("There is no class to draw."),
                hint=self.tr("Add one: what should the map tell apart?"),
            )
        self._begin()
        node = QgsProject.instance().layerTreeRoot().findLayer(self.layer.id())
        if node is not None:
            node.setItemVisibilityCheckedParentRecursive(True)
        iface.setActiveLayer(self.layer)
        iface.actionAddFeature().trigger()

    def undo(self) -> None:
        """Take the last edit back, if there is one."""
        if self.layer.undoStack().canUndo():
            self.layer.undoStack().undo()
            self.layer.triggerRepaint()

    def save(self) -> None:
        """Write all edits to the file; drawing goes on.

        Raises:
            PluginError: The file refuses them; they stay unsaved.
        """
        if self.layer.isEditable() and self.layer.isModified() and not self.layer.commitChanges(False):
            raise PluginError(
                self.tr("The polygons were not saved: {}").format("; ".join(self.layer.commitErrors())),
                hint=self.tr("Is the file still there, and writable?"),
            )
        self._store()
        self._note = ""
        self._touch()

    def take_over(self, other: QgsVectorLayer, field: str) -> int:
        """Copy polygons of another layer: its selected ones, all if none is selected.

        Args:
            other: A polygon layer in any CRS.
            field: Its field that holds the class, text or whole numbers.

        Returns:
            How many were copied; ``problems`` tells of those left out.

        Raises:
            PluginError: None could be copied.
        """
        found = read_polygons(other, field, self.layer, self.raster)
        shown = self._shown()
        for name in dict.fromkeys(class_text(feature) for feature in found.features):
            shown.setdefault(name, found.colors.get(name) or self._color_for(name, shown))
        with self._editing(self.tr("Take over {}").format(other.name())):
            self.layer.addFeatures(found.features)
        self._note = found.note
        self._show(shown)
        if not self.current:
            self.set_current(next(iter(shown), ""))
        return len(found.features)

    def problems(self) -> List[str]:
        """What stands between these polygons and a good training, as sentences; empty if nothing does."""
        return [*([self._note] if self._note else []), *find_problems(self)]

    def unlabelled(self) -> int:
        """Number of polygons without a class."""
        return self._found.get("", ClassCount()).count

    def _watch(self) -> None:
        layer = self.layer
        layer.willBeDeleted.connect(self._later.stop)
        layer.geometryChanged.connect(self._forget)
        layer.featureDeleted.connect(self._forget)
        layer.afterCommitChanges.connect(self._forget_new)
        layer.afterRollBack.connect(self._forget_all)
        layer.styleChanged.connect(self._on_style)
        layer.rendererChanged.connect(self._on_style)
        for signal in (
            layer.featureAdded,
            layer.attributeValueChanged,
            layer.rendererChanged,
            layer.editingStarted,
            layer.editingStopped,
            layer.undoStack().indexChanged,
        ):
            signal.connect(self._touch)

    def _on_style(self) -> None:
        self._restyled = True

    def _forget(self, number: int, *_: object) -> None:
        self._counts.forget(number)
        self._touch()

    def _forget_new(self) -> None:
        self._counts.forget_new()
        self._touch()

    def _forget_all(self) -> None:
        self._counts.forget_all()
        self._touch()

    def _touch(self, *_: object) -> None:
        self._later.start(0)

    def _update(self) -> None:
        self._count()
        self.changed.emit()

    def _count(self) -> None:
        """Count, and give every class that occurs a place in the table."""
        self._found = self._counts.by_class()
        shown = self._shown()
        unknown = sorted(name for name in self._found if name and name not in shown)
        for name in unknown:
            shown[name] = self._color_for(name, shown)
        if unknown or not read_classes(self.layer):
            show_classes(self.layer, list(shown.items()))
        self._colors.update(shown)
        if self.current not in shown:
            self.current = ""
            if shown:
                self.set_current(next(iter(shown)))

    def _shown(self) -> Dict[str, str]:
        return dict(read_classes(self.layer))

    def _color_for(self, name: str, shown: Dict[str, str]) -> str:
        return self._colors.get(name) or next_color(name, list(shown.values()))

    def _show(self, classes: Dict[str, str]) -> None:
        self._colors.update(classes)
        show_classes(self.layer, list(classes.items()))
        self._store()
        self._count()
        self._touch()

    def _store(self) -> None:
        """Store the style if it has changed: writing waits for the disk, and QGIS waits with it."""
        if not self._restyled:
            return
        problem = store_style(self.layer)
        self._restyled = bool(problem)
        if problem:
            self._note = self.tr("The colours of the classes were not saved: {}").format(problem)

    def _new_name(self, name: str) -> str:
        name = " ".join(name.split())
        if not name:
            raise PluginError(self.tr("A class needs a name."))
        if name in self._shown():
            raise PluginError(self.tr("There is a class {} already.").format(name))
        return name

    def _ids(self, name: str) -> List[int]:
        return [f.id() for f in self.layer.getFeatures() if class_text(f) == name]

    def _quiet_form(self) -> None:
        """No form after each polygon, and no value of the polygon before in place of the current class."""
        form = self.layer.editFormConfig()
        form.setSuppress(QgsEditFormConfig.FeatureFormSuppress.SuppressOn)
        self.layer.setEditFormConfig(form)

    def _begin(self) -> None:
        if not self.layer.isEditable() and not self.layer.startEditing():
            raise PluginError(
                self.tr("{} cannot be edited.").format(self.layer.name()),
                hint=self.tr("Is its file write-protected, or on a full disk?"),
            )

    @contextmanager
    def _editing(self, title: str) -> Iterator[None]:
        """One step of the undo list."""
        self._begin()
        self.layer.beginEditCommand(title)
        try:
            yield
        except BaseException:
            self.layer.destroyEditCommand()
            raise
        self.layer.endEditCommand()


def _add_above(layer: QgsVectorLayer, raster: QgsRasterLayer) -> None:
    project = QgsProject.instance()
    node: Optional[Any] = project.layerTreeRoot().findLayer(raster.id())
    parent = node.parent() if node is not None else project.layerTreeRoot()
    place = parent.children().index(node) if node is not None else 0
    project.addMapLayer(layer, False)
    parent.insertLayer(place, layer).setExpanded(True)
