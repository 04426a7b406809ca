"""Self-training on a toy where its worth shows: two fields of like parcels, one of them in brighter light.

A parcel's level tells its class, and so does its grain, less surely. The light moves the levels over a third
of the way to the next class and leaves the grain: a model of the source alone errs, but less often than not
and partly by chance, so that a round can learn the new levels from its labels. The network is small and
starts random; all stabilisers have one learning rate, and classes are said as often as training leaves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import nirlora
from data.make_data import make_raster
from nirlora.models.card import read_card
from nirlora.protocol import LayerRef, TrainRequest

LEVELS, GRAIN = (3000, 5000, 7000), (300, 600, 1200)  # mean and deviation of the three classes
SHIFT = 750
ROWS, COLS, PARCEL_PX = 128, 160, 16


def make_layer(folder: Path, name: str, seed: int, grain_seed: int, shift: int = 0) -> LayerRef:
    """A raster of square parcels with its true classes, about as many of each."""
    truth = np.random.default_rng(seed).permutation(np.arange(ROWS * COLS // PARCEL_PX**2) % 3)
    truth = truth.reshape(ROWS // PARCEL_PX, -1).repeat(PARCEL_PX, 0).repeat(PARCEL_PX, 1)
    noise = np.random.default_rng(grain_seed).normal(size=truth.shape)
    values = np.array(LEVELS)[truth] + shift + noise * np.array(GRAIN)[truth]
    raster = make_raster(
        folder / f"{name}.tif", values.clip(1).astype("uint16"), descriptions=("NIR",), nodata=0
    )
    labels = make_raster(folder / f"{name}_truth.tif", (truth + 1).astype("uint8"))
    return LayerRef(str(raster), str(labels))


@dataclass(frozen=True)
class Run:
    """What one training told.

    Attributes:
        before, after: mIoU of the target after the warm-up (source only) and after the round.
        flips: Share of target pixels with another class than a look before, mean of the round's epochs.
    """

    before: float
    after: float
    flips: float


def carried(folder: Path, seed: int, stabiliser: str) -> Run:
    request = TrainRequest(
        layers=(make_layer(folder, "source", seed * 10 + 1, 1001),),
        target_layers=(make_layer(folder, "target", seed * 10 + 2, 1002, SHIFT),),
        target_values="source",  # the target's own range would undo the shift
        backbone="vit-demo",
        pretrained=False,
        head="linear",  # so that the backbone has to learn
        zoom=2.0,
        chip_px=32,
        batch=2,
        epochs=6,
        steps_per_epoch=10,
        learning_rate=0.003,
        rounds=1,
        class_shares="trained",
        stabiliser=stabiliser,
        seed=seed,
        device="cpu",
        report=False,
        out=str(folder / f"{stabiliser}.nirlora"),
    )
    warmup, last = read_card(nirlora.train(request).model).training["adaptation"]["stages"]
    return Run(warmup["target_miou"], last["target_miou"], float(np.mean(last["epoch_flips"])))


@pytest.fixture(scope="module", params=[0, pytest.param(1, marks=pytest.mark.slow)])
def runs(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    return {name: carried(folder, request.param, name) for name in ("none", "ema", "lora")}


@pytest.mark.parametrize("stabiliser", ["ema", "lora"])
def test_a_round_of_pseudo_labels_beats_the_model_of_the_source_alone(runs, stabiliser):
    run = runs[stabiliser]
    assert run.before > 0.4  # chance is 0.2: there is something to go on from
    assert run.after > run.before + 0.03


@pytest.mark.parametrize("stabiliser", ["ema", "lora"])
def test_pseudo_labels_are_steadier_than_with_no_stabiliser(runs, stabiliser):
    assert runs[stabiliser].flips < 0.9 * runs["none"].flips
