"""What a training leaves behind and what it says about its labels, from the outside."""

import numpy as np
import pytest
import shapely
from training_field import make_field

import nirlora
from data.make_data import grid_transform, make_polygons, make_raster, pixel_box
from nirlora.models.bundle import read_bundle
from nirlora.protocol import LayerRef, TrainRequest
from nirlora.versions import versions


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    field = make_field(folder)
    before = set(folder.iterdir())
    request = TrainRequest(
        layers=(LayerRef(str(field.raster)),), backbone="vit-demo", pretrained=False, chip_px=32, batch=4,
        epochs=2, steps_per_epoch=2, device="cpu", seed=3,
    )  # fmt: skip
    result = nirlora.train(request)
    return request, result, {path.name for path in set(folder.iterdir()) - before}


def test_a_model_and_a_report_and_nothing_else_is_written(trained):
    assert trained[2] == {"field.nirlora", "field_report.html"}


def test_the_model_file_says_all_that_another_machine_needs(trained):
    _, result, _ = trained
    card, weights = read_bundle(result.model)
    assert [(c.value, c.name) for c in card.classes] == [(0, "crop"), (1, "soil"), (2, "tree")]
    assert len({c.color for c in card.classes}) == 3
    (channel,) = card.transform["channels"]
    assert (channel["name"], channel["role"], channel["band"], channel["description"]) == (
        "nir",
        "nir",
        1,
        "NIR",
    )
    assert channel["low"] < channel["median"] < channel["high"]
    assert card.transform["resolution_m"] == pytest.approx(1.0, rel=1e-3)
    assert (card.model.backbone, card.model.adapter, card.model.rank) == ("vit-demo", "lora", 4)
    assert card.metrics["miou"] == result.metrics["miou"]
    (layer,) = card.training["layers"]
    assert layer["crs"] == "EPSG:32633"
    assert layer["bounds"] == pytest.approx([500_000, 5_400_000 - 96, 500_000 + 144, 5_400_000])
    assert card.training["request"]["seed"] == 3
    assert card.training["parameters"]["trainable"] == result.trainable_parameters
    assert card.versions == versions()
    assert {"python", "nirlora", "torch", "timm", "peft"} <= set(card.versions)
    assert any("lora" in name for name in weights)


def test_everything_odd_about_the_labels_is_said_with_counts(tmp_path):
    raster = make_raster(
        tmp_path / "f.tif",
        np.random.default_rng(0).integers(500, 5000, (1, 200, 200)).astype("uint16"),
        descriptions=("nir",),
    )
    grid = grid_transform()

    def box(col, row, name, side=8):
        return pixel_box(grid, col, row, side, side), {"class": name}

    bow_tie = shapely.Polygon([grid @ corner for corner in ((120, 100), (130, 110), (130, 100), (120, 110))])
    boxes = [
        *(box(20 * i, 150, "crop") for i in range(8)),
        *(box(4 + 9 * i, 4, "weed", 6) for i in range(3)),  # all in a corner
        box(100, 60, "tree"),  # one only
        box(0, 154, "soil"),  # half of it on crop
        box(60, 60, "soil"),
        box(180, 20, "soil"),
        box(5000, 20, "soil"),  # elsewhere
        (bow_tie, {"class": "soil"}),
        (pixel_box(grid, 150, 80, 5, 5), {"class": None}),
    ]
    labels = make_polygons(tmp_path / "f.gpkg", boxes)
    made = nirlora.plan(
        TrainRequest(layers=(LayerRef(str(raster), str(labels)),), pretrained=False, device="cpu")
    )
    said = "\n".join(made["warnings"])
    for words in (
        "1 feature(s) have no value in field 'class'",
        "1 invalid polygon(s) repaired",
        "1 of 18 polygons lie outside the raster",
        "Polygons of crop and soil overlap on 32 pixel(s)",
        "Class tree has only 1 label(s) (64 pixels)",
        "Class weed: all 3 label(s) lie in one place",
        "Class weed: all labels are clustered within 12 %",
    ):
        assert words in said, f"{words!r} not in:\n{said}"
