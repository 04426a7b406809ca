"""Layers that are no local file, written to GeoTIFFs that hold exactly what QGIS shows."""

import http.server
import threading
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from qgis.core import QgsRasterLayer, QgsRasterRange, QgsRectangle
from rasters import read, scene, write_tiff
from test_layers import opened, virtual_uri

from nir_lora_plugin.errors import Cancelled, PluginError
from nir_lora_plugin.layers import layer_ref, prepare_export
from nir_lora_plugin.tasks import WorkTask


def run(job, report=lambda *_: None, is_cancelled=lambda: False):
    return job.run(report, is_cancelled)


def exported(layer, path, extent=None, resolution=0.0):
    job = prepare_export(layer, extent or layer.extent(), resolution, str(path))
    assert run(job).path == str(path)
    return read(path)


def memory_layer(tmp_path, **options):
    path = write_tiff(tmp_path / "source.tif", **options)
    gdal.FileFromMemBuffer("/vsimem/source.tif", Path(path).read_bytes())
    return opened("/vsimem/source.tif")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_a_memory_raster_is_copied_bit_for_bit(tmp_path, dtype):
    values = scene(bands=5, height=700, width=1100, dtype=dtype)
    names = ("blue", "green", "red", "rededge", "nir")
    layer = memory_layer(tmp_path, values=values, nodata=0, names=names)
    found, file = exported(layer, tmp_path / "out.tif")
    assert found.dtype == values.dtype
    assert np.array_equal(found, values)
    assert file.GetGeoTransform() == (500_000, 0.5, 0, 5_000_000, 0, -0.5)
    assert file.GetSpatialRef().GetAuthorityCode(None) == "32633"
    bands = [file.GetRasterBand(i) for i in range(1, 6)]
    assert [b.GetNoDataValue() for b in bands] == [0] * 5
    assert tuple(b.GetDescription() for b in bands) == names
    assert gdal.GCI_AlphaBand not in [b.GetColorInterpretation() for b in bands]
    assert layer_ref(QgsRasterLayer(str(tmp_path / "out.tif"))).path == str(tmp_path / "out.tif")


def test_a_part_lies_on_the_layers_own_pixels(tmp_path):
    values = scene()
    layer = memory_layer(tmp_path, values=values)
    part = QgsRectangle(500_010.2, 4_999_950.1, 500_030.0, 4_999_970.0)  # pixels 20..59, 60..99
    for name, resolution in (("own.tif", 0.0), ("rounded.tif", 0.50001)):
        found, file = exported(layer, tmp_path / name, part, resolution)
        assert np.array_equal(found, values[:, 60:100, 20:60])
        assert file.GetGeoTransform() == (500_010, 0.5, 0, 4_999_970, 0, -0.5)


def test_another_resolution_gives_square_pixels(tmp_path):
    layer = memory_layer(tmp_path, values=scene(), pixel=(0.5, 0.25))
    found, file = exported(
        layer, tmp_path / "out.tif", QgsRectangle(500_000, 4_999_960.3, 500_050, 5_000_000), 1.0
    )
    assert found.shape == (3, 40, 50)
    assert file.GetGeoTransform() == (500_000, 1, 0, 5_000_000, 0, -1)


def test_nodata_ranges_of_the_user_become_one_value(tmp_path):
    values = scene(bands=2)
    values[:, :50, :70] = 3
    values[:, 150:, 70:] = 5
    values[:, 60, :] = 0
    layer = memory_layer(tmp_path, values=values, nodata=0)
    for band in (1, 2):
        layer.dataProvider().setUserNoDataValue(band, [QgsRasterRange(2, 4), QgsRasterRange(5, 5)])
    found, file = exported(layer, tmp_path / "out.tif")
    nodata = file.GetRasterBand(1).GetNoDataValue()
    gone = np.isin(values, (0, 3, 5))
    assert np.array_equal(found == nodata, gone)
    assert np.array_equal(found[~gone], values[~gone])


def test_nodata_that_the_user_switched_off_is_data(tmp_path):
    values = scene()
    values[:, :20] = 0
    layer = memory_layer(tmp_path, values=values, nodata=0)
    for band in (1, 2, 3):
        layer.dataProvider().setUseSourceNoDataValue(band, False)
    found, file = exported(layer, tmp_path / "out.tif")
    assert file.GetRasterBand(1).GetNoDataValue() is None
    assert np.array_equal(found, values)


def test_a_virtual_raster_is_what_it_computes(tmp_path):
    values = scene()
    field = opened(write_tiff(tmp_path / "field.tif", values))
    found, _ = exported(opened(virtual_uri(field), "virtualraster"), tmp_path / "out.tif")
    assert np.array_equal(found[0], 2.0 * values[0])


