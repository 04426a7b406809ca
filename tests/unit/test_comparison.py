"""Parts of a comparison: what is compared, its records, rows and pictures."""

from __future__ import annotations

import json
import math
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nirlora.adapters import ADAPTERS
from nirlora.comparison.plot import draw, write_plot
from nirlora.comparison.records import append_record, read_records, revision, run_key
from nirlora.comparison.stamps import stamp_files
from nirlora.comparison.table import clock_words, make_row, markdown
from nirlora.comparison.variants import choose, variant
from nirlora.comparison.worker import StepClock
from nirlora.errors import InputError, OptionError
from nirlora.protocol import EvaluateRequest, LayerRef, TrainRequest
from nirlora.training.run import DEFAULT_BACKBONE


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


def stamped(labels="", backbone="", test_labels=""):
    """Names of the stamped files; the raster is missing on purpose."""
    train = TrainRequest(layers=(LayerRef("no.tif", str(labels)),), backbone=str(backbone))
    tests = (EvaluateRequest(layer=LayerRef("t.tif", str(test_labels)), model=""),) if test_labels else ()
    return [Path(stamp[0]).name for stamp in stamp_files(train, tests) if len(stamp) == 3]


def test_no_labels_are_not_the_folder_at_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train = TrainRequest(layers=(LayerRef("a.tif"),))
    test = EvaluateRequest(layer=LayerRef("t.tif"), model="")
    key = run_key(train, (test,))
    (tmp_path / "notes.txt").write_text("made meanwhile")
    assert run_key(train, (test,)) == key


def test_the_key_follows_labels_found_beside_the_raster(tmp_path):
    (tmp_path / "a.gpkg").write_bytes(b"1")
    train = TrainRequest(layers=(LayerRef(str(tmp_path / "a.tif")),))
    key = run_key(train, ())
    (tmp_path / "a.gpkg").write_bytes(b"12")
    edited = run_key(train, ())
    (tmp_path / "a_training.gpkg").write_bytes(b"12")  # comes before the other
    assert len({key, edited, run_key(train, ())}) == 3


def test_labels_in_parts_are_stamped_whole(tmp_path):
    packaged = f"{DEFAULT_BACKBONE}.nirlora-backbone"
    for name in ("a.gpkg", "b.shp", "b.dbf", "b.shx", "b.prj"):
        (tmp_path / name).write_bytes(b"1")
    layer = f"{tmp_path / 'a.gpkg'}|layername=fields"
    assert stamped(layer) == ["a.gpkg", packaged]
    log = tmp_path / "a.gpkg-wal"
    log.touch()  # opened elsewhere, nothing changed yet
    assert stamped(layer) == ["a.gpkg", packaged]
    log.write_bytes(b"1")
    assert stamped(layer) == ["a.gpkg", "a.gpkg-wal", packaged]
    assert stamped(layer, test_labels=tmp_path / "b.shp") == [
        "a.gpkg",
        "a.gpkg-wal",
        "b.shp",
        "b.dbf",
        "b.prj",
        packaged,
    ]


def test_weights_of_the_users_are_stamped(tmp_path):
    weights, folder = tmp_path / "w.safetensors", tmp_path / "weights"
    weights.write_bytes(b"1")
    folder.mkdir()
    for name in ("encoder.pt", "config.json"):
        (folder / name).write_bytes(b"1")
    assert stamped(backbone=f"vit-tiny={weights}") == ["w.safetensors"]
    assert stamped(backbone=f"galileo-nano:p8={folder}") == ["config.json", "encoder.pt"]
    assert stamped(backbone=folder) == ["config.json", "encoder.pt"]


