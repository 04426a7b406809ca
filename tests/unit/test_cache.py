"""GDAL's block cache is as large as it is asked to be, and as it was before, afterwards."""

from __future__ import annotations

import pytest
import rasterio
from rasterio.env import get_gdal_config

from nirlora.raster.cache import block_cache


def size() -> int:
    with rasterio.Env():
        return get_gdal_config("GDAL_CACHEMAX")


def test_the_cache_is_set_back():
    before = size()
    with block_cache(50 * 2**20):
        assert size() == 50 * 2**20
        with block_cache(30 * 2**20):
            assert size() == 30 * 2**20
        assert size() == 50 * 2**20
    assert size() == before
    with pytest.raises(KeyError), block_cache(30 * 2**20):
        raise KeyError
    assert size() == before
