"""One request per job. The plugin, the command line and a Python caller build the same dataclass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple


@dataclass(frozen=True)
class LayerRef:
    """A raster on disk, with what the user knows better than the file.

    ``labels`` may be empty in training: then ``<stem>_training.gpkg`` and ``<stem>.gpkg`` beside the
    raster are tried. ``nodata`` and ``crs`` override the file's own when set.
    """

    path: str
    labels: str = ""
    nodata: Optional[float] = None
    crs: str = ""


@dataclass(frozen=True)
class TrainRequest:
    """Train an adapter and head on the labelled pixels of one or more rasters."""

    layers: Tuple[LayerRef, ...]
    out: str = ""  # default: <first raster stem>.nirlora beside it
    class_field: str = "class"
    classes: Tuple[str, ...] = ()  # keep only these, in this order; empty: all found
    positive_class: str = ""  # binary protocol: this class against the rest
    preset: str = ""  # "" | lora-nir | transda
    bands: str = ""  # "" finds NIR; "nir", "nir,red,green", "5,4,3", "ndvi", ...
    reflectance_scale: Optional[float] = None  # DN * scale + offset = reflectance
    reflectance_offset: Optional[float] = None
    point_buffer_m: float = 0.0  # 0: one ground pixel and a half
    backbone: str = ""  # a name from the backbone table, or a file or folder of weights; "" the default
    pretrained: bool = True
    stem: str = "auto"  # replicate | rgb | by_role | positional | auto
    normalisation: str = "backbone"  # backbone: its mean and std | mean: only less the training mean
    adapter: str = "lora"  # lora | frozen | full | layernorm | bitfit | adapter | adaptformer | mufa | ...
    rank: int = 4
    alpha: float = 0.0  # 0: equal to rank (unit scale)
    blocks: str = "all"  # all | last:N
    adapter_options: Dict[str, Any] = field(default_factory=dict)  # the adapter's own, by name
    head: str = "detail"  # linear | aspp | detail | uper
    aspp_rates: Tuple[int, ...] = (12, 24, 36)
    zoom: float = 0.0  # input pixels per raster pixel; 0: chosen from the patch size
    chip_px: int = 0  # in raster pixels; 0: chosen from backbone and zoom
    batch: int = 4
    epochs: int = 30
    steps_per_epoch: int = 0  # 0: chosen from the labelled area
    max_seconds: float = 0.0  # 0: no limit; the schedule anneals to its end within it
    learning_rate: float = 0.0  # 0: the adapter's own default
    patience: int = 0  # epochs without a better validation mIoU before stopping; 0: never
    val_fraction: float = 0.2
    target_layers: Tuple[LayerRef, ...] = ()  # carry the model to these, unlabelled: self-training
    target_bands: str = ""  # which band is which role there, when the files do not say: "nir=4,red=3"
    target_values: str = "auto"  # scaled by: own range | source's | auto: source's if about the same
    stabiliser: str = "lora"  # none | ema | lora | lora+ema
    rounds: int = 0  # with pseudo-labels, after the warm-up; each stage lasts all of ``epochs``
    round_start: str = "continue"  # weights a round starts from: continue | pretrained
    class_shares: str = "source"  # how often classes are said: as in the source's labels | trained
    min_confidence: float = 0.0  # pseudo-labels less sure are left out; 0: none are
    adversarial_weight: float = 0.0  # of making both fields' features alike; 0: no discriminators
    discriminator: str = "binary"  # binary | class
    seed: int = 0
    device: str = "auto"  # auto | cpu | cuda | cuda:N | mps
    resume: bool = False
    report: bool = True
    overwrite: bool = True


@dataclass(frozen=True)
class SegmentRequest:
    """Apply a model to a raster."""

    layer: LayerRef
    model: str
    out: str = ""  # default: <raster stem>_<model stem>.tif beside the raster
    confidence: bool = False
    probabilities: bool = False
    polygons: str = ""  # path of a .gpkg; empty: none
    min_area_m2: float = 0.0
    aoi: str = ""  # polygons outside of which nothing is predicted
    bands: str = ""  # which band is which role in this raster, when the file does not say: "nir=4,red=3"
    reflectance_scale: Optional[float] = None
    reflectance_offset: Optional[float] = None
    tile_px: int = 0  # raster pixels; 0: chosen from the model
    overlap_px: int = 0  # 0: a quarter of the tile
    batch: int = 0  # 0: chosen from the device
    device: str = "auto"
    backbone: str = ""  # where to find the backbone weights when they moved
    allow_mismatch: bool = False
    overwrite: bool = True


@dataclass(frozen=True)
class EvaluateRequest:
    """Compare a model's map of a raster with reference labels."""

    layer: LayerRef  # layer.labels is the reference
    model: str
    class_field: str = "class"
    bands: str = ""
    reflectance_scale: Optional[float] = None
    reflectance_offset: Optional[float] = None
    device: str = "auto"
    backbone: str = ""
    allow_mismatch: bool = False


@dataclass(frozen=True)
class ExportRequest:
    """Write a model as one ONNX file that needs no torch, and compare both on real chips.

    ``layer`` is where the chips come from; without one, the model's first training raster, else noise of
    the training range, and the result says which.
    """

    model: str
    out: str = ""  # default: <model stem>.onnx beside the model
    layer: Optional[LayerRef] = None
    tile_px: int = 0  # raster pixels; 0: the tile that segmenting would use
    num_chips: int = 8
    max_difference: float = 0.0  # of logits; 0: the bound of the precision
    min_agreement: float = 0.999  # share of pixels with the same class
    backbone: str = ""
    overwrite: bool = True
