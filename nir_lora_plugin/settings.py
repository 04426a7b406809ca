"""Everything the plugin remembers, in QGIS's settings under one prefix."""

from __future__ import annotations

import enum
from typing import Any

from qgis.core import QgsSettings

PREFIX = "nir_lora/"


class Settings(enum.Enum):
    """One member per key; its value is (key, default), and the default's type is the setting's type."""

    # backend
    HOME = ("backend/home", "")  # folder of the backend's own environment; "": the per-user data folder
    PYTHON = ("backend/python", "")  # an existing Python to use instead; "": the own environment
    BUILD = ("backend/build", "auto")  # which torch to install: auto | cpu | cuda
    # the dock
    DOCK_OPEN = ("dock/open", False)  # whether it was open when QGIS ended
    # training
    DEVICE = ("device", "auto")
    TRAIN_MODE = ("train/mode", "quick")  # quick | thorough | expert
    TRAIN_BACKBONE = ("train/backbone", "")
    # more ways to a model
    CARRY_STABILISER = ("carry/stabiliser", "lora")  # lora | ema | lora+ema | none
    CARRY_ROUNDS = ("carry/rounds", 0)
    ADAPT_BACKBONE = ("adapt/backbone", "")
    ADAPT_OBJECTIVE = ("adapt/objective", "mae")  # mae | dino
    ADAPT_MINUTES = ("adapt/minutes", 30.0)
    MODEL_FOLDER = ("models/folder", "")
    # segmenting
    SEGMENT_MODEL = ("segment/model", "")
    SEGMENT_AREA = ("segment/area", "layer")  # layer | extent | polygons
    SEGMENT_CONFIDENCE = ("segment/confidence", True)
    SEGMENT_POLYGONS = ("segment/polygons", False)
    SEGMENT_MIN_AREA_M2 = ("segment/min_area_m2", 0.0)

    @property
    def key(self) -> str:
        """The full key in QgsSettings."""
        return PREFIX + str(self.value[0])

    @property
    def default(self) -> Any:
        """What ``get`` gives when nothing is stored."""
        return self.value[1]

    def get(self) -> Any:
        """The stored value in the default's type; the default if there is none or it is of another type."""
        kind = type(self.default)
        try:
            return QgsSettings().value(self.key, self.default, type=kind)
        except TypeError:  # somebody edited the file
            return self.default

    def set(self, value: Any) -> None:
        """Store ``value``, which must be of the default's type.

        Raises:
            TypeError: It is of another type.
        """
        kind = type(self.default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise TypeError(f"{self.name}: expected {kind.__name__}, got {type(value).__name__} {value!r}")
        if value != self.get():  # writing waits for the disk
            QgsSettings().setValue(self.key, value)

    def reset(self) -> None:
        """Forget the stored value."""
        QgsSettings().remove(self.key)