@pytest.fixture
def tiles(tmp_path):
    """A web map of one zoom level, 4 x 4 tiles, on disk; and its picture ``(4, 1024, 1024)``."""
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 256, (3, 1024, 1024)).astype(np.uint8)
    for x in range(4):
        for y in range(4):
            file = gdal.GetDriverByName("MEM").Create("", 256, 256, 3)
            file.WriteArray(picture[:, 256 * y : 256 * (y + 1), 256 * x : 256 * (x + 1)])
            folder = tmp_path / "2" / str(x)
            folder.mkdir(parents=True, exist_ok=True)
            gdal.GetDriverByName("PNG").CreateCopy(str(folder / f"{y}.png"), file)
    uri = f"type=xyz&url=file://{tmp_path}/%7Bz%7D/%7Bx%7D/%7By%7D.png&zmin=2&zmax=2"
    return opened(uri, "wms"), picture


HALF = 20037508.342789244


def test_a_web_map_is_written_as_it_is_drawn(tmp_path, tiles, qtbot):
    """In a background task, as the plugin does it; one tile pixel is one pixel of the copy."""
    layer, picture = tiles
    pixel = 2 * HALF / 1024
    part = QgsRectangle(-HALF + 100 * pixel, HALF - 800 * pixel, -HALF + 900 * pixel, HALF - 200 * pixel)
    job = prepare_export(layer, part, pixel, str(tmp_path / "map.tif"))
    assert (job.grid.columns, job.grid.rows) == (800, 600)
    done, fractions, threads = [], [], []
    task = WorkTask(
        "export", lambda report, stop: (threads.append(threading.get_ident()), job.run(report, stop))[1]
    )
    task.done.connect(done.append)
    task.reported.connect(lambda fraction, _: fractions.append(fraction))
    task.start()
    qtbot.waitUntil(lambda: bool(done), timeout=60_000)
    assert threads[0] != threading.get_ident()
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    found, file = read(done[0].path)
    assert found.shape == (4, 600, 800)
    assert (found[3] == 255).all()
    assert np.abs(found[:3].astype(int) - picture[:, 200:800, 100:900]).max() <= 1
    meanings = [file.GetRasterBand(i).GetColorInterpretation() for i in range(1, 5)]
    assert meanings == [gdal.GCI_RedBand, gdal.GCI_GreenBand, gdal.GCI_BlueBand, gdal.GCI_AlphaBand]
    across, down = file.GetGeoTransform()[1], -file.GetGeoTransform()[5]
    assert across == pytest.approx(down, rel=1e-12)


def test_a_web_map_needs_a_pixel_size(tmp_path, tiles):
    with pytest.raises(PluginError, match="pixel size"):
        prepare_export(tiles[0], tiles[0].extent(), 0.0, str(tmp_path / "x.tif"))


def test_a_web_map_that_gives_nothing_is_an_error(tmp_path):
    layer = opened("type=xyz&url=file:///nowhere/%7Bz%7D/%7Bx%7D/%7By%7D.png&zmin=0&zmax=2", "wms")
    job = prepare_export(layer, QgsRectangle(0, 0, 256e3, 256e3), 1000.0, str(tmp_path / "x.tif"))
    with pytest.raises(PluginError, match="transparent"):
        run(job)
    assert not list(tmp_path.glob("x.tif*"))


def test_cancelling_leaves_the_old_file(tmp_path):
    layer = memory_layer(tmp_path, values=scene(height=1500, width=1500))
    (tmp_path / "out.tif").write_text("old")
    job = prepare_export(layer, layer.extent(), 0.0, str(tmp_path / "out.tif"))
    fractions = []
    with pytest.raises(Cancelled):
        run(job, lambda fraction, *_: fractions.append(fraction), lambda: len(fractions) >= 2)
    assert len(fractions) == 2
    assert (tmp_path / "out.tif").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.tif", "source.tif"]


def test_cancelling_does_not_wait_for_a_server(tmp_path, qtbot):
    """A server that has taken the request and gives no answer."""
    asked, answer = threading.Event(), threading.Event()

    class Silent(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.set()
            answer.wait(120)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    url = f"http://127.0.0.1:{server.server_port}/%7Bz%7D/%7Bx%7D/%7By%7D.png"
    layer = opened(f"type=xyz&url={url}&zmin=0&zmax=2", "wms")
    job = prepare_export(layer, QgsRectangle(0, 0, 256e3, 256e3), 1000.0, str(tmp_path / "x.tif"))
    ended = []
    task = WorkTask("export", job.run)
    task.failed.connect(ended.append)
    task.start()
    try:
        qtbot.waitUntil(asked.is_set, timeout=60_000)
        task.cancel()
        qtbot.waitUntil(lambda: bool(ended), timeout=60_000)
        assert not answer.is_set()
    finally:
        answer.set()
        server.shutdown()
        server.server_close()
    assert ended[0].code == "cancelled"
    assert not list(tmp_path.glob("x.tif*"))


def test_mistakes_say_what_to_do(tmp_path):
    layer = memory_layer(tmp_path, values=scene())
    with pytest.raises(PluginError, match="outside"):
        prepare_export(layer, QgsRectangle(0, 0, 10, 10), 0.0, str(tmp_path / "x.tif"))
    with pytest.raises(PluginError, match="could not be written"):
        run(prepare_export(layer, layer.extent(), 0.0, str(tmp_path / "no" / "x.tif")))
    own = opened(tmp_path / "source.tif")
    with pytest.raises(PluginError, match="own file"):
        prepare_export(own, own.extent(), 0.0, str(tmp_path / "source.tif"))