def git(folder, *words):
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def test_the_revision_is_that_of_the_package_itself(tmp_path):
    package, installed = tmp_path / "nirlora", tmp_path / ".venv" / "nirlora"
    for folder in (package, installed):
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
    git(tmp_path, "init")
    git(tmp_path, "add", "nirlora")
    git(tmp_path, "commit", "-m", "first")
    commit = revision(package)
    assert len(commit) == 12
    assert revision(installed) == ""  # in the checkout, but no part of it
    assert revision(tmp_path / "nowhere") == ""
    (package / "new.py").write_text("")
    assert revision(package) == f"{commit}+"
    git(tmp_path, "add", "nirlora")
    git(tmp_path, "commit", "-m", "second")
    (package / "__init__.py").write_text("changed = True")
    assert revision(package).endswith("+")
    assert revision(package)[:12] not in (commit, "")


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
    assert [clock_words(d) for d in ("cpu", "cuda:0 (NVIDIA)")] == ["processor s a step", "s a step"]


def test_a_run_without_steps_to_time_is_left_out_of_the_median(tmp_path):
    untimed = record(0.5, processor_seconds_per_step=None)
    assert make_row("a", [untimed, record(0.5), untimed]).seconds_per_step == 1.0
    rows = [make_row("a", [untimed]), make_row("b", [record(0.25)])]
    assert rows[0].seconds_per_step is None
    assert (
        markdown(rows, "s a step").splitlines()[2]
        == "| a | 0.500 ± 0.000 (1) | 20.00 | 100 | - | 500 | 3.00 |"
    )
    assert [text.get_text() for text in draw(rows, "title", "s a step").axes[2].texts] == ["1", ""]


def test_the_table_has_the_best_first_and_says_what_was_not_scored():
    rows = [make_row("a", [record(0.5)]), make_row("b", [record(None)]), make_row("c", [record(0.75)])]
    lines = markdown(rows, "processor s a step").splitlines()
    assert "| processor s a step |" in lines[0]
    assert lines[2:] == [
        "| c | 0.750 ± 0.000 (1) | 20.00 | 100 | 1.000 | 500 | 3.00 |",
        "| a | 0.500 ± 0.000 (1) | 20.00 | 100 | 1.000 | 500 | 3.00 |",
        "| b | not scored | 20.00 | 100 | 1.000 | 500 | 3.00 |",
    ]


def test_the_plot_shows_every_adapter_and_every_seed(tmp_path):
    rows = [make_row("a", [record(0.5), record(0.6)]), make_row("b", [record(None)])]
    figure = draw(rows, "title", "processor s a step")
    scores = figure.axes[0]
    assert [t.get_text() for t in scores.get_yticklabels()] == ["b", "a"]
    assert sorted(scores.lines[1].get_xdata()) == [0.5, 0.6]
    assert len(figure.axes) == 5
    assert figure.axes[2].get_xlabel() == "processor s a step"
    write_plot(tmp_path / "plot.png", rows, "title", "s a step")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"
    assert [p.name for p in tmp_path.iterdir()] == ["plot.png"]


def test_the_plot_writes_every_value_beside_its_bar_and_does_not_need_all():
    rows = [make_row("a", [record(0.5)]), replace(make_row("b", [record(0.25)]), peak_memory_mb=float("nan"))]
    rows[0] = replace(rows[0], trainable_share=1.0, seconds_per_step=12345.0, peak_memory_mb=0.25)
    panels = draw(rows, "title", "s a step").axes[1:]
    written = [[text.get_text() for text in panel.texts] for panel in panels]
    assert written == [["20", "100"], ["1", "12,345"], ["", "0.25"], ["3", "3"]]


def test_the_clock_is_the_median_of_the_gaps(monkeypatch):
    wall, processor = iter([0.0, 1.0, 2.0, 50.0]), iter([0.0, 0.5, 1.5, 2.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(wall))
    monkeypatch.setattr("time.process_time", lambda: next(processor))
    clock = StepClock(torch.device("cpu"))
    assert clock.medians() == (None, None)
    clock.tick()
    assert clock.medians() == (None, None)
    for _ in range(3):
        clock.tick()
    assert clock.medians() == (1.0, 1.0)


def test_the_clock_waits_for_a_gpu_and_not_for_a_processor(monkeypatch):
    waited = []
    monkeypatch.setattr("torch.cuda.synchronize", waited.append)
    StepClock(torch.device("cpu")).tick()
    assert waited == []
    StepClock(torch.device("cuda", 1)).tick()
    assert waited == [torch.device("cuda", 1)]
