"""The cards below the steps, on PyQt6 and without QGIS: what is ticked, what is missing, what is shown."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest

from nirlora.self_training.options import STABILISERS
from qt6_shim import qgis_over_qt6

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 is not installed (pip install -e .[dev])")

HERE = {"backend": True, "layer": "field", "inspected": True}
DRAWN = {"training_layer": True, "counts": (("crop", 3), ("soil", 1))}


@pytest.fixture(scope="module")
def ui():
    with qgis_over_qt6():
        names = ("raster_list", "carry_panel", "adapt_panel", "job_view", "train_panel", "estimate")
        parts = {name: importlib.import_module(f"nir_lora_plugin.ui.{name}") for name in names}
        readiness = importlib.import_module("nir_lora_plugin.flow.readiness")
        protocol = importlib.import_module("nir_lora_plugin.protocol")
        yield SimpleNamespace(**parts, readiness=readiness, protocol=protocol)


@pytest.fixture
def rasters(ui):
    return ui.raster_list.RasterList("none")


def tick(rasters, place, ticked):
    item = rasters.list.item(place)
    item.setCheckState(type(item.checkState()).Checked if ticked else type(item.checkState()).Unchecked)


def test_ticks_follow_the_rows_until_the_user_ticks(ui, rasters):
    row = ui.raster_list.RasterRow
    rasters.show_rows([row("1", "a", chosen=True), row("2", "b")])
    assert rasters.chosen() == ["1"]
    rasters.show_rows([row("1", "a"), row("2", "b", chosen=True)])
    assert rasters.chosen() == ["2"]
    tick(rasters, 0, True)
    rasters.show_rows([row("2", "b"), row("3", "c", chosen=True), row("1", "a")])
    assert rasters.chosen() == ["2", "3", "1"]
    tick(rasters, 0, False)
    rasters.show_rows([row("2", "b", chosen=True), row("1", "a")])
    assert rasters.chosen() == ["1"]


def test_a_raster_with_a_problem_cannot_be_ticked_and_says_why(ui, rasters):
    row = ui.raster_list.RasterRow
    rasters.show_rows([row("1", "web map", problem="It comes from a server.", chosen=True)])
    item = rasters.list.item(0)
    assert rasters.chosen() == []
    assert not item.flags() & type(item.flags()).ItemIsUserCheckable
    assert item.toolTip() == "It comes from a server."


def test_a_change_is_told_only_when_the_choice_changes(ui, rasters):
    row, told = ui.raster_list.RasterRow, []
    rasters.changed.connect(lambda: told.append(rasters.chosen()))
    rasters.show_rows([row("1", "a")])
    assert not told
    tick(rasters, 0, True)
    rasters.show_rows([row("1", "a"), row("2", "b")])
    assert told == [["1"]]
    rasters.show_rows([row("2", "b")])
    assert told == [["1"], []]
    assert rasters.empty_label.isHidden()
    rasters.show_rows([])
    assert not rasters.empty_label.isHidden()


@pytest.mark.parametrize(
    ("facts", "carry", "adapt"),
    [
        ({}, "layer above", "layer above"),
        (HERE, "polygons", ""),
        ({**HERE, **DRAWN}, "", ""),
        ({**HERE, **DRAWN, "running": "adapt"}, "being adapted", "being adapted"),
        ({**HERE, **DRAWN, "running": "train"}, "training is running", "training is running"),
        ({**HERE, **DRAWN, "running": "segment"}, "map is being made", "map is being made"),
    ],
)
def test_what_is_missing(ui, facts, carry, adapt):
    facts = ui.readiness.Facts(**facts)
    for missing, words in (
        (ui.readiness.missing_for_carry(facts, 1), carry),
        (ui.readiness.missing_for_adapt(facts, 1), adapt),
    ):
        assert (words in missing) if words else not missing


def test_without_a_tick_both_ask_for_one(ui):
    facts = ui.readiness.Facts(**HERE, **DRAWN)
    assert "Tick" in ui.readiness.missing_for_carry(facts, 0)
    assert "Tick" in ui.readiness.missing_for_adapt(facts, 0)


def test_an_adaptation_blocks_the_steps_and_moves_none(ui):
    facts = {**HERE, **DRAWN}
    still, busy = ui.readiness.Facts(**facts), ui.readiness.Facts(**facts, running="adapt")
    assert ui.readiness.current_step(busy) == ui.readiness.current_step(still) == 2
    assert ui.readiness.missing_for_train(busy)


def test_every_stabiliser_of_the_backend_is_offered(ui):
    panel = ui.carry_panel.CarryPanel()
    offered = [panel.stabiliser_combo.itemData(i) for i in range(panel.stabiliser_combo.count())]
    assert sorted(offered) == sorted(STABILISERS)
    assert offered[0] == ui.protocol.TrainRequest(layers=()).stabiliser
    panel.set_stabiliser("lora+ema")
    panel.set_stabiliser("magic")
    assert panel.stabiliser() == "lora+ema"


def test_settings_for_experts_are_theirs(ui):
    panel = ui.carry_panel.CarryPanel()
    for expert in (True, False):
        panel.show_expert(expert)
        assert panel.stabiliser_combo.isVisibleTo(panel) == panel.rounds_spin.isVisibleTo(panel) == expert


def record(ui, kind, stage, **metrics):
    progress = ui.protocol.Progress(stage, 0.5, "", 12.0, metrics)
    return ui.protocol.JobRecord("1", kind, "running", "t", {}, 0.0, progress=progress)


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("warm-up", "Learning from the polygons"),
        ("pseudo-labels 2", "Mapping the other field for round 2"),
        ("round 2", "Learning from its own map, round 2"),
        ("target map", "Mapping the other field"),
        ("adapt", "Adapting"),
        ("something new 3", "Something new 3"),
    ],
)
def test_stages_are_said_in_words(ui, stage, words):
    view = ui.job_view.JobView()
    view.show_record(record(ui, "train", stage))
    assert view.stage_label.text() == f"{words}  50 %"


def test_an_adaptation_from_start_to_result(ui):
    panel = ui.adapt_panel.AdaptPanel()
    panel.start()
    assert not panel._setup.isVisibleTo(panel)
    panel.show_record(record(ui, "adapt", "adapt", loss=0.75, px_per_s=1e6))
    assert [y for _, y in panel.plot.loss.points] == [0.75]
    assert "12 s left" in panel.job_view.numbers_label.text()
    losses = {"first": {"loss": 1.25}, "last": {"loss": 0.5}}
    result = ui.protocol.AdaptResult(
        "/b.nirlora-backbone", "/r.html", "mae", ("nir",), 9, losses, 75.0, "cpu", 1, 2, "", (), {}
    )
    panel.show_result(result, "b")
    assert (
        panel.result_notice.text()
        == "The backbone b is ready. Its loss went from 1.250 to 0.500. 1:15 min on CPU."
    )
    assert panel.use_button.isVisibleTo(panel)
    assert not panel._setup.isVisibleTo(panel)
    pressed = []
    panel.report_wanted.connect(lambda: pressed.append("report"))
    panel.resume_wanted.connect(lambda: pressed.append("resume"))
    panel.result_notice.pressed.emit()
    panel.show_end("It was interrupted.", "warning", True)
    panel.result_notice.pressed.emit()
    assert pressed == ["report", "resume"]
    assert panel._setup.isVisibleTo(panel)
    assert not panel.use_button.isVisibleTo(panel)
    panel.plot.resize(300, 150)
    assert not panel.plot.grab().isNull()


def test_a_suffix_that_the_user_writes_is_not_doubled(ui):
    panel = ui.adapt_panel.AdaptPanel()
    panel.name_edit.setText(" farm.nirlora-backbone ")
    assert panel.backbone_name() == "farm"


def test_a_carried_model_offers_the_way_to_its_field(ui):
    panel = ui.train_panel.TrainPanel()
    result = ui.protocol.TrainResult("/m", "/r.html", (), {"miou": 0.9}, 8.0, "cpu", 1, 2, "", (), {})
    panel.show_result(result, "south")
    assert panel.target_button.isVisibleTo(panel)
    assert "south" in panel.target_button.text()
    assert "0.90" not in panel.result_notice.text()  # it is of the field with polygons
    panel.show_result(result)
    assert not panel.target_button.isVisibleTo(panel)
    assert "0.90" in panel.result_notice.text()


def test_an_estimate_says_what_the_plan_has(ui):
    plan = {"estimated_seconds": 600, "device": "cpu", "estimated_memory_mb": 512, "backbone": "vit"}
    assert ui.estimate.estimate(plan) == ["Takes about 10 min on CPU", "537 MB of memory", "vit"]
    assert ui.estimate.estimate({}) == ["Takes less than a minute"]
