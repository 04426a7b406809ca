"""Resampling of an array with holes: bilinear, weighted by validity, without GDAL's own idea of nodata."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=16)
def kernel(n_in: int, n_out: int) -> NDArray[np.float32]:
    """Matrix ``(n_out, n_in)`` of bilinear weights; when shrinking, the triangle widens with the factor.

    Rows sum to 1. Pixel centres are aligned the way GDAL and ``align_corners=False`` do.
    """
    scale = n_in / n_out
    reach = max(scale, 1.0)
    centre = (np.arange(n_out) + 0.5) * scale - 0.5
    inside = np.clip(centre, 0, n_in - 1) if scale <= 1 else centre
    weights = np.clip(1 - np.abs(np.arange(n_in)[None, :] - inside[:, None]) / reach, 0, None)
    normalised: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalised


def resample(
    data: NDArray[Any], valid: NDArray[np.bool_], out_px: tuple[int, int]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Bring ``data`` to ``out_px``, taking only from valid pixels.

    Args:
        data: ``(C, H, W)``, any real dtype.
        valid: ``(H, W)``.
        out_px: ``(rows, cols)`` wanted.

    Returns:
        Data in the same dtype (integers rounded), and where it has any: see :func:`any_valid`. Elsewhere
        it is 0.
    """
    rows, cols = kernel(data.shape[1], out_px[0]), kernel(data.shape[2], out_px[1])
    work: Any = np.float32 if data.dtype.itemsize <= 2 or data.dtype == np.float32 else np.float64
    holes = not valid.all()
    values: NDArray[Any] = np.where(valid, data, 0).astype(work) if holes else data.astype(work)
    result: NDArray[Any] = rows @ values @ cols.T
    inside = any_valid(valid, out_px)
    if holes:
        share = rows @ valid.astype(np.float32) @ cols.T
        result = np.where(inside, result / np.where(inside, share, 1), 0)
    if data.dtype.kind in "iu":
        limits = np.iinfo(data.dtype)
        result = np.clip(np.rint(result), limits.min, limits.max)
    return result.astype(data.dtype), inside


def any_valid(valid: NDArray[np.bool_], out_px: tuple[int, int]) -> NDArray[np.bool_]:
    """Validity ``(H, W)`` brought to ``out_px`` so that no valid pixel is lost.

    Enlarged, a pixel is valid if the one that its centre lies in is; shrunk, if any pixel is whose centre
    lies in it.
    """
    for axis, out in enumerate(out_px):
        length = valid.shape[axis]
        if out < length:
            starts = -((out - 2 * length * np.arange(out)) // (2 * out))  # ceil(i * length / out - 1/2)
            valid = np.logical_or.reduceat(valid, starts, axis=axis)
        else:
            valid = valid.take(_centres(length, out), axis=axis)
    return valid


def nearest_valid(valid: NDArray[np.bool_], out_px: tuple[int, int]) -> NDArray[np.bool_]:
    """Validity ``(H, W)`` brought to ``out_px``: that of the pixel at the centre of each."""
    rows, cols = (_centres(n, out) for n, out in zip(valid.shape, out_px, strict=True))
    return valid[np.ix_(rows, cols)]


def _centres(length: int, out: int) -> NDArray[np.int64]:
    """Of ``length`` pixels, those that the centres of ``out`` pixels lie in."""
    return (2 * np.arange(out) + 1) * length // (2 * out)
