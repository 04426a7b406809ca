"""The whole way from raster to map: right pixels, right counts, and nothing left behind when it stops."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

from data.make_data import make_raster
from nirlora.bands import ChannelReader, fit_transform
from nirlora.errors import DeviceError, JobCancelled, OptionError, OutputError, RasterError
from nirlora.inference.devices import resolve_device, try_device
from nirlora.inference.options import PredictOptions
from nirlora.inference.predict import predict_map
from nirlora.inference.torch_engine import TorchEngine
from nirlora.protocol import ClassInfo
from nirlora.raster.grid import Window
from nirlora.raster.resample import resample
from nirlora.raster.source import open_raster
from nirlora.raster.writer import MapOutputs, MapWriter

CLASSES = (ClassInfo(0, "crop", "#00ff00"), ClassInfo(1, "weed", "#ff0000"), ClassInfo(2, "soil", "#aa7700"))


class Reader:
    """Band 1 as 0..1 model input."""

    def __init__(self, source):
        self.source = source
        self.closed = []

    def read(self, window, out_px=None):
        data, valid = self.source.read(window, [1])
        data, seen = resample(data, valid, out_px or window.shape)
        x = data.astype(np.float32) / 1000
        x[:, ~seen] = 0
        return x, valid

    def reopen(self):
        return type(self)(self.source.reopen())

    def close(self):
        self.source.close()


class Bands(nn.Module):
    """Class by value: below 0.3, to 0.6, above. Pixelwise, so that every tiling must agree."""

    calls = 0
    tiles = 0

    def forward(self, x):
        self.calls += 1
        self.tiles += len(x)
        return torch.cat([-(x - 0.15).abs(), -(x - 0.45).abs(), -(x - 0.8).abs()], 1) * 20


def oracle(data):
    x = data.astype(np.float32) / 1000
    return np.argmin([abs(x - 0.15), abs(x - 0.45), abs(x - 0.8)], axis=0).astype(np.uint8)


def field(shape=(150, 200), seed=0):
    """Smooth blobs of 1..999."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[0 : shape[0], 0 : shape[1]]
    waves = sum(np.sin(rows * a + cols * b) for a, b in rng.uniform(0.01, 0.2, (4, 2)))
    return (500 + 124 * waves).clip(1, 999).astype(np.uint16)


def run(tmp_path, data, model=None, *, options=None, batch=2, progress=None, reader=Reader, **raster):
    path = make_raster(tmp_path / "in.tif", data, **{"nodata": 0, "rotation": 12.0, "pixel": 0.1} | raster)
    (tmp_path / "out").mkdir(exist_ok=True)
    engine = TorchEngine(Bands() if model is None else model, 3, "cpu", batch)
    outputs = MapOutputs(tmp_path / "out" / "map.tif", tmp_path / "out" / "conf.tif")
    with open_raster(path) as source, MapWriter(outputs, source, CLASSES) as writer:
        options = options or PredictOptions(64, 16, patch_px=16)
        stats = predict_map(reader(source), engine, writer, options, progress)
        paths = writer.finalise()
        with open_raster(paths["map"]) as result, open_raster(paths["confidence"]) as sure:
            assert result.transform == source.transform
            return stats, result.read(result.window, [1])[0][0], sure.read(sure.window, [1])[0][0]


@pytest.mark.parametrize("shape", [(150, 200), (40, 30), (1, 90), (90, 1), (1, 1), (64, 64), (65, 64)])
def test_every_pixel_is_where_it_belongs_and_counted_once(tmp_path, shape):
    data = field(shape)
    if shape == (150, 200):
        data[:100, :110] = 0
    expected = np.where(data == 0, 255, oracle(data))
    options = PredictOptions(
        64, 16, patch_px=16, pixel_area_m2=lambda w: np.arange(w.row_off, w.row_off + w.height) + 1.0
    )
    stats, classes, sure = run(tmp_path, data, options=options)
    np.testing.assert_array_equal(classes, expected)
    assert stats.pixels == tuple(int((expected == v).sum()) for v in range(3))
    assert stats.valid_pixels == (data != 0).sum()
    areas = [((expected == v) * (np.arange(shape[0]) + 1.0)[:, None]).sum() for v in range(3)]
    assert stats.area_m2 == pytest.approx(areas)
    np.testing.assert_array_equal(sure == 255, data == 0)
    assert sure[data != 0].max() <= 100
    assert sure[data != 0].min() >= 34


def test_empty_tiles_are_not_predicted(tmp_path):
    data = field()
    data[:, :110] = 0
    model = Bands()
    stats, classes, _ = run(tmp_path, data, model)
    assert stats.tiles == 12
    assert stats.skipped_tiles == 6
    assert model.tiles == 6
    assert (classes[:, :110] == 255).all()
    stats, classes, _ = run(tmp_path, np.zeros((100, 100), np.uint16), model)
    assert (stats.valid_pixels, model.tiles) == (0, 6)
    assert (classes == 255).all()


