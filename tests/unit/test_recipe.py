"""Recipes as files, their experiments, the table, and the parts that data sets are brought into shape by."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

import recipe_sets
from nirlora.errors import InputError
from nirlora.protocol import ClassifyTrainRequest, TrainRequest
from nirlora.raster.grid import Window
from nirlora.raster.source import open_raster
from nirlora.recipes.readers import READERS, reader_spec
from nirlora.recipes.readers.dstl import draw
from nirlora.recipes.readers.mosaic import Mosaic, Pair
from nirlora.recipes.readers.street import CITYSCAPES_IDS, CLASSES, NAMES, SYNTHIA_IDS
from nirlora.recipes.recipe import experiments, load_recipe
from nirlora.recipes.table import make_rows, markdown
from nirlora_train.reproduce import parse_settings
from support import ROOT

FILES = sorted((ROOT / "recipes").glob("*.yaml"))
SMALL = {
    "title": "T", "paper": "P", "kind": "classification",
    "data": {"reader": "uc-merced", "source": "somewhere"},
    "metrics": [{"name": "accuracy", "title": "A", "scale": 100, "digits": 1}],
    "settings": {"batch": 4, "adapt": {"steps": 3}},
    "axes": {
        "backbone": ["x", "y"],
        "method": [
            {"name": "a", "adapter": "lora", "adapt": {"rank": 2}}, {"name": "b", "only": {"backbone": "y"}},
        ],
        "fold": [0, 1],
    },
    "replicates": ["fold"],
    "published": [
        {"value": 90.0, "metric": "accuracy", "tag": "primary", "match": {"backbone": "y", "method": "a"}},
        {"value": 80.0, "metric": "accuracy", "tag": "secondary", "name": "theirs"},
    ],
}  # fmt: skip


def write(folder: Path, content: object) -> Path:
    path = folder / "r.yaml"
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_recipes_of_this_project_are_whole(path):
    recipe = load_recipe(path)
    assert reader_spec(recipe.data.reader)
    assert recipe.protocol
    assert recipe.published
    assert recipe.differences
    known = set(ClassifyTrainRequest.__dataclass_fields__) | set(TrainRequest.__dataclass_fields__)
    known |= {"adapt", "adapt_images", "folds", "fold", "split", "patch_px", "stride_px"}
    for experiment in experiments(recipe):
        assert set(experiment.settings) <= known


def test_there_is_a_recipe_for_every_data_set():
    used = {data.reader for r in map(load_recipe, FILES) for data in (r.data, r.target) if data}
    assert used == {spec.name for spec in READERS}


def test_every_published_number_of_the_adapters_has_its_row():
    """Of 13 methods on two backbones and four more rows of the ablation; IVPT does not fit Swin here."""
    for name in ("ucm", "resisc45"):
        recipe = load_recipe(ROOT / "recipes" / f"{name}.yaml")
        rows = make_rows(recipe, experiments(recipe), [])
        assert len([row for row in rows if row.experiment]) == 13 + 12 + 4
        assert all(row.published for row in rows)
        assert [row.name for row in rows if row.name] == ["IVPT, Swin-T"]


def test_experiments_are_all_combinations_with_their_settings(tmp_path):
    recipe = load_recipe(write(tmp_path, SMALL))
    found = experiments(recipe)
    assert [tuple(e.labels.values()) for e in found] == [
        ("x", "a", "0"), ("x", "a", "1"), ("y", "a", "0"), ("y", "a", "1"), ("y", "b", "0"), ("y", "b", "1"),
    ]  # fmt: skip
    assert found[1].settings == {
        "batch": 4, "adapt": {"steps": 3, "rank": 2}, "backbone": "x", "adapter": "lora", "fold": 1,
    }  # fmt: skip
    assert found[4].settings == {"batch": 4, "adapt": {"steps": 3}, "backbone": "y", "fold": 0}
    assert [e.labels["fold"] for e in experiments(recipe, ("backbone=y", "method=a", "fold=1"))] == ["1"]
    assert len(experiments(recipe, ("method=a", "method=b"))) == 6
    with pytest.raises(InputError, match="no run 'method=c'") as caught:
        experiments(recipe, ("method=c",))
    assert "method: a, b" in caught.value.hint


def test_rows_average_over_replicates_and_seeds(tmp_path):
    recipe = load_recipe(write(tmp_path, SMALL))
    chosen = experiments(recipe, ("method=a",))
    records = [
        {"labels": {"backbone": "y", "method": "a", "fold": str(f)}, "scores": {"accuracy": v}}
        for f, v in ((0, 0.8), (1, 0.9))
    ]
    rows = make_rows(recipe, chosen, records)
    assert [(r.experiment.get("backbone"), r.runs, r.published, r.tag, r.name) for r in rows] == [
        ("x", 0, None, "", ""),
        ("y", 2, 90.0, "primary", ""),
        (None, 0, 80.0, "secondary", "theirs"),
    ]
    assert rows[1].ours == pytest.approx(0.85)
    assert rows[1].spread == pytest.approx(0.05)
    page = markdown(recipe, rows, ("a note",))
    assert "| backbone | method | ours | runs | published | difference | source |" in page
    assert "| y | a | 85.0 ± 5.0 | 2 | 90.0 | -5.0 | primary |" in page
    assert "| x | a | – | – | – | – | – |" in page
    assert "| *theirs* |  | – | – | 80.0 | – | secondary |" in page
    assert page.endswith("* a note\n")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [", "no YAML"),
        ("- 1", "expected an object"),
        ("!!python/object/apply:os.system ['echo']", "no YAML"),
        ({**SMALL, "kind": "magic"}, "its kind is 'magic'"),
        ({**SMALL, "colour": 1}, "unknown field 'colour'"),
        ({**SMALL, "format": 9}, "its format is 9"),
        ({**SMALL, "target": SMALL["data"]}, "a target goes with the kind domain"),
        ({**SMALL, "axes": {"method": []}}, "axis method is no list"),
        ({**SMALL, "axes": {"method": [{"adapter": "x"}]}}, "has no name"),
        ({**SMALL, "axes": {"method": ["a", "a"]}}, "two entries of one name"),
        ({**SMALL, "replicates": ["seed"]}, "replicates are seed"),
        ({**SMALL, "protocol": [{"fact": "x", "tag": "heard"}]}, "'heard' is no tag"),
        (
            {**SMALL, "published": [{"value": 1.0, "metric": "miou", "tag": "primary", "name": "x"}]},
            "metric 'miou'",
        ),
        (
            {
                **SMALL,
                "published": [
                    {"value": 1.0, "metric": "accuracy", "tag": "primary", "match": {"method": "z"}}
                ],
            },
            "of method 'z'",
        ),
        (
            {**SMALL, "published": [{"value": 1.0, "metric": "accuracy", "tag": "primary"}]},
            "neither match nor name",
        ),
    ],
)
def test_files_that_are_no_recipes(tmp_path, content, words):
    with pytest.raises(InputError, match=words):
        load_recipe(write(tmp_path, content))


def test_no_such_recipe(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_recipe(tmp_path / "x.yaml")


def test_settings_of_the_command_line():
    assert parse_settings(
        ["epochs=3", "adapt.steps=5", "adapt.unfreeze=last", "bands=6,7,8", 'preset=""']
    ) == {
        "epochs": 3,
        "adapt": {"steps": 5, "unfreeze": "last"},
        "bands": "6,7,8",
        "preset": "",
    }


def test_a_mosaic_has_every_photograph_at_its_place_and_a_gutter_between(tmp_path):
    rng = np.random.default_rng(0)
    sizes, pairs, originals = [(10, 14), (12, 9), (10, 14), (8, 8), (12, 14)], [], []
    for i, (rows, cols) in enumerate(sizes):
        image = rng.integers(0, 256, (3, rows, cols)).astype(np.uint8)
        image[:, 0, 0] = 0  # black is not nodata
        labels = rng.choice([7, 8, 11, 1, 0], (1, rows, cols)).astype(np.uint8)
        path = recipe_sets.write_image(tmp_path / f"i{i} <&>.png", image, "PNG")
        pairs.append(Pair(path, recipe_sets.write_image(tmp_path / f"l{i}.png", labels, "PNG")))
        originals.append((image, labels[0]))
    mosaic = Mosaic(pairs, 5, lambda text: None)
    layer = mosaic.write(tmp_path / "all", {7: 0, 8: 1, 11: 2}, CLASSES)
    covered = 0
    with open_raster(layer.path) as source, open_raster(layer.labels) as truth:
        assert (source.width, source.height) == mosaic.size == (truth.width, truth.height)
        assert source.color_interp == ("red", "green", "blue")
        assert [c["name"] for c in json.loads(truth.tags["CLASSES"])] == list(NAMES)
        for i, (image, labels) in enumerate(originals):
            col, row = mosaic.place(i)
            window = Window(col, row, image.shape[2], image.shape[1])
            data, valid = source.read(window, [1, 2, 3])
            np.testing.assert_array_equal(data, image)
            assert valid.all()
            values, known = truth.read(window, [1])
            expected = np.select([labels == 7, labels == 8, labels == 11], [0, 1, 2], 255)
            np.testing.assert_array_equal(values[0], expected)
            np.testing.assert_array_equal(known, expected != 255)
            covered += image.shape[1] * image.shape[2]
        assert source.read(source.window, [1, 2, 3])[1].sum() == covered
    corners = [(*mosaic.place(i), cols, rows) for i, (rows, cols) in enumerate(sizes)]
    for a, b in ((a, b) for a in corners for b in corners if a is not b):
        apart = max(b[0] - a[0] - a[2], a[0] - b[0] - b[2], b[1] - a[1] - a[3], a[1] - b[1] - b[3])
        assert apart >= 5


def test_dstl_polygons_land_where_the_competition_says():
    """x_px = x * W² / ((W + 1) Xmax): by hand for a scene of 99 x 49 px, of which the upper left 33 x 20."""
    width, height, extent = 99, 49, (0.009, -0.0045)
    right, bottom = 33 * (width + 1) * extent[0] / width**2, 20 * (height + 1) * extent[1] / height**2
    ring = f"0 0, {right} 0, {right} {bottom}, 0 {bottom}, 0 0"
    expected = np.zeros((height, width), np.uint8)
    expected[:20, :33] = 1
    np.testing.assert_array_equal(draw(f"MULTIPOLYGON ((({ring})))", extent, width, height), expected)
    assert not draw("MULTIPOLYGON EMPTY", extent, width, height).any()


def test_street_classes():
    assert len(CITYSCAPES_IDS) == len(NAMES) == 19
    assert (CITYSCAPES_IDS[7], CITYSCAPES_IDS[33], CITYSCAPES_IDS[24]) == (0, 18, NAMES.index("person"))
    missing = set(range(19)) - set(SYNTHIA_IDS.values())
    assert {NAMES[v] for v in missing} == {"terrain", "truck", "train"}
    assert SYNTHIA_IDS[10] == NAMES.index("person")
