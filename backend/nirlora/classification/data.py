"""What is trained on: images or parcels, their classes, their split, and how their pixels become input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nirlora.bands import ChannelReader, InputTransform, fit_transform
from nirlora.classification.config import Sizes, image_sizes, parcel_sizes
from nirlora.classification.image_files import labelled_images
from nirlora.classification.images import ImageSamples, bind_unscaled, check_images, fit_images
from nirlora.classification.parcels import ParcelSamples, RasterParcel, typical_side, usable
from nirlora.classification.samples import Samples, ViewSpec
from nirlora.classification.split import Split, read_split, split_images, split_parcels, with_warnings
from nirlora.errors import LabelsError
from nirlora.models.backbones import Backbone
from nirlora.protocol import ClassifyTrainRequest, ClassInfo
from nirlora.raster.source import RasterSource, open_raster
from nirlora.training.find_labels import find_labels
from nirlora.vector.parcels import ParcelLayer, open_parcels


@dataclass(frozen=True)
class ClassifyData:
    """Labelled samples.

    Attributes:
        what: ``image`` or ``parcel``.
        names: One per sample, as split files have them.
        values: Class value of each ``(N,)``.
        classes: In value order.
        split: Which train and which are held out.
        transform: Fitted to them; standardisation at its default.
        layers: For the model card: path; type of images; parcels, size and CRS of rasters.
        sizes: Chooses sizes for a backbone.
        make: Gives the samples of a size, with a transform.
        warnings: What the user should know.
    """

    what: str
    names: tuple[str, ...]
    values: NDArray[np.int64]
    classes: tuple[ClassInfo, ...]
    split: Split
    transform: InputTransform
    layers: tuple[dict[str, Any], ...]
    sizes: Callable[[Backbone], Sizes]
    make: Callable[[InputTransform, Sizes, ViewSpec], Samples]
    warnings: tuple[str, ...]

    def counts(self, chosen: Sequence[int]) -> list[int]:
        """Samples of each class among ``chosen``."""
        counts = np.bincount(self.values[list(chosen)], minlength=len(self.classes))
        return [int(n) for n in counts]


def open_data(request: ClassifyTrainRequest, stack: ExitStack, tick: Callable[[str], None]) -> ClassifyData:
    """Find, check and split what the request names; ``stack`` closes it, ``tick`` is told what is done.

    Raises:
        InputError: Images, rasters or parcels cannot be used, or fewer than two classes are labelled.
    """
    data = _open_images(request, tick) if request.images else _open_parcels(request, stack, tick)
    split = with_warnings(data.split, data.values.tolist(), data.classes, data.what)
    warnings = tuple(dict.fromkeys((*data.warnings, *split.warnings)))
    return replace(data, split=split, warnings=warnings)


def _open_images(request: ClassifyTrainRequest, tick: Callable[[str], None]) -> ClassifyData:
    tick("finding images")
    found = labelled_images(request.images, request.classes)
    form = check_images(
        found.paths,
        lambda source: bind_unscaled(source, request.bands),
        lambda number: tick(f"checking images, {number} of {len(found.names)}"),
    )
    split = (
        read_split(request.split, found.names)
        if request.split
        else split_images(found.values, request.val_fraction, request.seed)
    )
    training = [found.paths[i] for i in split.train]
    return ClassifyData(
        what="image",
        names=found.names,
        values=np.asarray(found.values, np.int64),
        classes=found.classes,
        split=split,
        transform=fit_images(training, form),
        layers=({"path": str(Path(request.images).resolve()), "dtype": form.dtype},),
        sizes=lambda backbone: image_sizes(request, backbone.patch, form.side_px),
        make=lambda transform, sizes, spec: ImageSamples(found.paths, form, transform, spec),
        warnings=found.warnings,
    )


def _open_parcels(
    request: ClassifyTrainRequest, stack: ExitStack, tick: Callable[[str], None]
) -> ClassifyData:
    tick("opening rasters and parcels")
    sources = [stack.enter_context(open_raster(layer)) for layer in request.layers]
    paths = [find_labels(layer) for layer in request.layers]
    opened = [open_parcels(p, s, request.class_field) for p, s in zip(paths, sources, strict=True)]
    classes = _common_classes(request, opened)
    value = {info.name: info.value for info in classes}
    named = [tuple(p for p in layer.parcels if p.name in value) for layer in opened]
    scale, offset = request.reflectance_scale, request.reflectance_offset
    transform = fit_transform(
        sources, request.bands, scale=scale, offset=offset, places=[[p.window for p in own] for own in named]
    )
    readers = [
        ChannelReader(source, transform, request.bands, scale=scale, offset=offset) for source in sources
    ]
    tick("looking at the parcels")
    parcels = [
        p for i, (own, reader) in enumerate(zip(named, readers, strict=True)) for p in usable(own, reader, i)
    ]
    warnings = [w for layer in opened for w in layer.warnings]
    if lost := sum(map(len, named)) - len(parcels):
        warnings.append(f"{lost} parcel(s) have no valid pixel; skipped.")
    names = tuple(_name(p, sources, paths) for p in parcels)
    values = [value[p.parcel.name] for p in parcels]
    _check_present(classes, values)
    class_names = [c.name for c in classes]
    split = (
        read_split(request.split, names)
        if request.split
        else split_parcels(parcels, values, sources, class_names, request.val_fraction, request.seed)
    )

    def make(fitted: InputTransform, sizes: Sizes, spec: ViewSpec) -> Samples:
        own = [ChannelReader(s, fitted, request.bands, scale=scale, offset=offset) for s in sources]
        return ParcelSamples(own, parcels, sizes.chip_px, spec)

    return ClassifyData(
        what="parcel",
        names=names,
        values=np.asarray(values, np.int64),
        classes=classes,
        split=split,
        transform=transform,
        layers=tuple(_described(s, p) for s, p in zip(sources, paths, strict=True)),
        sizes=lambda backbone: parcel_sizes(
            request, backbone.patch, backbone.stride, typical_side(parcels), backbone.spec.token_px
        ),
        make=make,
        warnings=tuple(warnings),
    )


def _common_classes(request: ClassifyTrainRequest, opened: Sequence[ParcelLayer]) -> tuple[ClassInfo, ...]:
    """The classes of all layers in one list: those asked for, else in the order of the layers."""
    colors = {n: c for layer in reversed(opened) for n, c in zip(layer.classes, layer.colors, strict=True)}
    names = list(request.classes) or list(dict.fromkeys(n for layer in opened for n in layer.classes))
    missing = [name for name in names if name not in colors]
    if missing:
        raise LabelsError(
            f"There is no parcel of class {missing[0]!r}; there are {', '.join(sorted(colors))}.",
            hint="Check the spelling of the class names.",
        )
    if len(names) < 2:
        raise LabelsError(
            f"Only one class is labelled: {', '.join(names)}; there is nothing to tell it from.",
            hint="Label parcels of at least one other class.",
        )
    return tuple(ClassInfo(value, name, colors[name]) for value, name in enumerate(names))


def _check_present(classes: Sequence[ClassInfo], values: Sequence[int]) -> None:
    for info in classes:
        if info.value not in values:
            raise LabelsError(
                f"No parcel of class {info.name!r} has a valid pixel.", hint="Leave it out of --classes."
            )


def _name(item: RasterParcel, sources: Sequence[RasterSource], paths: Sequence[str]) -> str:
    """A parcel in a split file: its number in its file; the raster's too where there are several."""
    name = f"{Path(paths[item.layer]).name}#{item.parcel.feature}"
    return name if len(sources) == 1 else f"{item.layer}:{Path(sources[item.layer].path).name}:{name}"


def _described(source: RasterSource, labels: str) -> dict[str, Any]:
    file, bar, options = labels.partition("|")
    return {
        "path": source.path,
        "labels": f"{Path(file).resolve()}{bar}{options}",
        "crs": source.crs.to_string() if source.crs else "",
        "size_px": [source.width, source.height],
    }
