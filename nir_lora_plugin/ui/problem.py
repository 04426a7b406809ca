"""What the backend says is wrong, for someone in the dock: its hints name options of the command line."""

from __future__ import annotations

import re

from nir_lora_plugin.protocol import ErrorInfo
from nir_lora_plugin.translation import translate

# Option of the command line -> where the dock translates the name of the same thing, and that name.
_IN_DOCK = {
    "bands": ("LayerPanel", "Model sees"),
    "layer": ("NirLoraDock", "Layer"),
    "labels": ("NirLoraDock", "Training polygons"),
    "backbone": ("TrainSettingsView", "Backbone"),
    "adapter": ("TrainSettingsView", "Trains"),
    "rank": ("TrainSettingsView", "Rank"),
    "head": ("TrainSettingsView", "Head"),
    "epochs": ("TrainSettingsView", "Length"),
    "max-seconds": ("TrainSettingsView", "Length"),
    "device": ("TrainSettingsView", "Device"),
    "model": ("SegmentPanel", "Model"),
    "allow-mismatch": ("SegmentPanel", "Run it all the same"),
}
_OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)")


def problem_text(error: ErrorInfo) -> str:
    """What happened and what to do, with the dock's names for the options that it has too."""
    return f"{error.message} {_OPTION.sub(_name, error.hint)}".strip()


def _name(found: re.Match[str]) -> str:
    if found[1] not in _IN_DOCK:
        return found[0]
    context, name = _IN_DOCK[found[1]]
    return f"“{translate(context, name)}”"
