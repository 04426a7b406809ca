"""The generated field: files as promised, and a task that needs near-infrared."""

from __future__ import annotations

import numpy as np
import pyogrio.raw
import pytest
import rasterio
import rasterio.features
import shapely
from scipy import ndimage
from scipy.stats import rankdata
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from nirlora.bands import detect_roles, fit_transform
from nirlora.demo_field import BANDS, CLASSES, CROP, SOIL, TREE, UNKNOWN, WEED, generate_field
from nirlora.errors import OptionError
from nirlora.raster.source import open_raster

SIZE = 768


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    return generate_field(tmp_path_factory.mktemp("demo") / "field.tif", seed=1, size=SIZE)


@pytest.fixture(scope="module")
def picture(field):
    with rasterio.open(field.raster) as file:
        return file.read().astype(np.float64) / 1e4


@pytest.fixture(scope="module")
def truth(field):
    with rasterio.open(field.truth) as file:
        return file.read(1)


def auc(positive, negative):
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)].sum()
    return (ranks - len(positive) * (len(positive) + 1) / 2) / len(positive) / len(negative)


def test_files(field, truth):
    assert field.truth.name == "truth.tif"
    assert field.training.name == "field_training.gpkg"
    with open_raster(field.raster) as source, open_raster(field.truth) as reference:
        assert (source.width, source.height, source.count, source.dtype) == (SIZE, SIZE, 5, "uint16")
        assert source.descriptions == BANDS
        assert detect_roles(source).roles == ("blue", "green", "red", "rededge", "nir")
        assert source.resolution_m == pytest.approx(0.05)
        assert source.crs == reference.crs
        assert source.crs.is_projected
        assert source.transform == reference.transform
        assert source.nodata == (0.0,) * 5
        assert reference.nodata == (UNKNOWN,)
        _, valid = source.read(source.window, [5])
        assert fit_transform([source]).kind == "reflectance"
    np.testing.assert_array_equal(valid, truth != UNKNOWN)
    assert set(np.unique(truth)) == {SOIL, CROP, WEED, TREE, UNKNOWN}


def test_every_class_covers_something(truth):
    valid = truth != UNKNOWN
    assert 0.85 < valid.mean() < 1.0
    shares = [(truth[valid] == value).mean() for value in range(4)]
    assert all(low < share < high for share, (low, high) in zip(
        shares, ((0.4, 0.75), (0.15, 0.5), (0.02, 0.2), (0.01, 0.12)), strict=True))  # fmt: skip


def test_polygons_are_drawn_inside_their_class(field, truth):
    _, _, shapes, (names,) = pyogrio.raw.read(field.training)
    assert 40 <= len(names) <= 70
    assert set(names) == set(CLASSES)
    assert min(np.unique(names, return_counts=True)[1]) >= 5
    with rasterio.open(field.raster) as file:
        transform = file.transform
    covered = 0
    for shape, name in zip(shapely.from_wkb(shapes), names, strict=True):
        assert shape.is_valid
        inside = rasterio.features.rasterize([shape], truth.shape, transform=transform).astype(bool)
        covered += inside.sum()
        assert (truth[inside] == CLASSES.index(name)).mean() > 0.9
    assert covered / truth.size < 0.06


def test_same_seed_same_field(field, tmp_path):
    again = generate_field(tmp_path / "field.tif", seed=1, size=SIZE)
    other = generate_field(tmp_path / "other.tif", seed=2, size=SIZE)
    with rasterio.open(field.raster) as a, rasterio.open(again.raster) as b, rasterio.open(other.raster) as c:
        first = a.read(5)
        assert (first == b.read(5)).all()
        assert (first != c.read(5)).any()


def test_only_near_infrared_tells_crop_from_weed(picture, truth):
    rng = np.random.default_rng(0)
    crop, weed = (rng.permutation(np.argwhere(truth == v))[:8000] for v in (CROP, WEED))
    count = min(len(crop), len(weed))
    x = np.concatenate([picture[:, p[:count, 0], p[:count, 1]].T for p in (crop, weed)])
    y = np.repeat((0, 1), count)
    for band in range(3):
        assert abs(auc(x[y == 1, band], x[y == 0, band]) - 0.5) < 0.08
    half = rng.permutation(len(y))
    train, test = half[: len(y) // 2], half[len(y) // 2 :]

    def score(model, bands):
        model.fit(x[train][:, bands] * 10, y[train])
        chance = model.predict_proba(x[test][:, bands] * 10)[:, 1]
        return auc(chance[y[test] == 1], chance[y[test] == 0])

    assert score(LogisticRegression(max_iter=300), [0, 1, 2]) < 0.6
    assert score(RandomForestClassifier(30, min_samples_leaf=30, random_state=0), [0, 1, 2]) < 0.62
    near_infrared = score(LogisticRegression(max_iter=300), [4])
    assert 0.75 < near_infrared < 0.96  # partly: shadow, vigour and edges overlap


def test_weed_leaves_are_coarser_in_near_infrared(picture, truth):
    """Pixels 25 cm apart on one plant: the weed's NIR varies more than the crop's, its green does not."""
    inner = {}
    for value in (CROP, WEED):
        member = ndimage.binary_erosion(truth == value, iterations=2)
        pairs = member[:-5] & member[5:]
        nir, green = (np.log(np.where(member, picture[b], 1.0)) for b in (4, 1))
        inner[value] = [np.abs(v[5:] - v[:-5])[pairs].mean() for v in (nir, green)]
    ratio = [inner[WEED][i] / inner[CROP][i] for i in range(2)]
    assert ratio[0] > 1.5
    assert 0.75 < ratio[1] < 1.25


def test_shadow_is_dark_everywhere_beside_trees(picture, truth):
    soil = picture[4][truth == SOIL]
    assert np.percentile(soil, 1) < 0.6 * np.median(soil)


def test_too_small_is_refused(tmp_path):
    with pytest.raises(OptionError, match="100 pixels is too small"):
        generate_field(tmp_path / "x.tif", size=100)
