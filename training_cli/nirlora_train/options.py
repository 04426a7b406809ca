"""Options shared by the commands, and how parsed options become a request."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import typer

from nirlora.errors import OptionError
from nirlora.protocol import LayerRef

T = TypeVar("T")

DATA, MODEL, TRAINING, OUTPUT, RUN = "Data", "Model", "Training", "Output", "Run"
TARGET = "Another field, without labels"

Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON object on stdout, all else on stderr.", rich_help_panel=RUN),
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show Python's traceback on an error.", rich_help_panel=RUN)
]
Device = Annotated[
    str,
    typer.Option(
        metavar="auto|cpu|cuda|cuda:N|mps",
        help="Where to compute. With an .onnx model also tensorrt or tensorrt:N.",
        rich_help_panel=RUN,
    ),
]
Layer = Annotated[
    str, typer.Option(metavar="RASTER", help="Raster; anything GDAL opens.", rich_help_panel=DATA)
]
Nodata = Annotated[
    float | None,
    typer.Option(help="Nodata value, when the file's own is wrong or missing.", rich_help_panel=DATA),
]
Crs = Annotated[
    str,
    typer.Option(
        metavar="EPSG:N", help="CRS, when the file's own is wrong or missing.", rich_help_panel=DATA
    ),
]
ReflectanceScale = Annotated[
    float | None,
    typer.Option(help="Reflectance = pixel * scale + offset; overrides the file.", rich_help_panel=DATA),
]
ReflectanceOffset = Annotated[
    float | None, typer.Option(help="See --reflectance-scale.", rich_help_panel=DATA)
]
Model = Annotated[
    str,
    typer.Option(
        metavar="FILE",
        help="Model: .nirlora from training, or .onnx from nirlora export.",
        rich_help_panel=MODEL,
    ),
]
ModelBackbone = Annotated[
    str,
    typer.Option(
        metavar="PATH", help="Where the backbone weights are, when they moved.", rich_help_panel=MODEL
    ),
]
AllowMismatch = Annotated[
    bool,
    typer.Option(
        "--allow-mismatch",
        help="Go on, with a warning, when bands, scale or resolution differ from training.",
        rich_help_panel=MODEL,
    ),
]
RoleMap = Annotated[
    str,
    typer.Option(
        metavar="nir=4,red=3",
        help="Which band is which, when the raster does not say.",
        rich_help_panel=DATA,
    ),
]


AdapterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--adapter-option",
        metavar="NAME=VALUE",
        help="An option of the adapter itself; repeat for several. A wrong name lists them.",
        rich_help_panel=MODEL,
    ),
]


def layer_refs(
    layers: list[str],
    labels: list[str],
    *,
    nodata: float | None = None,
    crs: str = "",
    prefix: str = "",
) -> tuple[LayerRef, ...]:
    """Pair rasters with labels by order; ``prefix`` is that of the options' names.

    Raises:
        OptionError: There are labels, but not one for each layer.
    """
    if labels and len(labels) != len(layers):
        raise OptionError(
            f"{len(layers)} --{prefix}layer and {len(labels)} --{prefix}labels were given; "
            "they are paired by order.",
            hint=f"Give one --{prefix}labels for each --{prefix}layer"
            + ("." if prefix else ", or none to take the files beside the rasters."),
        )
    paired = labels or [""] * len(layers)
    return tuple(LayerRef(path, label, nodata, crs) for path, label in zip(layers, paired, strict=True))


def target_refs(layers: list[str], labels: list[str], *, nodata: float | None = None) -> tuple[LayerRef, ...]:
    """Pair target rasters with the labels they are scored with, by order.

    Raises:
        OptionError: There are labels, but not one for each raster.
    """
    if labels and len(labels) != len(layers):
        raise OptionError(
            f"{len(layers)} --target-layer and {len(labels)} --target-labels were given; they are paired by "
            "order.",
            hint="Give one --target-labels for each --target-layer, or none.",
        )
    return layer_refs(layers, labels, nodata=nodata)


def build(cls: type[T], params: Mapping[str, Any], **values: Any) -> T:
    """Make a request from parsed options that bear its fields' names; ``values`` take precedence."""
    names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    picked = {name: value for name, value in params.items() if name in names}
    return cls(**(picked | values))


def split_list(values: list[str]) -> tuple[str, ...]:
    """``["a,b", "c"]`` as ``("a", "b", "c")``."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def split_pairs(values: list[str], option: str) -> dict[str, str]:
    """``["a=1", "b=2,3"]`` as ``{"a": "1", "b": "2,3"}``.

    Raises:
        OptionError: An entry has no ``=``, or a name comes twice.
    """
    pairs = [(name.strip(), value.strip()) for name, _, value in (text.partition("=") for text in values)]
    names = [name for name, _ in pairs]
    for text, name in zip(values, names, strict=True):
        if "=" not in text or not name or names.count(name) > 1:
            raise OptionError(
                f"{option} got {text!r}; NAME=VALUE was expected, each name once.",
                hint=f"For example {option} width=16 {option} dropout=0.",
            )
    return dict(pairs)


def split_ints(value: str, option: str) -> tuple[int, ...]:
    """``"12,24"`` as ``(12, 24)``.

    Raises:
        OptionError: Something between the commas is no whole number.
    """
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise OptionError(
            f"{option} got {value!r}; whole numbers with commas between were expected.",
            hint=f"For example {option} 12,24,36.",
        ) from None
