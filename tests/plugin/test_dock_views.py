"""The dock's widgets, on PyQt6 and without QGIS: what the user sees is what was said, and what is missing."""

from __future__ import annotations

import csv
import importlib
import io
from types import SimpleNamespace

import pytest

from nirlora.bands.roles import BASES
from qt6_shim import qgis_over_qt6

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 is not installed (pip install -e .[dev])")

RASTER = {
    "width_px": 987,
    "height_px": 816,
    "resolution_m": 0.08,
    "size_ha": 0.5153,
    "dtype": "uint16",
    "nodata": 0.0,
    "bands": [
        {"band": 1, "role": "blue", "name": "blue 475", "low": 157.0, "high": 1442.0},
        {"band": 2, "role": "red", "name": "", "low": 168.0, "high": 2797.0},
        {"band": 3, "role": "unknown", "name": "", "low": None, "high": None},
    ],
}


@pytest.fixture(scope="module")
def app():
    with qgis_over_qt6() as application:
        yield application


@pytest.fixture
def ui(app):
    """``ui.plot`` is nir_lora_plugin.ui.plot, and so on."""
    names = "bands text plot layer_panel train_settings train_panel model_list segment_panel area_table step"
    return SimpleNamespace(**{n: importlib.import_module(f"nir_lora_plugin.ui.{n}") for n in names.split()})


@pytest.fixture
def readiness(app):
    return importlib.import_module("nir_lora_plugin.flow.readiness")


@pytest.fixture
def protocol(app):
    return importlib.import_module("nir_lora_plugin.protocol")


@pytest.fixture
def widgets(app):
    return importlib.import_module("qgis.PyQt.QtWidgets")


def test_roles_offered_are_those_of_the_backend(ui):
    assert ui.bands.ROLES == BASES


def test_a_raster_without_known_nir_asks_for_it_and_takes_the_users_word(ui, widgets):
    panel = ui.layer_panel.LayerPanel(widgets.QComboBox())
    panel.show_facts(RASTER)
    assert "nir" in panel.problem()
    role = panel.table.cellWidget(2, 1)
    role.setCurrentIndex(role.findData("nir"))
    assert panel.problem() == ""
    assert (panel.bands(), panel.roles_given()) == ("nir,nir=3", "nir=3")
    assert panel.summary() == "nir (band 3)"


def test_numbers_of_bands_are_an_own_choice(ui, widgets):
    panel = ui.layer_panel.LayerPanel(widgets.QComboBox())
    panel.show_facts(RASTER)
    panel.form_combo.setCurrentIndex(panel.form_combo.findData(ui.bands.OWN))
    panel.own_edit.setText("3,2")
    assert (panel.bands(), panel.problem()) == ("3,2", "")


def test_what_is_missing_is_said_step_by_step(readiness):
    facts = readiness.Facts()
    assert "backend" in readiness.missing_for_layer(facts)
    facts = readiness.Facts(backend=True)
    assert "raster" in readiness.missing_for_layer(facts)
    here = {"backend": True, "layer": "field", "inspected": True}
    facts = readiness.Facts(**here)
    assert readiness.missing_for_layer(facts) == ""
    assert readiness.missing_for_train(facts)
    facts = readiness.Facts(**here, training_layer=True, counts=(("crop", 3), ("soil", 0)))
    assert "soil" in readiness.missing_for_train(facts)
    facts = readiness.Facts(**here, training_layer=True, counts=(("crop", 3), ("soil", 1)))
    assert readiness.missing_for_train(facts) == ""
    assert readiness.missing_for_segment(facts)
    assert readiness.missing_for_segment(readiness.Facts(**here, has_model=True)) == ""
    assert readiness.missing_for_segment(readiness.Facts(**here, has_model=True, misfit=True))
    assert readiness.missing_for_segment(readiness.Facts(**here, has_model=True, running="train"))


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        ({}, 0),
        ({"layer": "field", "inspected": True}, 1),
        ({"layer": "field", "inspected": True, "training_layer": True, "counts": (("a", 1), ("b", 1))}, 2),
        ({"layer": "field", "inspected": True, "has_model": True}, 3),
        ({"layer": "field", "inspected": True, "has_model": True, "running": "train"}, 2),
    ],
)
def test_the_step_that_the_user_is_at(readiness, facts, step):
    assert readiness.current_step(readiness.Facts(backend=True, **facts)) == step


def test_settings_become_the_request(ui, protocol):
    view = ui.train_settings.TrainSettingsView()
    view.set_backbone("galileo-nano:p8=/weights")
    plain = protocol.TrainRequest(layers=())
    quick = ui.train_settings.apply(view.settings(), plain)
    assert (quick.backbone, quick.max_seconds) == ("galileo-nano:p8=/weights", 120.0)
    view.set_mode("expert")
    view.rank_spin.setValue(8)
    view.limit_combo.setCurrentIndex(view.limit_combo.findData("epochs"))
    view.epochs_spin.setValue(7)
    expert = ui.train_settings.apply(view.settings(), plain)
    assert (expert.rank, expert.epochs, expert.max_seconds) == (8, 7, 0.0)


def test_backbones_are_offered_and_the_choice_stays(ui):
    view = ui.train_settings.TrainSettingsView()
    view.set_backbone("dinov2-small")
    view.show_backbones([{"name": "vit-base", "cached": True}, {"name": "dinov2-small", "cached": False}])
    assert view.settings().backbone == "dinov2-small"
    assert view.backbone_combo.count() == 3


