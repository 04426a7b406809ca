"""Do these images fit the model? Every header is matched to its channels, the values of some are compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nirlora.bands import ChannelReader, InputTransform, compare
from nirlora.bands.check import scale_ratio
from nirlora.bands.statistics import channel_stats
from nirlora.classification.images import Bound, ImageSamples
from nirlora.errors import MismatchError
from nirlora.raster.source import RasterSource, open_raster

_COMPARED, _COMPARED_PX = 64, 4096
# Between images of one type a factor below this may be water, snow or cloud; scales differ by more.
_SURE_FACTOR = 100.0


class ImageFit:
    """A trained model's channels in images.

    Args:
        transform: The model's.
        bands: What the images do not say; as :class:`~nirlora.bands.ChannelReader` takes it.
        scale, offset: ``reflectance = DN * scale + offset``, where they do not say so.
        trained_dtype: Type of the images that the model was trained on; "": unknown, or no images.
    """

    def __init__(
        self,
        transform: InputTransform,
        bands: str,
        scale: float | None,
        offset: float | None,
        trained_dtype: str = "",
    ) -> None:
        self._transform, self._bands, self._scale, self._offset = transform, bands, scale, offset
        self._trained_dtype = trained_dtype
        self._notes: dict[str, tuple[str, ...]] = {}

    def bind(self, source: RasterSource) -> Bound:
        """Channels and calibration of one image; what was assumed for it is remembered.

        Raises:
            BandsError: A channel's band is not in it.
        """
        reader = self._reader(source)
        if reader.warnings:
            self._notes[source.path] = reader.warnings
        return reader.channels, reader.calibration

    def check(
        self, paths: Sequence[str], samples: ImageSamples, name: str, *, allow_mismatch: bool
    ) -> list[str]:
        """Compare the values of up to 64 images, taken together, with training.

        One image may hold nothing but water or cloud. So where the type is that of training, only a factor
        of 100 is taken for another scale, and what is less is warned of.

        Args:
            paths: The images, all bound before.
            samples: The same, as the model will see them.
            name: What to call them.
            allow_mismatch: Say what does not fit as a warning instead of refusing.

        Raises:
            MismatchError: The values are of another scale, or lie far outside those of training.
        """
        chosen = range(0, len(paths), -(-len(paths) // _COMPARED))
        sample = np.concatenate([samples.values(i, _COMPARED_PX) for i in chosen], axis=1)
        with open_raster(paths[0]) as source:
            reader = self._reader(source)
            warnings, errors = compare(reader, sample, name)
            dtype = source.dtype
        if errors and dtype == self._trained_dtype and self._factor(reader, sample) < _SURE_FACTOR:
            warnings += [e.message for e in errors]
        elif errors and not allow_mismatch:
            raise self._of_types(errors[0], dtype)
        else:
            warnings += [f"{e.message} Used all the same, as was asked." for e in errors]
        return [*self._assumed(len(paths)), *warnings]

    def _reader(self, source: RasterSource) -> ChannelReader:
        return ChannelReader(source, self._transform, self._bands, scale=self._scale, offset=self._offset)

    def _factor(self, reader: ChannelReader, sample: NDArray[np.float32]) -> float:
        """The largest factor between the values of a band here and in training, at least 1."""
        every = zip(reader.channels, self._transform.channels, channel_stats(sample), strict=True)
        ratios = [scale_ratio(here, (t.p1, t.median, t.p99)) for c, t, here in every if not c.computed]
        return max((max(r, 1 / r) for r in ratios), default=1.0)

    def _of_types(self, error: MismatchError, dtype: str) -> MismatchError:
        """The error, with the types of the images where they differ: that is the likely cause."""
        if self._trained_dtype in ("", dtype):
            return error
        return MismatchError(
            f"{error.message} They are {dtype}, the images of training were {self._trained_dtype}.",
            hint=f"Convert them to {self._trained_dtype}, or give the factor between the two as "
            "--reflectance-scale; --allow-mismatch goes on all the same.",
        )

    def _assumed(self, count: int) -> list[str]:
        """What was assumed of the first image that needed it, and for how many."""
        if not self._notes:
            return []
        notes = list(next(iter(self._notes.values())))
        return notes + ([f"So in {len(self._notes)} of {count} images."] if count > 1 else [])
