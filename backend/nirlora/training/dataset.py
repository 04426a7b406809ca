"""What is trained on: rasters opened, channels and labels found, classes agreed, spatial groups split."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from nirlora.bands import ChannelReader, InputTransform, fit_transform
from nirlora.errors import LabelsError, OptionError
from nirlora.protocol import ClassInfo, TrainRequest
from nirlora.raster.source import RasterSource, open_raster
from nirlora.training.chips import ChipLayer
from nirlora.training.find_labels import find_labels
from nirlora.vector.across import join_layers
from nirlora.vector.items import LabelSource
from nirlora.vector.labels import open_labels
from nirlora.vector.split import Split, split_groups

REST = "other"  # of a binary model: everything but the positive class
REST_COLOR = "#bdbdbd"


@dataclass(frozen=True)
class TrainingSet:
    """Open rasters with their labels on one list of classes.

    Attributes:
        sources: Open rasters, in the order of the request.
        labels: Their labels, values indexing ``classes``.
        label_paths: Where the labels came from.
        classes: In value order.
        split: Which groups of each layer are trained on and which are held out.
        warnings: Everything the user should know before trusting the result.
    """

    sources: tuple[RasterSource, ...]
    labels: tuple[LabelSource, ...]
    label_paths: tuple[str, ...]
    classes: tuple[ClassInfo, ...]
    split: Split
    warnings: tuple[str, ...]

    def labelled_px(self) -> int:
        """Labelled pixels in all layers."""
        return sum(item.pixels for labels in self.labels for item in labels.items)

    @property
    def dense(self) -> bool:
        """Whether labels cover most of the rasters, and were not drawn here and there."""
        return 2 * self.labelled_px() > sum(source.width * source.height for source in self.sources)

    def layers(self, readers: Sequence[ChannelReader], *, held_out: bool) -> list[ChipLayer]:
        """The layers restricted to their training or held-out groups; those without any are left out."""
        groups = self.split.val if held_out else self.split.train
        rows = zip(readers, self.labels, groups, strict=True)
        return [ChipLayer(reader, labels, keep) for reader, labels, keep in rows if keep]


def open_training_set(request: TrainRequest, stack: ExitStack) -> TrainingSet:
    """Open all that the request names; ``stack`` closes it.

    Raises:
        InputError: A raster or label file cannot be used, or fewer than two classes are labelled.
    """
    if not request.layers:
        raise OptionError("No raster was given.", hint="Give at least one with --layer FILE.")
    sources = tuple(stack.enter_context(open_raster(layer)) for layer in request.layers)
    paths = tuple(find_labels(layer) for layer in request.layers)
    opened = [
        open_labels(
            path,
            source,
            class_field=request.class_field,
            point_buffer_m=request.point_buffer_m,
            classes=request.classes,
        )
        for path, source in zip(paths, sources, strict=True)
    ]
    classes, rename = _common_classes(request, opened)
    names = [c.name for c in classes]
    labels = tuple(source.with_classes(names, rename) for source in opened)
    present = {item.class_value for source in labels for item in source.items}
    missing = [name for value, name in enumerate(names) if value not in present]
    if missing:
        raise LabelsError(
            f"Class {missing[0]!r} has no labelled pixel; labelled are "
            f"{', '.join(repr(n) for v, n in enumerate(names) if v in present) or 'none'}.",
            hint="Draw polygons of it, or leave it out of --classes.",
        )
    split = split_groups(
        [source.items for source in labels],
        val_fraction=request.val_fraction,
        seed=request.seed,
        class_names=names,
        shapes=[(source.height, source.width) for source in sources],
        joined=join_layers(sources, [source.items for source in labels]),
    )
    warnings = [w for source in opened for w in source.warnings] + list(split.warnings) + _indexed(sources)
    return TrainingSet(sources, labels, paths, classes, split, tuple(dict.fromkeys(warnings)))


def open_readers(
    data: TrainingSet, request: TrainRequest, transform: InputTransform
) -> tuple[ChannelReader, ...]:
    """One reader of model input per raster."""
    return tuple(
        ChannelReader(
            source,
            transform,
            request.bands,
            scale=request.reflectance_scale,
            offset=request.reflectance_offset,
        )
        for source in data.sources
    )


def fit_input(data: TrainingSet, request: TrainRequest) -> InputTransform:
    """The input transform of the training rasters together: scaled to 0..1, less their mean."""
    return fit_transform(
        data.sources,
        request.bands,
        mean=None,
        std=(1.0,),
        scale=request.reflectance_scale,
        offset=request.reflectance_offset,
        places=[[item.window for item in labels.items] for labels in data.labels],
    )


def _indexed(sources: Sequence[RasterSource]) -> list[str]:
    """A sentence for each raster whose values stand for colours."""
    return [
        f"{Path(source.path).name} has a colour table: its values are numbers of colours, not measurements. "
        "Is there a raster of measurements?"
        for source in sources
        if "palette" in source.color_interp
    ]


def flat_channels(transform: InputTransform) -> list[str]:
    """A sentence for each channel from which nothing can be learnt: its values are nearly all the same."""
    return [
        f"Channel {c.name} is {c.median:g} nearly everywhere, so nothing can be learnt from it: is it the "
        "right band, and is nodata declared?"
        for c in transform.channels
        if c.p1 == c.p99
    ]


def _common_classes(
    request: TrainRequest, opened: Sequence[LabelSource]
) -> tuple[tuple[ClassInfo, ...], dict[str, str] | None]:
    """Classes of all layers in one list, and how names are merged for a binary model."""
    if twice := [name for name in request.classes if request.classes.count(name) > 1]:
        raise OptionError(f"--classes names {twice[0]!r} twice.", hint="Name each class once.")
    colors: dict[str, str] = {}
    for source in opened:
        for name, color in zip(source.classes, source.colors, strict=True):
            colors.setdefault(name, color)
    if request.positive_class:
        if request.positive_class not in colors:
            raise LabelsError(
                f"There is no class {request.positive_class!r}; labelled are {', '.join(sorted(colors))}.",
                hint="Name one of these with --positive-class.",
            )
        rest = REST if request.positive_class != REST else "rest"
        rename = {name: rest for name in colors if name != request.positive_class}
        if not rename:
            raise LabelsError(
                f"Only {request.positive_class!r} is labelled; unlabelled pixels are not background.",
                hint="Draw polygons of what it is not, with any other class name.",
            )
        positive = ClassInfo(1, request.positive_class, colors[request.positive_class])
        return (ClassInfo(0, rest, REST_COLOR), positive), rename
    names = list(request.classes) or _in_order(opened)
    if len(names) < 2:
        raise LabelsError(
            f"Only one class is labelled: {', '.join(names) or 'none'}. Unlabelled pixels are ignored, never "
            "background, so there is nothing to tell it from.",
            hint="Draw polygons of at least one other class (for example 'other').",
        )
    infos = [ClassInfo(value, name, colors.get(name, "#000000")) for value, name in enumerate(names)]
    return tuple(infos), None


def _in_order(opened: Sequence[LabelSource]) -> list[str]:
    """Every class name once: in the order of the first layer, then what later layers add."""
    return list(dict.fromkeys(name for source in opened for name in source.classes))
