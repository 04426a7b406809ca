"""What is written: the input's grid bit for bit, a valid COG, names, colours; nothing left on failure."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.errors import RasterioIOError

from data.make_data import make_raster
from nirlora.errors import JobCancelled, OptionError, OutputError
from nirlora.protocol import NO_CLASS, ClassInfo, LayerRef
from nirlora.raster.grid import Window
from nirlora.raster.outputs import check_output
from nirlora.raster.source import open_raster
from nirlora.raster.writer import MapBlock, MapOutputs, MapWriter

CLASSES = (
    ClassInfo(0, "crop", "#00ff00"),
    ClassInfo(1, 'weed <"thistle"> & co', "#FF0000"),
    ClassInfo(2, "Boden trocken ä", "#aa7700"),
)
GRIDS = {
    "rotated": (Affine(0.0114, -0.0531, 500000.123456789, -0.0531, -0.0114, 4000000.1), "EPSG:32633"),
    "geographic": (Affine(1e-5 / 3, 0, 10 + 1e-13, 0, -1e-5 / 7, 50.0), "EPSG:4326"),
    "south up": (Affine(0.1, 0, 5.3, 0, 0.1, 3.3), "EPSG:32633"),
    "no crs": (Affine(0.1, 0, 5.3, 0, -0.1, 3.3), None),
    "nothing": (Affine.identity(), None),
}


def write(tmp_path, shape=(600, 700), *, grid="rotated", **wanted):
    """A map of random classes with a hole, all outputs as wanted. Returns (paths, classes)."""
    transform, crs = GRIDS[grid]
    raster = make_raster(tmp_path / "in.tif", np.ones(shape, np.uint8), transform=transform, crs=crs)
    classes = np.random.default_rng(0).integers(0, 3, shape).astype(np.uint8)
    classes[: shape[0] // 3, : shape[1] // 3] = NO_CLASS
    confidence = np.where(classes == NO_CLASS, NO_CLASS, 60 + classes).astype(np.uint8)
    outputs = MapOutputs(
        tmp_path / "map.tif",
        tmp_path / "conf.tif" if wanted.get("confidence") else None,
        tmp_path / "prob.tif" if wanted.get("probabilities") else None,
        tags={"MODEL": "a.nirlora"},
    )
    with open_raster(raster) as source, MapWriter(outputs, source, CLASSES) as writer:
        for row in range(0, shape[0], 100):
            rows = slice(row, row + 100)
            block = MapBlock(
                classes[rows],
                confidence[rows] if outputs.confidence else None,
                np.stack([confidence[rows]] * 3) if outputs.probabilities else None,
            )
            writer.write(Window(0, row, shape[1], len(classes[rows])), block)
        return writer.finalise(), classes


@pytest.mark.parametrize("grid", GRIDS)
def test_grid_and_pixels_are_exact(tmp_path, grid):
    paths, classes = write(tmp_path, grid=grid, confidence=True, probabilities=True)
    for kind in ("map", "confidence", "probabilities"):
        with open_raster(paths[kind]) as result, open_raster(tmp_path / "in.tif") as source:
            assert tuple(result.transform) == tuple(source.transform)
            assert result.crs == source.crs
            assert (result.width, result.height) == (source.width, source.height)
            assert set(result.nodata) == {255}
            assert result.dtype == "uint8"
    with open_raster(paths["map"]) as result:
        np.testing.assert_array_equal(result.read(result.window, [1])[0][0], classes)


def test_outputs_are_cogs_with_overviews_colours_and_names(tmp_path):
    paths, _ = write(tmp_path, (1100, 1300), confidence=True, probabilities=True)
    for kind in ("map", "confidence", "probabilities"):
        with rasterio.open(paths[kind]) as file:
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert file.overviews(1) == [2, 4]
            assert file.block_shapes[0] == (512, 512)
            assert file.tags()["MODEL"] == "a.nirlora"
            assert file.tags()["CLASS_1"] == CLASSES[1].name
    with rasterio.open(paths["probabilities"]) as file:
        assert file.descriptions == tuple(c.name for c in CLASSES)
    with rasterio.open(paths["map"]) as file:
        table = file.colormap(1)
        assert [table[v] for v in (0, 1, 2)] == [(0, 255, 0, 255), (255, 0, 0, 255), (170, 119, 0, 255)]
        assert table[255] == (0, 0, 0, 0)
        overview = file.read(1, out_shape=(550, 650))
        assert set(np.unique(overview)) == {0, 1, 2, 255}
        assert (overview[:180, :210] == 255).all()
        rasterio.shutil.copy(file, tmp_path / "seen.vrt", driver="VRT")
    seen = ET.fromstring((tmp_path / "seen.vrt").read_text())
    assert [c.text for c in seen.iter("Category")] == [c.name for c in CLASSES]
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "seen.vrt") == [
        "conf.tif", "in.tif", "map.qml", "map.tif", "map.tif.aux.xml", "prob.tif",
    ]  # fmt: skip


def test_style_is_a_paletted_renderer_qgis_can_read(tmp_path):
    paths, _ = write(tmp_path)
    root = ET.fromstring((tmp_path / "map.qml").read_text(encoding="utf-8"))
    assert paths["style"] == str(tmp_path / "map.qml")
    renderer = root.find("./pipe/rasterrenderer")
    assert (renderer.get("type"), renderer.get("band")) == ("paletted", "1")
    entries = [
        (e.get("value"), e.get("label"), e.get("color"), e.get("alpha")) for e in root.iter("paletteEntry")
    ]
    assert entries == [(str(c.value), c.name, c.color.lower(), "255") for c in CLASSES]


def test_nothing_has_its_name_before_it_is_whole(tmp_path):
    raster = make_raster(tmp_path / "in.tif", np.ones((50, 50), np.uint8))
    (tmp_path / "map.tif").write_text("an earlier map")
    outputs = MapOutputs(tmp_path / "map.tif", tmp_path / "conf.tif")
    with open_raster(raster) as source, MapWriter(outputs, source, CLASSES) as writer:
        writer.write(Window(0, 0, 50, 9), MapBlock(*[np.zeros((9, 50), np.uint8)] * 2))
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "conf.tif.part",
            "in.tif",
            "map.tif",
            "map.tif.part",
        ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.tif", "map.tif"]
    assert (tmp_path / "map.tif").read_text() == "an earlier map"


def test_an_older_result_is_replaced_with_its_sidecars(tmp_path):
    write(tmp_path, confidence=True)
    (tmp_path / "conf.tif.aux.xml").write_text("<PAMDataset>statistics of the old one</PAMDataset>")
    (tmp_path / "map.tif.ovr").write_text("overviews of the old one")
    paths, classes = write(tmp_path, (100, 90), confidence=True)
    assert not (tmp_path / "conf.tif.aux.xml").exists()
    assert not (tmp_path / "map.tif.ovr").exists()
    with rasterio.open(paths["map"]) as file:
        np.testing.assert_array_equal(file.read(1), classes)


def test_a_failing_write_is_an_output_error_and_leaves_nothing(tmp_path, monkeypatch):
    raster = make_raster(tmp_path / "in.tif", np.ones((50, 50), np.uint8))

    class FullDisk:
        indexes = (1,)

        def __init__(self, file):
            self.file = file

        def write(self, *args, **kwargs):
            raise RasterioIOError("No space left on device")

        def close(self):
            self.file.close()
            raise RasterioIOError("No space left on device")

    with open_raster(raster) as source:
        writer = MapWriter(MapOutputs(tmp_path / "map.tif"), source, CLASSES)
        writer._files["map"] = FullDisk(writer._files["map"])
        with writer, pytest.raises(OutputError, match="No space left"):
            writer.write(Window(0, 0, 50, 50), MapBlock(np.zeros((50, 50), np.uint8)))
        writer = MapWriter(MapOutputs(tmp_path / "map.tif"), source, CLASSES)
        writer._files["map"] = FullDisk(writer._files["map"])
        with pytest.raises(OutputError, match="No space left"):
            writer.finalise()
    assert [p.name for p in tmp_path.iterdir()] == ["in.tif"]


@pytest.mark.parametrize("step", ["build_overviews", "join_images"])
def test_a_failing_cog_leaves_nothing(tmp_path, monkeypatch, step):
    def fail(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(f"nirlora.raster.cog.{step}", fail)
    with pytest.raises(OutputError, match="No space left"):
        write(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["in.tif"]


@pytest.mark.parametrize("after", [0, 3, 20])
def test_packing_can_be_stopped_at_any_tile_and_leaves_nothing(tmp_path, after):
    raster = make_raster(tmp_path / "in.tif", np.ones((2000, 3000), np.uint8))
    calls = iter(range(after, -1, -1))

    def tick():
        if next(calls) == 0:
            raise JobCancelled

    outputs = MapOutputs(tmp_path / "map.tif", tmp_path / "conf.tif")
    with open_raster(raster) as source, MapWriter(outputs, source, CLASSES) as writer:
        noise = np.random.default_rng(0).integers(0, 3, (2000, 3000)).astype(np.uint8)
        writer.write(Window(0, 0, 3000, 2000), MapBlock(noise, noise))
        with pytest.raises(JobCancelled):
            writer.pack(tick)
    assert [p.name for p in tmp_path.iterdir()] == ["in.tif"]


def test_bad_paths_are_refused_before_anything_is_created(tmp_path):
    raster = make_raster(tmp_path / "in.tif", np.ones((5, 5), np.uint8))
    (tmp_path / "there.tif").write_text("x")
    (tmp_path / "link.tif").symlink_to(raster)
    (tmp_path / "folder.tif").mkdir()
    before = sorted(tmp_path.iterdir())
    cases = [
        (MapOutputs(tmp_path / "no" / "map.tif"), "no folder"),
        (MapOutputs(raster), "input itself"),
        (MapOutputs(tmp_path / "link.tif"), "input itself"),
        (MapOutputs(tmp_path / "folder.tif"), "is a folder"),
        (MapOutputs(tmp_path / "there.tif", overwrite=False), "exists already"),
        (MapOutputs(tmp_path / "map.tif", tmp_path / "map.tif"), "same path"),
        (MapOutputs(tmp_path / "map.tif", raster), "input itself"),
    ]
    with open_raster(raster) as source:
        for outputs, message in cases:
            with pytest.raises(OutputError, match=message):
                MapWriter(outputs, source, CLASSES)
        with pytest.raises(OptionError, match="not a colour"):
            MapWriter(MapOutputs(tmp_path / "map.tif"), source, [ClassInfo(0, "a", "red")])
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_is_not_writable(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(OutputError, match="not writable"):
        check_output(tmp_path / "map.tif")


def test_a_crs_that_geotiff_cannot_hold_goes_into_the_sidecar(tmp_path):
    wkt = (
        'ENGCRS["field grid",EDATUM["corner post"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],'
        'LENGTHUNIT["metre",1]]'
    )
    raster = make_raster(tmp_path / "in.vrt.tif", np.ones((20, 20), np.uint8), crs=None)
    with open_raster(LayerRef(str(raster), crs=wkt)) as source:
        with MapWriter(MapOutputs(tmp_path / "map.tif"), source, CLASSES) as writer:
            paths = writer.finalise()
        with open_raster(paths["map"]) as result:
            assert result.crs == source.crs
            assert result.transform == source.transform
    assert "<SRS>" in (tmp_path / "map.tif.aux.xml").read_text()


def test_block_cache_follows_the_width_within_limits(tmp_path):
    mb = 2**20
    strips = make_raster(tmp_path / "in.tif", np.zeros((3, 600, 30_000), np.uint16), blockysize=4)
    with (
        open_raster(strips) as source,
        MapWriter(MapOutputs(tmp_path / "map.tif"), source, CLASSES) as writer,
    ):
        reading = 30_000 * 3 * 2 * (512 + 4)
        assert writer.cache_bytes(512) == reading + 30_000 * 1024
        assert writer.cache_bytes(512, readers=2) == 2 * reading + 30_000 * 1024
        assert writer.cache_bytes(512, readers=99) == 1024 * mb
    small = make_raster(tmp_path / "small.tif", np.ones((50, 50), np.uint8))
    with open_raster(small) as source, MapWriter(MapOutputs(tmp_path / "map.tif"), source, CLASSES) as writer:
        assert writer.cache_bytes(512) == 48 * mb
