"""Every form of input channels, from training to the map of a raster with its bands in another order."""

import numpy as np
import pytest
from training_field import LEVELS, make_field

import nirlora
from data.make_data import make_raster
from nirlora.models.bundle import read_bundle
from nirlora.protocol import LayerRef, SegmentRequest, TrainRequest
from nirlora.raster.source import open_raster

NAMES = ("blue", "green", "red", "red edge", "nir", "nir2")
ANSWER = np.array([-0.2, 0.1, -0.3, 0.5, 1.0, 0.9])  # of each band to what tells the classes apart

FORMS = {
    "nir": ["nir"],
    "nir,nir2,rededge": ["nir", "nir2", "rededge"],
    "nir,red,green": ["nir", "red", "green"],
    "red,green,blue": ["red", "green", "blue"],
    "5,4,3": ["b5", "b4", "b3"],
    "ndvi": ["ndvi"],
    "ndvi,ndre,savi": ["ndvi", "ndre", "savi"],
    "nir,red,green,blue,ndre": ["nir", "red", "green", "blue", "ndre"],
}


@pytest.fixture(scope="module")
def rasters(tmp_path_factory):
    """Six bands of reflectance in one file, and the same the other way round in another."""
    folder = tmp_path_factory.mktemp("forms")
    field = make_field(folder)
    rng = np.random.default_rng(0)
    level = np.array([LEVELS[n] for n in field.names])[field.truth] / 9000
    bands = 0.25 + 0.2 * ANSWER[:, None, None] * (level - 0.5) + rng.normal(0, 0.004, (6, *level.shape))
    data = bands.astype("float32")
    make_raster(folder / "field.tif", data, descriptions=NAMES)
    other = make_raster(folder / "other.tif", data[::-1], descriptions=NAMES[::-1])
    return LayerRef(str(folder / "field.tif"), str(field.labels)), LayerRef(str(other)), field.truth


@pytest.mark.parametrize("form", FORMS)
def test_trains_and_finds_its_bands_in_another_order(rasters, tmp_path, form):
    layer, other, truth = rasters
    result = nirlora.train(
        TrainRequest(
            layers=(layer,),
            bands=form,
            out=str(tmp_path / "m.nirlora"),
            backbone="vit-demo",
            pretrained=False,
            adapter="full",
            chip_px=32,
            epochs=3,
            steps_per_epoch=12,
            device="cpu",
            report=False,
        )
    )
    card, weights = read_bundle(result.model)
    assert [c["name"] for c in card.transform["channels"]] == FORMS[form]
    assert weights["backbone.net.patch_embed.proj.weight"].shape[1] == len(FORMS[form])
    maps = []
    for raster, name in ((layer, "a.tif"), (other, "b.tif")):
        drawn = nirlora.segment(
            SegmentRequest(layer=raster, model=result.model, out=str(tmp_path / name), device="cpu")
        )
        with open_raster(drawn.map) as file:
            maps.append(file.read(file.window, [1])[0][0])
    np.testing.assert_array_equal(*maps)
    assert (maps[0] == truth).mean() > 0.6  # three classes: it saw what tells them apart