def test_a_long_training_stays_a_short_curve(ui):
    plot = ui.plot.TrainingPlot()
    for i in range(20_000):
        plot.add(i / 20_000, 1.0 + i % 7, 0.5 if i > 9_000 else None)
    plot.add(1.0, float("nan"), None)
    assert len(plot.loss.points) <= ui.plot.MAX_POINTS
    assert plot.loss.points[0][0] == 0.0
    assert plot.loss.points[-1][0] == pytest.approx(1.0, abs=1e-3)
    assert plot.iou.points == [(pytest.approx(9001 / 20_000), 0.5)]
    plot.resize(300, 150)
    assert not plot.grab().isNull()


@pytest.mark.parametrize(("value", "top"), [(0.0, 1.0), (0.9, 1.0), (1.3, 2.0), (4.2, 5.0), (7.0, 10.0)])
def test_axes_end_at_round_numbers(ui, value, top):
    assert ui.plot.nice_ceiling(value) == pytest.approx(top)


def test_a_running_training_and_its_end(ui, protocol):
    panel = ui.train_panel.TrainPanel()
    panel.start()
    assert not panel._setup.isVisibleTo(panel)
    metrics = {"loss": 0.4, "miou": 0.6, "best_miou": 0.7, "epoch": 3.0, "px_per_s": 2e6}
    progress = protocol.Progress("train", 0.25, "", 75.0, metrics)
    panel.show_record(protocol.JobRecord("1", "train", "running", "t", {}, 0.0, progress=progress))
    words = panel.job_view.numbers_label.text()
    assert all(part in words for part in ("epoch 3", "0.400", "0.70", "2.0 Mpx/s", "1:15 min"))
    assert "25 %" in panel.job_view.stage_label.text()
    panel.show_end("It failed.", "error", True)
    assert panel._setup.isVisibleTo(panel)
    assert panel.result_notice.text() == "It failed."


def test_models_keep_the_choice_and_show_what_is_wrong(ui, protocol):
    models = ui.model_list.ModelList()
    good = protocol.ModelInfo("/a.nirlora", "a", ("crop", "soil"), miou=0.7, size_bytes=1_200_000)
    bad = protocol.ModelInfo("/b.nirlora", "b", problem="It is damaged.")
    models.show_models([bad, good])
    assert models.current() == good  # the first that can be used
    models.show_models([good, bad], choose="/b.nirlora")
    assert models.current() == bad
    models.show_models([good, bad])
    assert models.current() == bad
    models.show_models([])
    assert models.current() is None
    assert not models.export_button.isEnabled()
    models.show_models([good])
    models.list.resize(300, 80)
    assert not models.list.grab().isNull()


def test_a_carried_model_does_not_boast_with_the_score_of_another_field(ui, protocol):
    info = protocol.ModelInfo(
        "/a.nirlora", "a", ("crop",), miou=0.9, miou_of="source", carried_to=("/x/b.tif",)
    )
    models = ui.model_list.ModelList()
    models.show_models([info])
    tip = models.list.item(0).toolTip()
    assert "for b.tif" in tip
    assert "0.90 on the field of its polygons" in tip
    assert models.list.itemDelegate().score(info) == ""
    scored = protocol.ModelInfo("/a.nirlora", "a", miou=0.6, miou_of="target", carried_to=("b.tif", "c.tif"))
    assert models.list.itemDelegate().score(scored) == "IoU 0.60"
    assert models.list.itemDelegate().details(scored).startswith("for b.tif and 1 more")
    plain = protocol.ModelInfo("/a.nirlora", "a", miou=0.7)
    assert models.list.itemDelegate().score(plain) == "IoU 0.70"
    assert ui.model_list.carried(plain) == ""


def test_areas_add_up_and_survive_the_spreadsheet(ui, protocol):
    areas = (protocol.ClassArea(0, "crop; vines, old", 300, 0.75), protocol.ClassArea(1, "soil", 100, 0.25))
    table = ui.area_table.AreaTable()
    table.show_areas("Area", areas, {0: "#00ff00"})
    assert [table.table.item(i, 2).text() for i in range(2)] == ["75 %", "25 %"]
    rows = list(csv.reader(io.StringIO(ui.area_table.area_text(areas, ","))))
    assert rows[1][0] == "crop; vines, old"
    assert float(rows[1][1]) == 0.75


def test_a_misfit_is_said_and_can_be_overruled(ui, widgets):
    panel = ui.segment_panel.SegmentPanel(widgets.QComboBox())
    panel.show_check(["Values are 100 times larger. Give the scale."], ["Coarser pixels."])
    assert panel.check_notices.texts() == ["Values are 100 times larger. Give the scale.", "Coarser pixels."]
    assert panel.allow_check.isVisibleTo(panel)
    panel.show_check((), ())
    assert panel.check_notices.texts() == []
    assert not panel.allow_check.isVisibleTo(panel)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (42, "42 s"), (187, "3:07 min"), (7500, "2:05 h")]
)
def test_durations(ui, seconds, words):
    assert ui.text.duration(seconds) == words


@pytest.mark.parametrize(("area", "words"), [(0.0005, "5 m²"), (0.5153, "0.515 ha"), (1234.5, "1,234.5 ha")])
def test_areas_for_people(ui, area, words):
    assert ui.text.hectares(area) == words
