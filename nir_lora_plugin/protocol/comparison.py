"""Request and result of a comparison of adapters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional, Tuple

from .requests import LayerRef


@dataclass(frozen=True)
class CompareRequest:
    """Train every adapter with the same seeds and set their scores and costs side by side.

    With ``test_layers`` all labels of ``layers`` train, and the maps of the test layers are scored; without,
    a part of the labels is held out: another one for every seed, the same for every adapter. The last weights
    count, so that nothing is chosen by the labels that score.
    """

    layers: Tuple[LayerRef, ...]
    test_layers: Tuple[LayerRef, ...] = ()
    adapters: Tuple[str, ...] = ("all",)  # names, "mufa:rates=8,placement=serial", "all", "mufa-ablation"
    seeds: int = 3
    first_seed: int = 0
    steps: int = 400
    out: str = ""  # folder; default: <first raster stem>_comparison beside it
    class_field: str = "class"
    classes: Tuple[str, ...] = ()
    bands: str = ""
    backbone: str = ""
    pretrained: bool = True
    stem: str = "auto"
    head: str = "detail"
    zoom: float = 0.0
    chip_px: int = 0
    batch: int = 4
    val_fraction: float = 0.5
    device: str = "auto"
    keep_models: bool = False


@dataclass(frozen=True)
class CompareRow:
    """What one adapter (with its options) came to, over all seeds."""

    adapter: str
    miou: Tuple[float, ...]  # one for each seed
    miou_mean: Optional[float]
    miou_std: Optional[float]  # population deviation over the seeds; over their splits too, where held out
    trainable_parameters: int  # head included
    adapter_parameters: int
    trainable_share: float  # of all parameters of the network, head included
    # Median; of the processor on a CPU, of the clock on other devices; None: no run had two steps to time.
    seconds_per_step: Optional[float]
    peak_memory_mb: float  # largest of the seeds; of the process on a CPU, of the device on others
    file_bytes: int


@dataclass(frozen=True)
class CompareResult:
    """A finished comparison; ``rows`` in the order of the request."""

    rows: Tuple[CompareRow, ...]
    records: str  # JSON lines, one for each run
    table: str  # Markdown
    plot: str  # PNG
    seconds: float
    runs_done: int
    runs_kept: int  # of an earlier, interrupted comparison
    device: str
    warnings: Tuple[str, ...]
    versions: Dict[str, str]
