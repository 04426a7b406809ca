"""Galileo-nano: a remote-sensing ViT whose RGB token group is exactly a plain ViT without class token.

With one date and one channel group, a token is the patch embedding plus a constant (channel group, month and
date embedding) plus a sine-cosine position. Patch sizes 1..8 come from the 8 x 8 kernel by the pseudo-inverse
resize of FlexiViT; positions are computed for whatever grid the image has.

Options after the name: ``p1`` .. ``p8`` (patch size, default 4), ``nir`` (the encoder's own NIR group in
place of RGB, for reference: that one has seen near-infrared), ``gsd1`` .. ``gsd100`` (the ground sampling
distance in metres the encoder is told, by which it scales its positions; default 2).

The encoder was trained on crops of up to 96 px of 10 m and knows no positions beyond. Told 2 m, a tile of
480 px stays within them. (Measured on the RedEdge orchard, trained on 96 px chips, patch 8, two seeds: mIoU
in 304 px tiles .64 and .68 told 2 m, .47 and .61 told 10 m; in 96 px tiles .62 and .64 against .63 and .60.)
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn import functional

from nirlora.errors import OptionError
from nirlora.models.backbones.base import Backbone, BackboneSpec

_GROUPS = {"S2_RGB": 1, "S2_NIR_10m": 3}  # index into the group embedding
_MONTH = 6
_GSD_M = 2.0


def sincos_1d(dim: int, positions: torch.Tensor) -> torch.Tensor:
    """Galileo's sine-cosine code (n, dim) of positions (n,); the frequencies run over 10000^(-k / 2d)."""
    omega = torch.arange(dim // 2, device=positions.device) / dim / 2.0
    angles = positions.float()[:, None] * (1.0 / 10000**omega)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def sincos_2d(dim: int, rows: int, cols: int, ratio: float, device: torch.device) -> torch.Tensor:
    """Position code (rows, cols, dim): first half from the column, second half from the row."""
    x = sincos_1d(dim // 2, torch.arange(cols, device=device) * ratio)
    y = sincos_1d(dim // 2, torch.arange(rows, device=device) * ratio)
    return torch.cat([x[None].expand(rows, -1, -1), y[:, None].expand(-1, cols, -1)], dim=-1)


def resize_kernel(weight: torch.Tensor, size: int) -> torch.Tensor:
    """FlexiViT's pseudo-inverse resize of patch kernels (O, C, b, b) to (O, C, size, size).

    Source: Beyer et al. 2022, FlexiViT, arXiv:2212.08013.
    """
    base = weight.shape[-1]
    if size == base:
        return weight
    basis = torch.eye(base * base).view(-1, 1, base, base)
    resized = functional.interpolate(basis, (size, size), mode="bicubic", antialias=True)
    inverse = torch.linalg.pinv(resized.flatten(1))  # (size², base²)
    kernel: torch.Tensor = (weight.flatten(2) @ inverse.T).view(*weight.shape[:2], size, size)
    return kernel


class GalileoViT(VisionTransformer):  # type: ignore[misc]
    """A ViT with a constant token offset and computed positions in place of a position table."""

    def __init__(self, patch: int, in_chans: int, gsd_m: float) -> None:
        super().__init__(
            img_size=8 * patch,
            patch_size=patch,
            in_chans=in_chans,
            embed_dim=128,
            depth=4,
            num_heads=8,
            num_classes=0,
            class_token=False,
            global_pool="",
            pos_embed="none",
            dynamic_img_size=True,
            norm_layer=partial(nn.LayerNorm, eps=1e-5),
        )
        self.token_offset = nn.Parameter(torch.zeros(96))
        self.ratio = gsd_m * patch / 10.0

    def _pos_embed(self, x: torch.Tensor) -> torch.Tensor:
        n, rows, cols, dim = x.shape
        position = sincos_2d(dim // 4, rows, cols, self.ratio, x.device)
        offset = self.token_offset.expand(rows, cols, -1)
        x = x + torch.cat([offset, position.to(offset.dtype)], dim=-1)
        return x.reshape(n, rows * cols, dim)


class GalileoBackbone(Backbone):
    """Patch tokens of Galileo-nano."""

    def __init__(self, spec: BackboneSpec, patch: int, group: str, gsd_m: float) -> None:
        net = GalileoViT(patch, in_chans=3 if group == "S2_RGB" else 1, gsd_m=gsd_m)
        super().__init__(spec, net, patch=patch, stride=patch)
        self.group = group

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, 128, H / p, W / p)."""
        out = self.net.forward_intermediates(x, indices=1, norm=self.final_norm, intermediates_only=True)
        features: torch.Tensor = out[0]
        return features

    def translate(self, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The published encoder to this network: q, k, v fused, kernel resized, B2 B3 B4 turned to R G B."""
        sd = {k.replace(".backbone", ""): v.float() for k, v in state.items()}
        kernel = sd[f"space_time_embed.{self.group}.proj.weight"]
        if self.group == "S2_RGB":
            kernel = kernel.flip(1)
        out = {
            "patch_embed.proj.weight": resize_kernel(kernel, self.patch).contiguous(),
            "patch_embed.proj.bias": sd[f"space_time_embed.{self.group}.proj.bias"],
            "token_offset": torch.cat(
                [
                    sd["s_t_channel_embed"][_GROUPS[self.group]],
                    sd["pos_embed"][0],
                    sd["month_embed.weight"][_MONTH],
                ]
            ),
        }
        for kind in ("weight", "bias"):
            out[f"norm.{kind}"] = sd[f"norm.{kind}"]
            for block in (f"blocks.{i}." for i in range(4)):
                fused = [sd[f"{block}attn.{x}.{kind}"] for x in "qkv"]
                out[f"{block}attn.qkv.{kind}"] = torch.cat(fused)
                for part in ("norm1", "norm2", "attn.proj", "mlp.fc1", "mlp.fc2"):
                    out[f"{block}{part}.{kind}"] = sd[f"{block}{part}.{kind}"]
        return out


def build_galileo(spec: BackboneSpec, options: tuple[str, ...]) -> Backbone:
    """Galileo-nano with the options of the module's docstring."""
    patch, group, gsd_m = spec.patch, "S2_RGB", _GSD_M
    for option in options:
        if option == "nir":
            group = "S2_NIR_10m"
        elif option[:1] == "p" and option[1:].isdigit() and 1 <= int(option[1:]) <= 8:
            patch = int(option[1:])
        elif option[:3] == "gsd" and option[3:].isdigit() and 1 <= int(option[3:]) <= 100:
            gsd_m = float(option[3:])
        else:
            raise OptionError(f"{spec.name} has no option {option!r}.", hint=f"Known are {spec.options}.")
    return GalileoBackbone(spec, patch, group, gsd_m)


SPECS: tuple[BackboneSpec, ...] = (
    BackboneSpec(
        name="galileo-nano",
        timm_name="",
        patch=4,
        stride=4,
        dim=128,
        mean=(0.0, 0.0, 0.0),  # its own scaling, (x - (mean - 2 std)) / (4 std), is the unit range already
        std=(1.0, 1.0, 1.0),
        hub="",
        revision="",
        source="Tseng et al. 2025, Galileo, arXiv:2502.09356; nasaharvest/galileo 0f0b5b95, data/models/nano",
        licence="mit",
        family="galileo",
        build=build_galileo,
        options="p1 to p8, gsd1 to gsd100, and nir",
    ),
)