def test_a_constant_raster_gives_a_constant_map(tmp_path):
    torch.manual_seed(0)
    model = nn.Conv2d(1, 3, 1)
    _, classes, sure = run(tmp_path, np.full((300, 310), 400, np.uint16), model)
    assert len(np.unique(classes)) == 1
    assert len(np.unique(sure)) == 1


@pytest.mark.parametrize("tile", [48, 64, 96])
def test_other_tile_grids_agree_away_from_the_borders_of_the_raster(tmp_path, tile):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 5, padding=2), nn.GELU(), nn.Conv2d(8, 3, 5, padding=2))
    data = field((220, 230))
    whole, reference, _ = run(tmp_path, data, model, options=PredictOptions(256, 0, patch_px=16))
    assert whole.tiles == 1
    _, classes, _ = run(tmp_path, data, model, options=PredictOptions(tile, 16, patch_px=16))
    assert (classes != reference)[8:-8, 8:-8].mean() < 0.01


@pytest.mark.parametrize(("zoom", "batch"), [(2.0, 3), (1.5, 1), (0.5, 2)])
def test_zoom_gives_the_model_more_pixels_and_the_map_its_own(tmp_path, zoom, batch):
    seen = set()

    class Model(Bands):
        def forward(self, x):
            seen.add(tuple(x.shape[-2:]))
            return super().forward(x)

    data = field((150, 200))
    data[20:60, 30:60] = 0
    _, classes, _ = run(tmp_path, data, Model(), batch=batch, options=PredictOptions(64, 16, zoom, 16))
    assert len(seen) == 1
    assert {n % 16 for size in seen for n in size} == {0}
    assert seen == {{2.0: (128, 128), 1.5: (96, 96), 0.5: (32, 32)}[zoom]}
    valid = data != 0
    np.testing.assert_array_equal(classes != 255, valid)
    assert (classes[valid] == oracle(data)[valid]).mean() > 0.9


@pytest.mark.parametrize("zoom", [0.5, 0.3, 0.25, 1 / 16])
def test_a_model_that_looks_from_afar_loses_no_pixel_beside_nodata(tmp_path, zoom):
    """One model pixel covers many raster pixels here, and nearly each of those has a hole beside it."""
    data = field()
    data[np.random.default_rng(0).random(data.shape) < 0.3] = 0
    stats, classes, _ = run(
        tmp_path,
        data,
        reader=lambda source: ChannelReader(source, fit_transform([source], "1")),
        options=PredictOptions(64, 16, zoom),
    )
    np.testing.assert_array_equal(classes != 255, data != 0)
    assert stats.valid_pixels == (data != 0).sum()


class HalfArea:
    """Left of column 100."""

    window = Window(0, 0, 100, 150)

    def touches(self, window):
        return window.col_off < 100

    def mask(self, window):
        return np.broadcast_to(np.arange(window.col_off, window.col_off + window.width) < 100, window.shape)


def test_outside_the_area_of_interest_is_nodata(tmp_path):
    data = field()
    options = PredictOptions(64, 16, patch_px=16, aoi=HalfArea())
    stats, classes, _ = run(tmp_path, data, options=options)
    expected = oracle(data)
    expected[:, 100:] = 255
    np.testing.assert_array_equal(classes, expected)
    assert stats.tiles == 3 * 3  # of 3 x 4
    assert stats.valid_pixels == 150 * 100


def test_one_logit_is_a_positive_class(tmp_path):
    class Single(nn.Module):
        def forward(self, x):
            return (x - 0.5) * 10

    data = field()
    path = make_raster(tmp_path / "in.tif", data)
    engine = TorchEngine(Single(), 1, "cpu")
    outputs = MapOutputs(tmp_path / "map.tif", probabilities=tmp_path / "p.tif")
    with open_raster(path) as source, MapWriter(outputs, source, CLASSES[:2]) as writer:
        stats = predict_map(Reader(source), engine, writer, PredictOptions(64, 16))
        paths = writer.finalise()
    with open_raster(paths["map"]) as result:
        np.testing.assert_array_equal(result.read(result.window, [1])[0][0], data > 500)
    with open_raster(paths["probabilities"]) as result:
        percent = result.read(result.window, [2])[0][0]
    np.testing.assert_allclose(percent, 100 / (1 + np.exp(-(data / 1000 - 0.5) * 10)), atol=0.51)
    assert stats.pixels == ((data <= 500).sum(), (data > 500).sum())


