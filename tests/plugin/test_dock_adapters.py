"""The adapters in the expert settings: all that the backend has, with options that it reads."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest

from nirlora.adapters import ADAPTERS, AdapterOptions, adapter_spec, own_options, read_options
from qt6_shim import qgis_over_qt6

pytest.importorskip("PyQt6.QtWidgets", reason="PyQt6 is not installed (pip install -e .[dev])")

NAMES = sorted(spec.name for spec in ADAPTERS)


@pytest.fixture(scope="module")
def ui():
    with qgis_over_qt6():
        modules = {
            n: importlib.import_module(f"nir_lora_plugin.ui.{n}") for n in ("adapters", "train_settings")
        }
        yield SimpleNamespace(protocol=importlib.import_module("nir_lora_plugin.protocol"), **modules)


@pytest.fixture
def expert(ui):
    view = ui.train_settings.TrainSettingsView()
    view.set_mode("expert")
    return view


def choose(view, name):
    view.adapter_combo.setCurrentIndex(view.adapter_combo.findData(name))


def request(ui, view):
    return ui.train_settings.apply(view.settings(), ui.protocol.TrainRequest(layers=()))


def test_every_adapter_of_the_backend_is_offered_with_a_sentence(ui, expert):
    offered = ui.adapters.adapters()
    assert sorted(one.name for one in offered) == NAMES
    assert offered[0].name == "lora"
    for place, one in enumerate(offered):
        assert expert.adapter_combo.itemData(place, 3) == one.tip  # Qt.ToolTipRole
        assert one.tip.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_the_options_shown_are_the_defaults_of_the_backend(ui, name):
    (shown,) = (one.options for one in ui.adapters.adapters() if one.name == name)
    spec = adapter_spec(name)
    assert read_options(spec, AdapterOptions(), ui.adapters.options_of(shown)) == spec.defaults
    assert bool(shown) == bool(own_options(spec.defaults))


def test_options_are_sent_with_their_adapter_alone(ui, expert):
    choose(expert, "mufa")
    expert.options_edit.setText("rates = 8,16 ; placement=serial;")
    sent = request(ui, expert)
    assert (sent.adapter, sent.adapter_options) == ("mufa", {"rates": "8,16", "placement": "serial"})
    choose(expert, "convpass")
    assert request(ui, expert).adapter_options == {}
    expert.options_edit.setText("width")
    assert request(ui, expert).adapter_options == {"width": ""}  # the backend says what is wrong with it
    expert.set_mode("quick")
    assert (request(ui, expert).adapter, request(ui, expert).adapter_options) == ("lora", {})


def test_only_what_the_adapter_knows_is_asked(expert):
    for name, rank, options in (("lora", True, False), ("bitfit", False, False), ("lorand", False, True)):
        choose(expert, name)
        assert expert.rank_spin.isVisibleTo(expert) == rank
        assert expert.options_edit.isVisibleTo(expert) == options


def test_an_adapted_backbone_is_chosen_by_its_path(expert):
    """Two of the same name in two folders are two."""
    files = [{"name": f"/{folder}/farm.nirlora-backbone", "title": "farm (adapted)"} for folder in "ab"]
    expert.show_backbones([{"name": "vit-base"}, *files])
    expert.set_backbone("/b/farm.nirlora-backbone")
    assert expert.settings().backbone == "/b/farm.nirlora-backbone"
    assert expert.backbone_combo.currentText() == "farm (adapted)"
    expert.show_backbones([*reversed(files), {"name": "vit-base"}])
    assert expert.settings().backbone == "/b/farm.nirlora-backbone"
    expert.backbone_combo.setEditText("dinov2-base=/weights")
    assert expert.settings().backbone == "dinov2-base=/weights"
