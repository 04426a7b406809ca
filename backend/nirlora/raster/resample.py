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
        Data in the same dtype (integers rounded), and validity: enlarged, an output pixel is valid if
        the pixel it lies in is; shrunk, if all pixels under it are. Invalid data is 0.
    """
    rows, cols = kernel(data.shape[1], out_px[0]), kernel(data.shape[2], out_px[1])
    work: Any = np.float32 if data.dtype.itemsize <= 2 or data.dtype == np.float32 else np.float64
    holes = not valid.all()
    values: NDArray[Any] = np.where(valid, data, 0).astype(work) if holes else data.astype(work)
    result: NDArray[Any] = rows @ values @ cols.T
    if holes:
        share = rows @ valid.astype(np.float32) @ cols.T
        inside = _nearest(valid, out_px)
        if out_px[0] < data.shape[1] or out_px[1] < data.shape[2]:
            inside = inside & (share > 1 - 1e-4)
        result = np.where(inside, result / np.where(inside, share, 1), 0)
    else:
        inside = np.ones(out_px, dtype=np.bool_)
    if data.dtype.kind in "iu":
        limits = np.iinfo(data.dtype)
        result = np.clip(np.rint(result), limits.min, limits.max)
    return result.astype(data.dtype), inside


def _nearest(valid: NDArray[np.bool_], out_px: tuple[int, int]) -> NDArray[np.bool_]:
    rows, cols = (
        (2 * np.arange(out) + 1) * n // (2 * out) for out, n in zip(out_px, valid.shape, strict=True)
    )
    return valid[np.ix_(rows, cols)]
