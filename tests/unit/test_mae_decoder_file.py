"""A published MAE decoder goes on with LoRA; what is none is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nirlora.adaptation import explora
from nirlora.adaptation.decoder_file import load_decoder
from nirlora.adaptation.mae import MaeDecoder
from nirlora.errors import ModelError, WeightsUnavailable

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
    loaded, new_outputs = load_decoder(str(path), 128, 192)
    assert not new_outputs
    keep = torch.tensor([[0, 3, 5]])
    inputs = torch.rand(1, 1, 128), torch.rand(1, 3, 128), keep, (2, 4)
    with torch.no_grad():
        assert torch.equal(loaded.eval()(*inputs), decoder.eval()(*inputs))


def test_for_other_channels_the_last_layer_is_new(tmp_path):
    path, decoder = published(tmp_path / "mae.safetensors")
    loaded, new_outputs = load_decoder(str(path), 128, 64)
    assert new_outputs
    assert loaded.pred.weight.shape == (64, 64)
    assert torch.equal(loaded.embed.weight, decoder.embed.weight)


def test_what_trains_of_it(tmp_path):
    path, _ = published(tmp_path / "mae.safetensors")
    loaded, new_outputs = load_decoder(str(path), 128, 192)
    explora.apply_decoder(loaded, 4, 1.0, new_outputs=new_outputs)
    trained = {n for n, p in loaded.named_parameters() if p.requires_grad}
    assert all("norm" in n or "lora_" in n for n in trained)
    assert sum("lora_" in n for n in trained) == 2 * 2 * 2
    assert "norm.weight" in trained


def test_refusals(tmp_path):
    with pytest.raises(WeightsUnavailable, match="no file"):
        load_decoder(str(tmp_path / "gone.pth"), 128, 192)
    path, _ = published(tmp_path / "mae.safetensors")
    with pytest.raises(ModelError, match="width 128, the backbone's have 192"):
        load_decoder(str(path), 192, 192)
    encoder = tmp_path / "encoder.safetensors"
    save_file({"blocks.0.norm1.weight": torch.ones(128)}, encoder)
    with pytest.raises(ModelError, match="holds no MAE decoder"):
        load_decoder(str(encoder), 128, 192)
    path, _ = published(tmp_path / "odd.safetensors", **{"decoder_norm.weight": None})
    with pytest.raises(ModelError, match=r"another form: norm\.weight"):
        load_decoder(str(path), 128, 192)
