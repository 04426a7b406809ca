"""A published MAE decoder, which ExPLoRA goes on training; timm's files of MAE leave it out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from nirlora.adaptation.mae import MaeDecoder
from nirlora.errors import ModelError, WeightsUnavailable
from nirlora.models.backbones.base import RGB
from nirlora.models.weights import read_state

_HEAD_WIDTH = 32  # of the published decoders: 512 wide, 16 heads
_RENAMED = {
    "decoder_embed.": "embed.",
    "decoder_blocks.": "blocks.",
    "decoder_norm.": "norm.",
    "decoder_pred.": "pred.",
}


def load_decoder(path: str, width: int, patch: int, roles: Sequence[str]) -> tuple[MaeDecoder, bool]:
    """The decoder of a published checkpoint (with ``decoder_`` names).

    Args:
        path: The file.
        width: Of the encoder's tokens.
        patch: Side of a patch in model pixels.
        roles: Of the channels that it draws, in their order; published decoders draw red, green, blue.

    Returns:
        The decoder, and whether its last layer starts random because the file's is for other channels, or
        for patches of another size.

    Raises:
        WeightsUnavailable: There is no such file.
        ModelError: The file holds no MAE decoder, or one for another encoder.
    """
    if not Path(path).is_file():
        raise WeightsUnavailable(f"There is no file {path}.", hint="Check the path after --decoder.")
    state = _decoder_state(read_state(Path(path)))
    if "embed.weight" not in state or "pred.weight" not in state:
        raise ModelError(f"{path} holds no MAE decoder.", hint="Leave --decoder out to start with a new one.")
    dim, encoder_width = state["embed.weight"].shape
    if encoder_width != width:
        raise ModelError(
            f"The decoder in {path} is for tokens of width {encoder_width}, the backbone's have {width}.",
            hint="Give the decoder of this backbone with --decoder, or leave it out.",
        )
    depth = len({name.split(".")[1] for name in state if name.startswith("blocks.")})
    outputs = patch**2 * len(roles)
    decoder = MaeDecoder(width, dim, depth, dim // _HEAD_WIDTH, outputs)
    new_outputs = tuple(roles) != RGB or state["pred.weight"].shape[0] != outputs
    if new_outputs:
        state = {n: t for n, t in state.items() if not n.startswith("pred.")}
    wanted = {n for n in decoder.state_dict() if not (new_outputs and n.startswith("pred."))}
    if state.keys() != wanted:
        odd = sorted(state.keys() ^ wanted)[0]
        raise ModelError(f"The decoder in {path} is of another form: {odd}.", hint="Leave --decoder out.")
    decoder.load_state_dict(state, strict=False)
    return decoder, new_outputs


def _decoder_state(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The decoder's tensors under our names; its positions are computed."""
    found = {}
    for name, tensor in state.items():
        for old, new in _RENAMED.items():
            if name.startswith(old):
                found[new + name.removeprefix(old)] = tensor.float()
    if "mask_token" in state:
        found["mask_token"] = state["mask_token"].float().flatten()
    return found
