"""Extended pre-training without labels: what is asked and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

from .requests import LayerRef


@dataclass(frozen=True)
class AdaptRequest:
    """Go on pretraining a backbone on unlabelled rasters; a layer may be a folder of rasters."""

    layers: Tuple[LayerRef, ...]
    out: str = ""  # default: <first raster stem>.nirlora-backbone beside it
    bands: str = ""  # as in training
    reflectance_scale: Optional[float] = None
    reflectance_offset: Optional[float] = None
    backbone: str = ""  # a name, a file or folder of weights, or a .nirlora-backbone to go on with
    pretrained: bool = True
    stem: str = "auto"
    objective: str = "mae"  # mae | dino
    unfreeze: str = ""  # last | 1,last | block numbers | none | all; "": last, of random weights all
    rank: int = 64  # of LoRA in the other blocks; 0: no LoRA
    alpha: float = 1.0  # LoRA is scaled by alpha / rank; 0: equal to rank (unit scale)
    patch_embedding: str = "auto"  # train | freeze | auto: train it if the channels are new to it
    mask_ratio: float = 0.75  # of patches, mae
    decoder: str = ""  # file with published MAE decoder weights; "": a decoder from random weights
    decoder_rank: int = 8  # of LoRA in a published decoder
    centering: str = "center"  # center | sinkhorn, dino
    prototypes: int = 0  # of the dino head; 0: 65,536 for wide backbones, else 4,096
    local_crops: int = 8  # small views of each chip, dino
    zoom: float = 0.0  # input pixels per raster pixel; 0: chosen from the patch size
    chip_px: int = 0  # in raster pixels; 0: chosen from backbone and zoom
    batch: int = 16
    accumulate: int = 1  # batches per optimiser step
    steps: int = 0  # 0: chosen from the valid area
    max_seconds: float = 0.0  # 0: no limit; the schedule anneals to its end within it
    learning_rate: float = 0.0  # peak, of backbone, decoder and heads; 0: chosen from objective and width
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    report: bool = True
    overwrite: bool = True


@dataclass(frozen=True)
class AdaptResult:
    """An adapted backbone. ``losses`` has the mean over the first and over the last tenth of the run."""

    backbone: str
    report: str
    objective: str
    channels: Tuple[str, ...]
    steps: int
    losses: Dict[str, Any]  # {"first": {"loss": ...}, "last": {"loss": ...}}
    seconds: float
    device: str
    trainable_parameters: int  # of the backbone, heads and decoder not counted
    total_parameters: int
    stopped: str  # "" ran to its end | "cancelled" | "max-seconds"
    warnings: Tuple[str, ...]
    versions: Dict[str, str]
