"""The size of GDAL's block cache, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import rasterio
from rasterio.env import get_gdal_config

_OPTION = "GDAL_CACHEMAX"


@contextmanager
def block_cache(size_bytes: int) -> Iterator[None]:
    """Hold at most ``size_bytes`` of decoded blocks inside the ``with`` block.

    The cache belongs to the process. rasterio leaves it as it was last set, so it is set back here: a job
    that follows must not read through a cache that was made for another.
    """
    with rasterio.Env():
        before = get_gdal_config(_OPTION)
        try:
            with rasterio.Env(**{_OPTION: size_bytes}):
                yield
        finally:
            with rasterio.Env(**{_OPTION: before}):
                pass
