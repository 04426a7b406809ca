"""Masked autoencoding against cases worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from nirlora.adaptation.mae import MaeDecoder, MaeObjective, mae_loss, patchify, sincos_grid
from nirlora.models.backbones import build_backbone


def test_patches_come_row_by_row_and_pixel_by_pixel():
    image = torch.arange(2 * 4 * 4.0).reshape(1, 2, 4, 4)  # channel 0 is 0..15, channel 1 is 16..31
    patches = patchify(image, 2)
    assert patches.shape == (1, 4, 8)
    assert patches[0, 0].tolist() == [0, 16, 1, 17, 4, 20, 5, 21]
    assert patches[0, 1].tolist() == [2, 18, 3, 19, 6, 22, 7, 23]
    assert patches[0, 2].tolist()[:2] == [8, 24]


def test_the_loss_is_the_error_to_the_normalised_patch_where_it_counts():
    # Values 1 3 1 3: mean 2, unbiased variance 4/3, normalised -+ sqrt(3)/2.
    patches = torch.tensor([[[1.0, 3.0, 1.0, 3.0], [10.0, 30.0, 10.0, 30.0], [5.0, 5.0, 5.0, 5.0]]])
    predicted = torch.zeros(1, 3, 4)
    predicted[0, 1] = torch.tensor([1.0, 1.0, 1.0, 1.0])
    half = math.sqrt(3) / 2
    first, second = half**2, ((1 + half) ** 2 + (1 - half) ** 2) / 2
    only_first = torch.tensor([[True, False, False]])
    assert float(mae_loss(predicted, patches, only_first)) == pytest.approx(first, rel=1e-4)
    both = torch.tensor([[True, True, False]])
    assert float(mae_loss(predicted, patches, both)) == pytest.approx((first + second) / 2, rel=1e-4)
    flat = torch.tensor([[False, False, True]])  # a patch of one value has no contrast to draw
    assert float(mae_loss(predicted, patches, flat)) == 0.0
    assert float(mae_loss(predicted, patches, torch.zeros(1, 3, dtype=torch.bool))) == 0.0


def test_brightness_and_contrast_of_a_patch_do_not_count():
    patches = torch.rand(2, 5, 16)
    predicted, target = torch.rand(2, 5, 16), torch.rand(2, 5) > 0.5
    target[0, 0] = True
    torch.testing.assert_close(
        mae_loss(predicted, patches, target),
        mae_loss(predicted, 40 * patches + 7, target),
        rtol=1e-3,
        atol=1e-4,
    )


def test_the_position_code_is_that_of_the_published_models():
    code = sincos_grid(8, 2, 3, torch.device("cpu"))
    assert code.shape == (6, 8)
    row, col = 1, 2
    angles = [col, col / 100, row, row / 100]  # omega 1 and 10000^-1/2
    expected = [
        *(math.sin(a) for a in angles[:2]), *(math.cos(a) for a in angles[:2]),
        *(math.sin(a) for a in angles[2:]), *(math.cos(a) for a in angles[2:]),
    ]  # fmt: skip
    torch.testing.assert_close(code[row * 3 + col], torch.tensor(expected))


def test_the_decoder_puts_tokens_where_they_belong():
    torch.manual_seed(0)
    decoder = MaeDecoder(width=12, dim=16, depth=1, heads=2, outputs=4).eval()
    visible = torch.rand(1, 2, 12)
    prefix = torch.rand(1, 1, 12)
    one = decoder(prefix, visible, torch.tensor([[4, 1]]), (2, 3))
    two = decoder(prefix, visible[:, [1, 0]], torch.tensor([[1, 4]]), (2, 3))
    assert one.shape == (1, 6, 4)
    torch.testing.assert_close(one, two)
    elsewhere = decoder(prefix, visible, torch.tensor([[0, 1]]), (2, 3))
    assert not torch.allclose(one, elsewhere)
    none = decoder(prefix[:, :0], visible, torch.tensor([[4, 1]]), (2, 3))
    assert none.shape == one.shape


def test_it_learns_to_draw_what_is_hidden():
    torch.manual_seed(0)
    backbone = build_backbone("vit-demo")
    objective = MaeObjective(backbone, MaeDecoder(128, 64, 1, 2, 3 * 64))
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-3)
    rows = torch.linspace(0, 12, 32)[None, None, :, None]
    losses = []
    for step in range(20):
        images = (rows + torch.rand(8, 3, 1, 1)).sin().expand(8, 3, 32, 32)
        order = torch.rand(8, 16, generator=torch.Generator().manual_seed(step)).argsort(1)
        target = torch.ones(8, 16, dtype=torch.bool).scatter(1, order[:, :4], False)
        loss = objective({"images": images, "keep": order[:, :4], "target": target}, 0.0)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert all(math.isfinite(v) for v in losses)
    assert losses[-1] < 0.8 * losses[0]
