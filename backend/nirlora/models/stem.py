"""How the channels of a raster meet a patch embedding that was trained on red, green and blue.

The kernel of the patch embedding is a tensor (O, 3, p, p). No mode puts the red kernel on the near-infrared
band without being asked to.

replicate   every channel gets the sum of the RGB kernels, divided by C. One channel: exactly as if the band
            were fed three times. Several: as if their mean were fed three times.
rgb         three channels that are red, green and blue: each gets its own kernel, whatever their order.
by_role     red, green and blue channels keep their kernels, every other channel gets the mean of the three;
            all scaled by 3 / C, so that the tokens keep their size. (For one NIR channel the same as
            replicate, for exactly RGB the same as rgb.)
positional  three channels meet the three kernels in the given order: the NIR composite of the LoRA-NIR paper.
own         the channels the backbone was trained on: each gets its own kernel, whatever their order.
auto        one channel: replicate; exactly red, green, blue: rgb; else by_role.

A backbone that was adapted to other channels (``own`` below) has one kernel for each of these; then the same
holds with them in place of red, green and blue, and ``auto`` is own where the channels are the same, else
by_role.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from nirlora.errors import OptionError
from nirlora.models.backbones.base import RGB

STEMS = ("auto", "replicate", "rgb", "own", "by_role", "positional")


def resolve_stem(mode: str, roles: Sequence[str], own: Sequence[str] = RGB) -> str:
    """The mode that ``auto`` stands for, after checking that ``mode`` fits the channels.

    Args:
        mode: One of :data:`STEMS`.
        roles: Role of every channel, C of them.
        own: Roles that the patch embedding was trained on, in the order of its kernels.

    Raises:
        OptionError: No such mode, or it does not fit these channels.
    """
    if mode not in STEMS:
        raise OptionError(f"There is no stem {mode!r}.", hint=f"Known are {', '.join(STEMS)}.")
    same, on_rgb = sorted(roles) == sorted(own), tuple(own) == RGB
    if mode == "auto":
        if same:
            return "rgb" if on_rgb else "own"
        return "replicate" if len(roles) == 1 and on_rgb else "by_role"
    if mode in ("rgb", "own") and not (same and (on_rgb or mode == "own")):
        wanted = "red, green and blue" if mode == "rgb" else f"of this backbone, {_list(own)}"
        raise OptionError(
            f"Stem {mode} needs the channels {wanted}, got {_list(roles)}.",
            hint="Use --stem auto, or name these channels with --bands.",
        )
    if mode == "positional" and len(roles) != len(own):
        count = "three" if len(own) == 3 else str(len(own))
        raise OptionError(
            f"Stem positional needs {count} channels, got {len(roles)}.", hint="Use --stem auto."
        )
    return mode


def mixing(mode: str, roles: Sequence[str], own: Sequence[str] = RGB) -> torch.Tensor:
    """How much of each kernel of the backbone every channel gets: (C, len(own)), rows are channels."""
    mode = resolve_stem(mode, roles, own)
    count, kernels = len(roles), len(own)
    if mode == "replicate":
        return torch.full((count, kernels), 1.0 / count)
    if mode == "positional" or tuple(roles) == tuple(own):
        return torch.eye(kernels)
    rows = [torch.tensor([float(role == x and role != "") for x in own]) for role in roles]
    rows = [row if row.any() else torch.full((kernels,), 1.0 / kernels) for row in rows]
    return torch.stack(rows) * (kernels / count)


def _list(roles: Sequence[str]) -> str:
    return ", ".join(r or "?" for r in roles)


def adapt_kernel(
    weight: torch.Tensor, mode: str, roles: Sequence[str], own: Sequence[str] = RGB
) -> torch.Tensor:
    """The kernel (O, C, p, p) for these channels from a kernel (O, len(own), p, p).

    A kernel for one channel (O, 1, p, p) of an RGB backbone is taken as if it had been split evenly over
    R, G and B.
    """
    if weight.shape[1] == 1 and tuple(own) == RGB:
        weight = weight.expand(-1, 3, -1, -1) / 3.0
    matrix = mixing(mode, roles, own).to(weight)
    if torch.equal(matrix.sum(1), torch.ones_like(matrix[:, 0])) and torch.all((matrix == 0) | (matrix == 1)):
        return weight[:, matrix.argmax(1)].clone()  # a selection: bit for bit
    return torch.einsum("oiyx,ci->ocyx", weight, matrix)


def adapt_conv(conv: nn.Conv2d, mode: str, roles: Sequence[str], own: Sequence[str] = RGB) -> nn.Conv2d:
    """A patch embedding for ``len(roles)`` channels in place of that for ``own``; the bias stays."""
    out = nn.Conv2d(
        len(roles),
        conv.out_channels,
        kernel_size=(conv.kernel_size[0], conv.kernel_size[1]),
        stride=(conv.stride[0], conv.stride[1]),
        padding=0,
        bias=conv.bias is not None,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    )
    if conv.weight.is_meta:
        return out
    with torch.no_grad():
        out.weight.copy_(adapt_kernel(conv.weight, mode, roles, own))
        if out.bias is not None and conv.bias is not None:
            out.bias.copy_(conv.bias)
    return out


def normalisation(
    mode: str, roles: Sequence[str], mean: Sequence[float], std: Sequence[float], own: Sequence[str] = RGB
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std (unit range) that the backbone expects of every channel.

    A channel that meets one kernel gets that kernel's; a channel that meets all gets their average.
    """
    rows = mixing(mode, roles, own)
    rows = rows / rows.sum(1, keepdim=True)

    def per_channel(values: Sequence[float]) -> tuple[float, ...]:
        return tuple(
            round(float(v), 6) for v in rows.double() @ torch.tensor(list(values), dtype=torch.float64)
        )

    return per_channel(mean), per_channel(std)
