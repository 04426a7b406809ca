"""Parts of a comparison: what is compared, its records, rows and pictures."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from nirlora.adapters import ADAPTERS
from nirlora.comparison.plot import draw, write_plot
from nirlora.comparison.records import append_record, read_records, run_key
from nirlora.comparison.table import make_row, markdown
from nirlora.comparison.variants import choose, variant
from nirlora.comparison.worker import StepClock
from nirlora.errors import InputError, OptionError
from nirlora.protocol import EvaluateRequest, LayerRef, TrainRequest


def labels(words, family="vit"):
    return [v.label for v in choose(words, family)[0]]


def test_all_are_those_that_fit_and_the_others_are_said():
    assert labels(["all"]) == [spec.name for spec in ADAPTERS]
    chosen, notes = choose(["all"], "swin")
    assert {"vpt-shallow", "ivpt"} == {s.name for s in ADAPTERS} - {v.label for v in chosen}
    assert sorted(notes) == [
        "ivpt was left out: it does not fit swin backbones.",
        "vpt-shallow was left out: it does not fit swin backbones.",
    ]


def test_the_ablation_has_both_connections_with_one_two_and_three_scales():
    chosen, _ = choose(["mufa-ablation"], "vit")
    assert [(v.adapter, v.options["placement"], v.options["rates"]) for v in chosen] == [
        ("mufa", placement, rates)
        for placement in ("serial", "parallel")
        for rates in ("8", "8,16", "8,16,32")
    ]


def test_options_of_a_variant():
    chosen = variant("mufa:rates=8,16,placement=serial,blocks=last:2")
    assert chosen.adapter == "mufa"
    assert chosen.options == {"rates": "8,16", "placement": "serial"}
    assert chosen.common.blocks == "last:2"
    low = variant("lora:rank=8,alpha=2")
    assert (low.common.rank, low.common.alpha, low.options) == (8, 2.0, {})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dora"], "no adapter 'dora'"),
        (["mufa:rate=8"], "Adapter mufa has no option 'rate'"),
        (["mufa:8,16"], "'mufa:8,16' cannot be read: '8' is no option=value"),
        (["lora:rank=x"], "rank and alpha are numbers"),
        (["lora", "all"], "lora is asked for twice"),
        ([], "nothing to compare"),
    ],
)
def test_refused_words(words, message):
    with pytest.raises(OptionError, match=message) as caught:
        choose(words, "vit")
    assert caught.value.hint


def test_an_adapter_that_does_not_fit_is_refused_by_name():
    with pytest.raises(OptionError, match=r"Adapter ivpt does not fit this backbone: .* not for swin"):
        choose(["ivpt"], "swin")


def test_the_key_follows_settings_and_files(tmp_path):
    raster = tmp_path / "a.tif"
    raster.write_bytes(b"1")
    train = TrainRequest(layers=(LayerRef(str(raster)),), out="x")
    key = run_key(train, ())
    assert run_key(TrainRequest(layers=train.layers, out="y", resume=True), ()) == key
    assert run_key(TrainRequest(layers=train.layers, seed=1), ()) != key
    test = EvaluateRequest(layer=LayerRef("t.tif", "t.gpkg"), model="m")
    assert run_key(train, (test,)) != key
    raster.write_bytes(b"12")
    assert run_key(train, ()) != key


def test_records_survive_a_line_that_was_cut_short(tmp_path):
    path = tmp_path / "records.jsonl"
    append_record(path, {"key": "a", "value": math.nan})
    append_record(path, {"key": "b"})
    with path.open("a") as file:
        file.write('{"key": "c", "val')
    assert [r["key"] for r in read_records(path)] == ["a", "b"]
    append_record(path, {"key": "d"})
    assert [r["key"] for r in read_records(path)] == ["a", "b", "d"]
    assert json.loads(path.read_text().splitlines()[0]) == {"key": "a", "value": None}


def test_a_file_that_holds_no_records_is_left_alone(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text("my notes\nof today\n")
    with pytest.raises(InputError, match=r"Line 1 of .* is no record"):
        read_records(path)
    assert path.read_text() == "my notes\nof today\n"


def record(miou, **changes):
    base = {
        "metrics": {"miou": miou},
        "adapter_parameters": 100,
        "trainable_parameters": 200,
        "total_parameters": 1000,
        "seconds_per_step": 2.0,
        "processor_seconds_per_step": 1.0,
        "peak_memory_mb": 500.0,
        "file_bytes": 3_000_000,
        "device": "cpu",
    }
    return base | changes


def test_a_row_is_mean_and_deviation_over_the_seeds():
    row = make_row(
        "lora",
        [record(0.5), record(0.7, processor_seconds_per_step=3.0, peak_memory_mb=600.0), record(0.6)],
    )
    assert row.miou == (0.5, 0.7, 0.6)
    assert row.miou_mean == pytest.approx(0.6)
    assert row.miou_std == pytest.approx(math.sqrt(0.02 / 3))
    assert (row.trainable_share, row.adapter_parameters, row.file_bytes) == (0.2, 100, 3_000_000)
    assert (row.seconds_per_step, row.peak_memory_mb) == (1.0, 600.0)
    assert make_row("lora", [record(0.5, device="NVIDIA (cuda:0)")]).seconds_per_step == 2.0


def test_the_table_has_the_best_first_and_says_what_was_not_scored():
    rows = [make_row("a", [record(0.5)]), make_row("b", [record(None)]), make_row("c", [record(0.75)])]
    lines = markdown(rows).splitlines()
    assert lines[2:] == [
        "| c | 0.750 ± 0.000 (1) | 20.00 | 100 | 1.000 | 500 | 3.00 |",
        "| a | 0.500 ± 0.000 (1) | 20.00 | 100 | 1.000 | 500 | 3.00 |",
        "| b | not scored | 20.00 | 100 | 1.000 | 500 | 3.00 |",
    ]


def test_the_plot_shows_every_adapter_and_every_seed(tmp_path):
    rows = [make_row("a", [record(0.5), record(0.6)]), make_row("b", [record(None)])]
    figure = draw(rows, "title")
    scores = figure.axes[0]
    assert [t.get_text() for t in scores.get_yticklabels()] == ["b", "a"]
    assert sorted(scores.lines[1].get_xdata()) == [0.5, 0.6]
    assert len(figure.axes) == 5
    write_plot(tmp_path / "plot.png", rows, "title")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"
    assert [p.name for p in tmp_path.iterdir()] == ["plot.png"]


def test_the_plot_writes_every_value_beside_its_bar_and_does_not_need_all():
    rows = [make_row("a", [record(0.5)]), replace(make_row("b", [record(0.25)]), peak_memory_mb=float("nan"))]
    rows[0] = replace(rows[0], trainable_share=1.0, seconds_per_step=12345.0, peak_memory_mb=0.25)
    panels = draw(rows, "title").axes[1:]
    written = [[text.get_text() for text in panel.texts] for panel in panels]
    assert written == [["20", "100"], ["1", "12,345"], ["", "0.25"], ["3", "3"]]


def test_the_clock_is_the_median_of_the_gaps(monkeypatch):
    wall, processor = iter([0.0, 1.0, 2.0, 50.0]), iter([0.0, 0.5, 1.5, 2.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(wall))
    monkeypatch.setattr("time.process_time", lambda: next(processor))
    clock = StepClock()
    assert clock.medians() == (0.0, 0.0)
    for _ in range(4):
        clock.tick()
    assert clock.medians() == (1.0, 1.0)
