"""The LoRA-NIR preset at work: its normalisation and its schedule, where tables of counts do not reach."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
import torch
from training_field import make_field

from nirlora.errors import OptionError
from nirlora.models.segmenter import build_segmenter
from nirlora.protocol import LayerRef, TrainRequest
from nirlora.training.accelerator import make_accelerator
from nirlora.training.checkpoint import TrainState
from nirlora.training.chips import ChipSampler, ChipSpec
from nirlora.training.config import make_recipe
from nirlora.training.loop import LoopConfig, fit
from nirlora.training.run import prepare


@pytest.fixture
def request_(tmp_path):
    field = make_field(tmp_path)
    return lambda **changes: TrainRequest(
        layers=(LayerRef(str(field.raster), str(field.labels)),),
        preset="lora-nir",
        positive_class="crop",
        backbone="vit-demo",
        pretrained=False,
        device="cpu",
        **changes,
    )


def test_the_authors_normalisation_subtracts_the_training_mean_and_no_more(request_):
    with ExitStack() as stack:
        setup = prepare(request_(normalisation="mean"), stack)
        reader = setup.readers[0]
        x, valid = reader.read(reader.source.window)
        channel = setup.transform.channels[0]
        values, _ = reader.source.read(reader.source.window, [1])
    unit = (values[0].astype(float) - channel.low) / (channel.high - channel.low)
    assert valid.all()
    assert channel.std == 1
    assert channel.mean == pytest.approx(np.clip(unit, -1, 2).mean(), abs=1e-4)
    np.testing.assert_allclose(x[0], np.clip(unit, -1, 2) - channel.mean, atol=1e-5)
    assert float(x.mean()) == pytest.approx(0, abs=1e-4)


def test_the_preset_standardises_as_the_backbone_expects_unless_told_otherwise(request_):
    with ExitStack() as stack:
        channel = prepare(request_(), stack).transform.channels[0]
    assert (channel.mean, channel.std) == (0.5, 0.5)


def test_an_unknown_normalisation_is_refused(request_):
    with ExitStack() as stack, pytest.raises(OptionError, match="normalisation 'std'") as caught:
        prepare(request_(normalisation="std"), stack)
    assert "backbone, mean" in caught.value.hint


def test_the_rate_falls_after_epochs_as_published(request_):
    """Counted from 0: 1e-4 to epoch 3, .91e-4 from 4, .8281e-4 from 9, whatever the steps of an epoch."""
    with ExitStack() as stack:
        setup = prepare(request_(), stack)
        recipe = make_recipe(setup.request, 16, 768)
        assert (recipe.schedule, recipe.head_rate, recipe.backbone_rate) == ("lora-nir", 1e-4, 1e-4)
        assert (recipe.backbone_warmup, recipe.clip_norm, recipe.balance) == (0, 0, 0)
        channels = setup.transform.channels
        spec = ChipSpec(
            32, 32, 1, 0, recipe.augment, tuple(c.mean for c in channels), tuple(c.std for c in channels)
        )
        sampler = ChipSampler(setup.data.layers(setup.readers, held_out=False), spec, 2)
        config = LoopConfig(
            epochs=11,
            steps_per_epoch=2,
            head_rate=recipe.head_rate,
            backbone_rate=recipe.backbone_rate,
            schedule=recipe.schedule,
            dice_weight=recipe.dice_weight,
            weight_decay=recipe.weight_decay,
            keep_last=True,
        )
        state = TrainState()
        model = build_segmenter(setup.config)
        fit(model, sampler, [], config, make_accelerator(torch.device("cpu")), state, lambda _: None)
    rates = [entry["lr"] for entry in state.history]
    assert rates == pytest.approx([1e-4] * 4 + [0.91e-4] * 5 + [0.8281e-4] * 2, rel=1e-9)
