"""Weights that come with the program: a ``.nirlora-backbone`` file named after its backbone, no network."""

from __future__ import annotations

from pathlib import Path

from nirlora.models.backbone_card import SUFFIX

_PACKAGE = Path(__file__).resolve().parents[1]
# Installed, they lie in the package; in a checkout, among the resources that the wheel takes them from.
HOMES = (_PACKAGE / "pretrained", _PACKAGE.parents[1] / "resources" / "pretrained")


def packaged_file(name: str) -> str:
    """Path of the weights of backbone ``name``, its options left aside; ``""`` if there are none."""
    file = name.split(":")[0] + SUFFIX
    return next((str(home / file) for home in HOMES if (home / file).is_file()), "")
