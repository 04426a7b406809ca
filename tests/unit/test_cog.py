"""Cloud Optimized GeoTIFFs: right overviews, nothing where nothing is, and a file others call valid."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import rasterio
from affine import Affine

from nirlora.raster.cog import write_cog
from nirlora.raster.overviews import halve_by_average, halve_by_mode
from nirlora.raster.tiff import read_image

PLACE = {"crs": "EPSG:32633", "transform": Affine(1, 0, 500_000, 0, -1, 5_400_000)}


def sparse(path, width, height, blocks, count=1, **profile):
    """A tiled raster that holds nothing but ``blocks``: ``[(row, col, array), ...]``."""
    options = {
        "driver": "GTiff", "width": width, "height": height, "count": count, "dtype": "uint8", "nodata": 255,
        "tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "interleave": "band",
        "SPARSE_OK": True, "BIGTIFF": "IF_SAFER",
    }  # fmt: skip
    with rasterio.open(path, "w", **options, **PLACE, **profile) as file:
        for row, col, values in blocks:
            rows, cols = values.shape[-2:]
            file.write(values.reshape(count, rows, cols), window=((row, row + rows), (col, col + cols)))
    return path


def test_mode_of_four_as_counted_by_hand():
    pixels = np.random.default_rng(0).choice([0, 1, 2, 255], (1, 40, 60)).astype(np.uint8)
    half = halve_by_mode(pixels, 255)
    for row in range(20):
        for col in range(30):
            four = [int(v) for v in pixels[0, 2 * row : 2 * row + 2, 2 * col : 2 * col + 2].ravel()]
            counted = Counter(v for v in four if v != 255).most_common(1)  # of equals the first met
            assert half[0, row, col] == (counted[0][0] if counted else 255)


def test_average_of_four_leaves_nodata_out():
    four = np.array([[[10, 20], [255, 31]], [[255, 255], [255, 255]], [[100, 99], [100, 100]]], np.uint8)
    assert halve_by_average(four, 255).ravel().tolist() == [20, 255, 100]


@pytest.mark.parametrize(("count", "resampling"), [(1, "mode"), (3, "average")])
@pytest.mark.parametrize("shape", [(1100, 1301), (513, 40), (300, 200), (512, 512)])
def test_pixels_overviews_and_metadata(tmp_path, shape, count, resampling):
    values = np.random.default_rng(1).integers(0, 4, (count, *shape)).astype(np.uint8)
    values[:, :100, :150] = 255
    part = sparse(tmp_path / "a.part", shape[1], shape[0], [(0, 0, values)], count)
    with rasterio.open(part, "r+") as file:
        file.update_tags(MODEL="m")
        if count == 1:
            file.write_colormap(1, {0: (1, 2, 3, 255), 3: (4, 5, 6, 255)})
    write_cog(part, tmp_path / "a.tif", resampling=resampling)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.part", "a.tif"]
    halve = halve_by_mode if resampling == "mode" else halve_by_average
    with rasterio.open(tmp_path / "a.tif") as file, rasterio.open(part) as before:
        np.testing.assert_array_equal(file.read(), values)
        assert file.tags() == before.tags()
        assert (file.transform, file.crs, file.nodata) == (before.transform, before.crs, 255)
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        if count == 1:
            assert file.colormap(1)[3] == (4, 5, 6, 255)
        levels = file.overviews(1)
    assert levels == [2**n for n in range(1, 9) if max(shape) > 512 * 2 ** (n - 1)]
    for index in range(len(levels)):
        values = halve(
            np.pad(values, ((0, 0), *((0, n % 2) for n in values.shape[1:])), constant_values=255), 255
        )
        with rasterio.open(tmp_path / "a.tif", overview_level=index) as file:
            np.testing.assert_array_equal(file.read(), values)
            assert file.nodata == 255
    check_with_gdal(tmp_path / "a.tif")


def test_ninety_gigapixels_cost_what_their_data_costs(tmp_path):
    """GDAL's own driver took two minutes for this file, and more memory the wider it was."""
    noise = np.random.default_rng(2).integers(0, 3, (700, 900)).astype(np.uint8)
    part = sparse(tmp_path / "a.part", 300_000, 300_000, [(150_000, 150_001, noise)])
    write_cog(part, tmp_path / "a.tif", resampling="mode")
    assert (tmp_path / "a.tif").stat().st_size < 6e6  # the tables of places; pixels are 0.2 MB
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.overviews(1) == [2**n for n in range(1, 11)]
        window = ((149_900, 150_800), (150_000, 151_000))
        seen = file.read(1, window=window)
        np.testing.assert_array_equal(seen[100:800, 1:901], noise)
        assert (seen != 255).sum() == noise.size
    with rasterio.open(tmp_path / "a.tif", overview_level=3) as file:
        assert (file.read(1, window=((9370, 9430), (9370, 9440))) != 255).sum() >= 43 * 56
    assert (read_image(tmp_path / "a.tif").counts > 0).sum() == 3 * 3  # the blocks that the noise touches


def test_bigtiff_is_read_and_written(tmp_path, monkeypatch):
    values = np.random.default_rng(3).integers(0, 3, (1100, 1300)).astype(np.uint8)
    part = sparse(tmp_path / "a.part", 1300, 1100, [(0, 0, values)])
    monkeypatch.setattr("nirlora.raster.tiff._CLASSIC_BYTES", 0)
    write_cog(part, tmp_path / "a.tif", resampling="mode")
    assert (tmp_path / "a.tif").read_bytes()[:4] == b"II+\0"
    with rasterio.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.read(1), values)
    check_with_gdal(tmp_path / "a.tif")
    (tmp_path / "a.tif").rename(tmp_path / "b.part")
    write_cog(tmp_path / "b.part", tmp_path / "b.tif", resampling="mode")
    with rasterio.open(tmp_path / "b.tif") as file:
        np.testing.assert_array_equal(file.read(1), values)


def check_with_gdal(path):
    """GDAL's own validator, where a Python has it: order, places, and every byte between the tiles."""
    for python in (sys.executable, shutil.which("python3", path="/usr/bin")):
        line = [python, "-m", "osgeo_utils.samples.validate_cloud_optimized_geotiff", "--full-check=yes"]
        done = python and subprocess.run([*line, str(path)], capture_output=True, text=True)
        if done and "No module named" not in done.stderr:
            assert done.returncode == 0, done.stdout + done.stderr
            assert "is a valid cloud optimized GeoTIFF" in done.stdout
            return
