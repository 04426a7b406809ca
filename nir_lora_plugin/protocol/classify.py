"""Scene classification: one class for a whole image, or for a parcel of a raster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple

from .requests import LayerRef
from .results import ClassInfo


@dataclass(frozen=True)
class ClassifyTrainRequest:
    """Train an adapter and a pooled linear head on labelled images, or on the labelled parcels of rasters.

    Either ``images`` or ``layers``. The labels of a layer are polygons, one class each; when not given they
    are found as in a training of maps.
    """

    images: str = ""  # folder with one folder of images per class, or a .csv with columns image, class
    layers: Tuple[LayerRef, ...] = ()
    out: str = ""  # default: <folder or first raster>_classify.nirlora beside it
    class_field: str = "class"
    classes: Tuple[str, ...] = ()  # keep only these, in this order; empty: all found
    bands: str = ""  # "": of images all bands; of rasters the NIR band, as in a training of maps
    reflectance_scale: Optional[float] = None
    reflectance_offset: Optional[float] = None
    split: str = ""  # split file of an earlier run; "": one is drawn
    val_fraction: float = 0.2  # held out: images by seed, parcels in spatial groups
    backbone: str = ""
    pretrained: bool = True
    stem: str = "auto"
    adapter: str = "lora"
    rank: int = 4
    alpha: float = 0.0
    blocks: str = "all"
    adapter_options: Dict[str, Any] = field(default_factory=dict)  # the adapter's own, by name
    input_px: int = 0  # images are brought to this side; 0: 224
    zoom: float = 0.0  # of parcels: input pixels per raster pixel; 0: chosen from the patch size
    chip_px: int = 0  # of parcels: what is seen at a time, in raster pixels; 0: chosen from their sizes
    batch: int = 16
    epochs: int = 30
    steps_per_epoch: int = 0  # 0: one pass, at least 20
    max_seconds: float = 0.0
    learning_rate: float = 0.0
    label_smoothing: float = 0.0
    patience: int = 0  # 0: the last weights are kept, else the best ones
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    report: bool = True
    overwrite: bool = True


@dataclass(frozen=True)
class ClassifyPredictRequest:
    """Apply a classifier to images (a CSV) or to the parcels of a raster (a GeoPackage)."""

    model: str
    images: str = ""  # an image, or a folder of images at any depth
    layer: Optional[LayerRef] = None
    parcels: str = ""  # polygons on the layer
    out: str = ""  # default: <images or parcels>_<model>.csv or .gpkg beside them
    class_field: str = ""  # of the parcels: their known class, to score with
    probabilities: bool = False
    bands: str = ""
    reflectance_scale: Optional[float] = None
    reflectance_offset: Optional[float] = None
    batch: int = 16
    device: str = "auto"
    backbone: str = ""
    allow_mismatch: bool = False
    overwrite: bool = True


@dataclass(frozen=True)
class ClassifyTrainResult:
    """A finished training. ``metrics`` is empty when nothing was held out."""

    model: str
    report: str
    split: str  # JSON: which images or parcels trained, which were held out
    classes: Tuple[ClassInfo, ...]
    metrics: Dict[str, Any]
    seconds: float
    device: str
    trainable_parameters: int
    total_parameters: int
    stopped: str  # "" ran to its end | "cancelled" | "max-seconds" | "patience"
    warnings: Tuple[str, ...]
    versions: Dict[str, str]


@dataclass(frozen=True)
class ClassifyPredictResult:
    """Finished predictions. ``metrics`` is empty where the classes were not known before."""

    out: str
    classes: Tuple[ClassInfo, ...]
    counts: Dict[str, int]  # class -> images or parcels
    unclassified: int  # parcels outside the raster or on nodata
    metrics: Dict[str, Any]
    seconds: float
    device: str
    warnings: Tuple[str, ...]
    versions: Dict[str, str]
