"""The algorithms through the real ``qgis_process``: a field is trained, mapped and scored, in every QGIS."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import rasterio
from training_field import Field, make_field

from desktop import ROOT, qgis_environment
from installations import Installation, installations, what_is_missing

sys.path.insert(0, str(ROOT / "packaging"))
from link_plugin import link_plugin

pytestmark = pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing())
once = pytest.mark.once  # in the other versions too with the slow tests
VERSIONS = {qgis.version: qgis for qgis in installations()}
MODEL_FILE = Path(__file__).with_name("train_and_segment.model3")
TINY = (
    "BACKBONE=vit-demo",
    "PRETRAINED=0",
    "ADAPTER=full",
    "CHIP_PX=32",
    "BATCH=4",
    "EPOCHS=4",
    "STEPS_PER_EPOCH=25",
    "VAL_FRACTION=0.3",
    "DEVICE=cpu",
)
LIMIT_S = 240


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def results(self) -> dict[str, Any]:
        assert self.code == 0, self.out + self.err
        return json.loads(self.out[self.out.index("{") :])["results"]


class Process:
    """``qgis_process`` with the plugin, in a profile of its own below ``folder``."""

    def __init__(self, qgis: Installation, folder: Path) -> None:
        self._program = qgis.process
        profile = folder / "config" / "profiles" / "default"
        link_plugin(profile / "python" / "plugins")
        (profile / "QGIS").mkdir()
        (profile / "QGIS" / "QGIS3.ini").write_text(
            "[PythonPlugins]\nnir_lora_plugin=true\nprocessing=true\n"
        )
        extra = {"QT_QPA_PLATFORM": "offscreen", "QGIS_CUSTOM_CONFIG_PATH": str(folder / "config")}
        self._environment = qgis_environment(qgis, folder, extra)

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["stdbuf", "-oL", self._program, *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str) -> Done:
        process = self.start(*words)
        try:
            out, err = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
        return Done(process.returncode, out, err)

    def run(self, algorithm: str, *parameters: str) -> Done:
        return self("--json", "run", algorithm, "--", *parameters)


@pytest.fixture(scope="module", params=[*VERSIONS] or ["none"])
def process(request, tmp_path_factory):
    return Process(VERSIONS[request.param], tmp_path_factory.mktemp(f"qgis{request.param}"))


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    return make_field(tmp_path_factory.mktemp("field"))


@pytest.fixture(scope="module")
def trained(process, field, tmp_path_factory):
    """Results of a training by ``qgis_process``."""
    out = tmp_path_factory.mktemp("model") / "stripes.nirlora"
    layers = (f"INPUT={field.raster}", f"LABELS={field.labels}")
    return process.run("nirlora:train", *layers, f"OUTPUT={out}", *TINY).results


def read(path: str | Path) -> tuple[np.ndarray, Any]:
    with rasterio.open(path) as file:
        return file.read(1), (file.transform, file.crs, file.shape, file.nodata)


def assert_map_of(field: Field, path: str) -> None:
    """On the grid of the field, right nearly everywhere."""
    drawn, (*grid, nodata) = read(path)
    _, (*expected, _) = read(field.raster)
    assert grid == expected
    assert nodata == 255
    assert (drawn == field.truth).mean() > 0.9


def test_lists_the_algorithms(process):
    done = process("list")
    for name in ("train", "adapt", "segment", "evaluate", "export"):
        assert f"nirlora:{name}\t" in done.out


def test_help_names_parameters_and_choices(process):
    text = process("help", "nirlora:train").out
    for word in ("CLASS_FIELD", "MAX_SECONDS", "Time limit [s]", "One of: detail, linear, aspp, uper."):
        assert word in text


def test_trains(trained):
    assert Path(trained["OUTPUT"]).name == "stripes.nirlora"
    assert Path(trained["OUTPUT"]).stat().st_size > 1000
    assert trained["MIOU"] > 0.9
    assert trained["CLASSES"] == "crop,soil,tree"
    assert json.loads(trained["METRICS"])["miou"] == pytest.approx(trained["MIOU"])
    assert "<html" in Path(trained["REPORT"]).read_text(encoding="utf-8").lower()


def test_segments_with_everything(process, trained, field, tmp_path):
    wanted = {
        "OUTPUT": tmp_path / "map.tif",
        "CONFIDENCE": tmp_path / "sure" / "c.tif",
        "PROBABILITIES": tmp_path / "p.tif",
        "POLYGONS": tmp_path / "polygons.gpkg",
        "AREAS": tmp_path / "hectares.csv",
    }
    wanted["CONFIDENCE"].parent.mkdir()
    words = [f"{name}={path}" for name, path in wanted.items()]
    model = f"MODEL={trained['OUTPUT']}"
    results = process.run("nirlora:segment", f"INPUT={field.raster}", model, *words).results
    assert {name: Path(results[name]) for name in wanted} == wanted
    assert_map_of(field, results["OUTPUT"])
    confidence, grid = read(results["CONFIDENCE"])
    assert grid[:3] == read(field.raster)[1][:3]
    assert confidence.max() > 0
    with rasterio.open(results["PROBABILITIES"]) as file:
        assert file.count == 3
    areas = json.loads(results["AREA_TABLE"])
    counts = np.bincount(read(results["OUTPUT"])[0].ravel(), minlength=3)
    assert areas == pytest.approx({name: counts[k] / 1e4 for k, name in enumerate(field.names)}, rel=2e-3)
    assert results["HECTARES"] == pytest.approx(sum(areas.values()))
    assert results["VALID_PIXELS"] == field.truth.size
    table = wanted["AREAS"].read_text(encoding="utf-8")
    assert all(name in table for name in field.names)
    assert wanted["POLYGONS"].read_bytes().startswith(b"SQLite")
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"map.tif", "map.qml", "c.tif", "p.tif", "polygons.gpkg", "hectares.csv"} | {
        name for name in left if name.endswith(".aux.xml")
    }


@once
def test_segments_inside_an_area_only(process, trained, field, tmp_path):
    """The area is polygons of any CRS; a GeoJSON in degrees here."""
    from rasterio.warp import transform_geom

    _, (transform, crs, _, _) = read(field.raster)
    corners = [transform @ corner for corner in ((16, 16), (80, 16), (80, 64), (16, 64), (16, 16))]
    square = transform_geom(crs, "EPSG:4326", {"type": "Polygon", "coordinates": [corners]}, precision=9)
    area = tmp_path / "area.geojson"
    feature = {"type": "Feature", "properties": {}, "geometry": square}
    area.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    words = (f"INPUT={field.raster}", f"MODEL={trained['OUTPUT']}", f"AOI={area}", f"OUTPUT={tmp_path}/m.tif")
    drawn, _ = read(process.run("nirlora:segment", *words).results["OUTPUT"])
    expected = np.zeros(drawn.shape, bool)
    expected[16:64, 16:80] = True
    assert ((drawn != 255) == expected).all()


def test_evaluates(process, trained, field, tmp_path):
    words = (f"INPUT={field.raster}", f"MODEL={trained['OUTPUT']}", f"LABELS={field.labels}")
    results = process.run("nirlora:evaluate", *words, f"OUTPUT={tmp_path}/scores.json").results
    assert results["MIOU"] > 0.9
    scores = json.loads(Path(results["OUTPUT"]).read_text(encoding="utf-8"))
    assert scores["metrics"]["miou"] == pytest.approx(results["MIOU"])
    assert results["LABELLED_PIXELS"] == sum(map(sum, scores["metrics"]["confusion"])) == 27 * 81


@once
def test_trains_on_several_rasters_with_labels_each(process, field, tmp_path):
    other = make_field(tmp_path, name="other", seed=1)
    layers = [f"INPUT={one.raster}" for one in (field, other)]
    layers += [f"LABELS={one.labels}" for one in (field, other)]
    results = process.run("nirlora:train", *layers, f"OUTPUT={tmp_path}/two.nirlora", *TINY).results
    assert results["CLASSES"] == "crop,soil,tree"
    assert results["MIOU"] > 0.9


@once
def test_a_model_of_the_designer_trains_and_segments(process, field, tmp_path):
    words = (f"raster={field.raster}", f"labels={field.labels}", f"segment:map={tmp_path}/map.tif")
    results = process.run(str(MODEL_FILE), *words).results
    (drawn,) = (value for value in results.values() if str(value).endswith(".tif"))
    assert_map_of(field, drawn)


def test_exports(process, trained, field, tmp_path):
    words = (f"MODEL={trained['OUTPUT']}", f"INPUT={field.raster}", f"OUTPUT={tmp_path}/m.onnx")
    results = process.run("nirlora:export", *words).results
    assert Path(results["OUTPUT"]).stat().st_size > 1000
    assert results["AGREEMENT"] > 0.999


@once
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"INPUT": "absent.tif"}, "INPUT"),
        ({"CLASS_FIELD": "crop"}, "crop"),
        ({"BANDS": "swir"}, "swir"),
        ({"HEAD": "unet"}, "HEAD"),
        ({"ASPP_RATES": "3,x"}, "whole numbers"),
        ({"OUTPUT": "/proc/no/m.nirlora"}, "/proc/no"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input_ends_with_code_1_and_words(process, field, tmp_path, change, said):
    good = {"INPUT": field.raster, "LABELS": field.labels, "OUTPUT": tmp_path / "m.nirlora"}
    done = process.run("nirlora:train", *(f"{k}={v}" for k, v in (good | change).items()), *TINY)
    assert done.code == 1
    assert said in done.out + done.err
    assert "Traceback" not in done.out + done.err
    assert not list(tmp_path.iterdir())


@once
def test_a_model_that_does_not_fit_is_named(process, trained, tmp_path):
    """Another scale of values: named before anything is drawn."""
    field = make_field(tmp_path)
    with rasterio.open(field.raster, "r+") as file:
        file.write(np.full((1, *field.truth.shape), 12, "uint16"))
    words = (f"INPUT={field.raster}", f"MODEL={trained['OUTPUT']}", f"OUTPUT={tmp_path}/map.tif")
    done = process.run("nirlora:segment", *words)
    assert done.code == 1
    said = done.out + done.err
    assert "times smaller" in said
    assert "REFLECTANCE_SCALE" in said, "the remedy speaks of parameters, not of options"
    assert "--" not in said
    assert not (tmp_path / "map.tif").exists()


def test_stopped_by_ctrl_c_takes_the_backend_along(process, field, tmp_path):
    out = tmp_path / "long.nirlora"
    words = (f"INPUT={field.raster}", f"LABELS={field.labels}", f"OUTPUT={out}")
    long = [word for word in TINY if not word.startswith("EPOCHS")] + ["EPOCHS=100000"]
    running = process.start("run", "nirlora:train", "--", *words, *long)
    try:
        assert running.stdout is not None
        for line in running.stdout:
            if line.rstrip().endswith("train"):  # the stage, after the progress so far
                break
        children = psutil.Process(running.pid).children(recursive=True)
        assert any("nirlora.jobs.worker" in " ".join(child.cmdline()) for child in children)
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)  # seconds on a busy machine; the training would go on for hours
        wait_for(lambda: not any(child.is_running() for child in children))
        assert not list(tmp_path.iterdir())
    finally:
        running.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "took too long"
        time.sleep(0.1)
