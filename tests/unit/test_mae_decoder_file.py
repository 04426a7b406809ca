"""A published MAE decoder goes on with LoRA; what is none is refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from data.make_data import make_raster
from nirlora.adaptation import explora
from nirlora.adaptation.decoder_file import load_decoder
from nirlora.adaptation.mae import MaeDecoder
from nirlora.adaptation.setup import build_objective, fingerprint, prepare
from nirlora.errors import ModelError, WeightsUnavailable
from nirlora.models.backbones.base import RGB
from nirlora.protocol import AdaptRequest, LayerRef

OURS = {"embed": "decoder_embed", "blocks": "decoder_blocks", "norm": "decoder_norm", "pred": "decoder_pred"}


def published(path: Path, outputs: int = 192, **changes) -> tuple[Path, MaeDecoder]:
    """A checkpoint in the form of the published ones: encoder, decoder, class token, positions."""
    torch.manual_seed(0)
    decoder = MaeDecoder(128, 64, 2, 2, outputs)
    state = {"mask_token": decoder.mask_token.detach().view(1, 1, -1), "cls_token": torch.zeros(1, 1, 128)}
    state |= {"decoder_pos_embed": torch.zeros(1, 65, 64), "blocks.0.norm1.weight": torch.ones(128)}
    for name, tensor in decoder.state_dict().items():
        first, _, rest = name.partition(".")
        if first in OURS:
            state[f"{OURS[first]}.{rest}"] = tensor.clone()
    state = {n: t.contiguous() for n, t in (state | changes).items() if t is not None}
    if path.suffix == ".pth":
        torch.save({"model": state}, path)
    else:
        save_file(state, path)
    return path, decoder


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_it_draws_as_the_published_one(tmp_path, suffix):
    path, decoder = published(tmp_path / f"mae{suffix}")
    loaded, new_outputs = load_decoder(str(path), 128, 8, RGB)
    assert not new_outputs
    keep = torch.tensor([[0, 3, 5]])
    inputs = torch.rand(1, 1, 128), torch.rand(1, 3, 128), keep, (2, 4)
    with torch.no_grad():
        assert torch.equal(loaded.eval()(*inputs), decoder.eval()(*inputs))


@pytest.mark.parametrize(
    ("patch", "roles"),
    [
        (8, ("nir",)),
        (8, ("nir", "red", "green")),  # as many numbers per patch, but not those that the file draws
        (8, ("blue", "green", "red")),
        (4, RGB),
    ],
)
def test_for_other_channels_the_last_layer_is_new(tmp_path, patch, roles):
    path, decoder = published(tmp_path / "mae.safetensors")
    loaded, new_outputs = load_decoder(str(path), 128, patch, roles)
    assert new_outputs
    assert loaded.pred.weight.shape == (patch**2 * len(roles), 64)
    assert not torch.equal(loaded.pred.weight, decoder.pred.weight[: patch**2 * len(roles)])
    assert torch.equal(loaded.embed.weight, decoder.embed.weight)


def test_what_trains_of_it(tmp_path):
    path, _ = published(tmp_path / "mae.safetensors")
    loaded, _ = load_decoder(str(path), 128, 8, RGB)
    explora.apply_decoder(loaded, 4, 1.0, train_outputs=False)
    trained = {n for n, p in loaded.named_parameters() if p.requires_grad}
    assert all("norm" in n or "lora_" in n for n in trained)
    assert sum("lora_" in n for n in trained) == 2 * 2 * 2
    assert "norm.weight" in trained


@pytest.mark.parametrize(
    ("bands", "embedding", "trains", "fresh"),
    [
        ("red,green,blue", "auto", False, False),
        ("red,green,blue", "train", True, False),  # goes on from the published layer
        ("nir,red,green", "auto", True, True),
        ("nir,red,green", "freeze", True, True),
        ("blue,green,red", "auto", True, True),
    ],
)
def test_its_last_layer_trains_with_the_patch_embedding_and_for_other_channels(
    tmp_path, bands, embedding, trains, fresh
):
    path, decoder = published(tmp_path / "mae.safetensors")
    request = rgb_nir(tmp_path, bands=bands, patch_embedding=embedding, decoder=str(path))
    objective, _ = build_objective(prepare(request))
    assert all(p.requires_grad == trains for p in objective.decoder.pred.parameters())
    assert torch.equal(objective.decoder.pred.weight, decoder.pred.weight) != fresh
    assert objective.fresh == fresh


def test_a_run_does_not_go_on_with_another_decoder_under_the_same_name(tmp_path):
    path, _ = published(tmp_path / "mae.safetensors")
    setup = prepare(rgb_nir(tmp_path, decoder=str(path)))
    key = fingerprint(setup, "")
    assert fingerprint(setup, "") == key
    published(path, **{"decoder_norm.bias": torch.ones(64)})
    assert fingerprint(setup, "") != key


def rgb_nir(tmp_path: Path, **changes) -> AdaptRequest:
    values = np.random.default_rng(0).integers(1000, 3000, (4, 64, 64)).astype("uint16")
    raster = make_raster(tmp_path / "four.tif", values, descriptions=("Red", "Green", "Blue", "NIR"))
    return AdaptRequest(
        layers=(LayerRef(str(raster)),),
        **{"bands": "red,green,blue", "backbone": "vit-demo", "unfreeze": "last", "chip_px": 32, **changes},
    )


def test_refusals(tmp_path):
    with pytest.raises(WeightsUnavailable, match="no file"):
        load_decoder(str(tmp_path / "gone.pth"), 128, 8, RGB)
    path, _ = published(tmp_path / "mae.safetensors")
    with pytest.raises(ModelError, match="width 128, the backbone's have 192"):
        load_decoder(str(path), 192, 8, RGB)
    encoder = tmp_path / "encoder.safetensors"
    save_file({"blocks.0.norm1.weight": torch.ones(128)}, encoder)
    with pytest.raises(ModelError, match="holds no MAE decoder"):
        load_decoder(str(encoder), 128, 8, RGB)
    path, _ = published(tmp_path / "odd.safetensors", **{"decoder_norm.weight": None})
    with pytest.raises(ModelError, match=r"another form: norm\.weight"):
        load_decoder(str(path), 128, 8, RGB)