def test_progress_rises_to_one_with_speed_and_time_left(tmp_path):
    seen = []
    run(tmp_path, field(), progress=seen.append)
    fractions = [p.fraction for p in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert all(p.metrics["px_per_s"] > 0 and p.eta_s >= 0 for p in seen)
    assert seen[-1].eta_s == 0


def clean(tmp_path):
    names = {t.name for t in threading.enumerate()}
    assert not any(n.startswith(("read", "write")) for n in names)
    return sorted(p.name for p in (tmp_path / "out").iterdir()) == []


def test_cancelling_leaves_no_file_and_no_thread(tmp_path):
    model = Bands()

    def stop(progress):
        if progress.fraction > 0.3:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        run(tmp_path, field(), model, progress=stop)
    assert model.tiles < 12
    assert clean(tmp_path)


def test_a_failing_reader_surfaces(tmp_path):
    class Broken(Reader):
        def read(self, window, out_px=None):
            if window.row_off > 0:
                raise RasterError("the disk is gone")
            return super().read(window, out_px)

    with pytest.raises(RasterError, match="the disk is gone"):
        run(tmp_path, field(), reader=Broken)
    assert clean(tmp_path)


@pytest.mark.parametrize("at", ["first", "last"])
def test_a_failing_writer_surfaces(tmp_path, monkeypatch, at):
    done = []
    write = MapWriter.write

    def fail(self, window, block):
        done.append(window)
        if at == "first" or len(done) == 12:
            raise OutputError("the disk is full")
        write(self, window, block)

    monkeypatch.setattr(MapWriter, "write", fail)
    model = Bands()
    with pytest.raises(OutputError, match="the disk is full"):
        run(tmp_path, field(), model, batch=1)
    assert clean(tmp_path)


def test_a_failing_model_surfaces(tmp_path):
    class Broken(nn.Module):
        def forward(self, x):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(tmp_path, field(), Broken())
    assert clean(tmp_path)


def test_handles_of_the_reader_are_closed(tmp_path):
    opened = []

    class Counting(Reader):
        def reopen(self):
            opened.append(super().reopen())
            return opened[-1]

    run(tmp_path, field(), reader=Counting, options=PredictOptions(64, 16, patch_px=16, readers=3))
    assert len(opened) == 3
    assert all(r.source._file.closed for r in opened)


def test_many_readers_keep_the_order(tmp_path):
    data = field()
    _, classes, _ = run(tmp_path, data, options=PredictOptions(32, 8, patch_px=16, readers=4), batch=5)
    np.testing.assert_array_equal(classes, oracle(data))


def test_reading_and_writing_go_on_while_the_model_works(tmp_path, monkeypatch):
    read_ahead, writing, predicted_meanwhile = threading.Event(), threading.Event(), threading.Event()
    windows = []

    class Ahead(Reader):
        def read(self, window, out_px=None):
            windows.append(window)
            if len(windows) > 1:
                read_ahead.set()
            return super().read(window, out_px)

    class Model(Bands):
        def forward(self, x):
            assert read_ahead.wait(30)  # the second tile, while the first one is being predicted
            if writing.is_set():
                predicted_meanwhile.set()
            return super().forward(x)

    write = MapWriter.write

    def slow(self, window, block):
        writing.set()
        assert predicted_meanwhile.wait(30)
        write(self, window, block)

    monkeypatch.setattr(MapWriter, "write", slow)
    data = field()
    _, classes, _ = run(tmp_path, data, Model(), batch=1, reader=Ahead)
    np.testing.assert_array_equal(classes, oracle(data))


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")]
)
def test_out_of_memory_halves_the_batch_and_says_so(tmp_path, error):
    class Small(Bands):
        def forward(self, x):
            if len(x) > 2:
                raise error
            return super().forward(x)

    data = field()
    stats, classes, _ = run(tmp_path, data, Small(), batch=8)
    np.testing.assert_array_equal(classes, oracle(data))
    assert [w.split("out of memory with ")[1] for w in stats.warnings] == [
        "8 tiles at once; went on with 4.",
        "4 tiles at once; went on with 2.",
    ]


def test_one_tile_too_many_is_a_device_error(tmp_path):
    class Never(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError

    with pytest.raises(DeviceError, match="does not fit"):
        run(tmp_path, field(), Never())
    assert clean(tmp_path)


@pytest.mark.parametrize(("tile", "overlap"), [(0, 0), (64, 64), (64, -1)])
def test_impossible_tiles_are_refused(tmp_path, tile, overlap):
    with pytest.raises(OptionError, match="overlap"):
        run(tmp_path, field(), options=PredictOptions(tile, overlap))
    assert clean(tmp_path)


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    assert try_device(torch.device("cpu")) == ""
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(OptionError, match="no device"):
        resolve_device("tpu")
    with pytest.raises(DeviceError, match="does not work"):
        resolve_device("cuda:77")


def test_a_merged_segmenter_predicts_what_the_unmerged_one_did():
    from nirlora.models.config import ModelConfig
    from nirlora.models.segmenter import build_segmenter

    config = ModelConfig(backbone="vit-demo", pretrained=False, num_classes=3)
    model = build_segmenter(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
        x = torch.randn(3, 1, 64, 64)
        expected = model.eval()(x)
    engine = TorchEngine(model, 3, "cpu", 2)
    assert model.merged
    torch.testing.assert_close(engine.predict(x, (64, 64)), expected, atol=1e-3, rtol=1e-3)
