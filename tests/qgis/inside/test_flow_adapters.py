"""The adapters of the expert settings: what is wrong is said before the run, what is right is trained."""

from __future__ import annotations

import pytest
from cards import card
from flow_tools import LONG_MS, click, open_field, plugin, write_labels


@pytest.fixture
def train(iface, dock, field, qtbot):
    """The training step, ready, with a small network and the expert settings."""
    write_labels(field, field.with_name("orchard_training.gpkg"))
    open_field(iface, field, qtbot)
    click(dock.training_panel.make_button, qtbot)
    dock.open_step(2)
    view = dock.train_panel.settings_view
    view.set_mode("expert")
    view.set_backbone("vit-demo")
    view.pretrained_check.setChecked(False)
    view.minutes_spin.setValue(0.05)
    yield dock.train_panel
    view.adapter_combo.setCurrentIndex(0)


def choose(train, name, options=""):
    view = train.settings_view
    view.adapter_combo.setCurrentIndex(view.adapter_combo.findData(name))
    view.options_edit.setText(options)
    view.options_edit.editingFinished.emit()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("rates=many", "expected a whole number"),
        ("width=8", "Its options, with their defaults"),
        ("rates", "''"),
    ],
)
def test_a_wrong_option_is_said_before_the_run(train, options, said, qtbot):
    choose(train, "mufa", options)
    qtbot.waitUntil(lambda: bool(train.notices.texts()), timeout=LONG_MS)
    assert said in train.notices.texts()[0]
    choose(train, "mufa", "rates=8,16")
    qtbot.waitUntil(lambda: "vit-demo" in train.estimate_label.text(), timeout=LONG_MS)
    assert not [text for text in train.notices.texts() if said in text]


def test_its_options_reach_the_model(train, field, qtbot, screenshot, opened_reports):
    choose(train, "convpass", "width=4; sites=mlp")
    assert train.settings_view.options_edit.isVisible()
    qtbot.waitUntil(lambda: "vit-demo" in train.estimate_label.text(), timeout=LONG_MS)
    screenshot("16-adapter", train)
    click(train.train_button, qtbot)
    qtbot.waitUntil(lambda: not plugin().flow.session.running, timeout=LONG_MS)
    network = card(field.with_name("orchard.nirlora"))["model"]
    assert network["adapter"] == "convpass"
    assert (network["adapter_options"]["width"], network["adapter_options"]["sites"]) == (4, "mlp")
