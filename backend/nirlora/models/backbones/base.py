"""What every backbone is to the rest of the code: images in, a feature map out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
RGB = ("red", "green", "blue")


@dataclass
class TokenGrid:
    """Rows and columns of tokens of the images that are in the network now, for adapters that need them."""

    rows: int = 0
    cols: int = 0


@dataclass(frozen=True)
class BackboneSpec:
    """One row of the backbone table.

    Attributes:
        name: What the user types.
        timm_name: Architecture in timm; empty when the network is built here.
        patch: Input height and width must be multiples of this.
        stride: Input pixels per feature pixel.
        dim: Feature channels d.
        mean: Per RGB channel, of unit (0..1) input.
        std: Per RGB channel, of unit input.
        hub: Repository on the hub; empty when the weights are not there.
        revision: Branch or commit asked for when the model card knows none yet.
        source: The paper or project the weights come from.
        licence: Licence of the weights.
        family: ``vit``, ``sam``, ``swin`` or ``galileo``.
        build: Makes the network with random weights, ``build(spec, options)``.
        pretrained: Whether pretrained weights exist at all.
        token_px: Raster pixels that a token covers in trainings, unless the user says otherwise.
        options: What may follow the name after a colon, in words; empty: nothing may.
    """

    name: str
    timm_name: str
    patch: int
    stride: int
    dim: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    hub: str
    revision: str
    source: str
    licence: str
    family: str
    build: Callable[[BackboneSpec, tuple[str, ...]], Backbone]
    pretrained: bool = True
    token_px: int = 8
    options: str = ""


class Backbone(nn.Module):
    """A network ``net`` with a patch embedding convolution ``net.patch_embed.proj`` and fused-qkv attention.

    Subclasses implement :meth:`features` and, where files differ from ``net``'s own names, :meth:`translate`.

    Attributes:
        roles: What its patch embedding was trained on; the published ones on red, green and blue.
        mean, std: Per such channel, what it expects of unit (0..1) input.
        token_width: Of the tokens in the last block; features may be wider (Swin) or narrower (SAM).
    """

    net: Any  # timm networks are not typed

    def __init__(self, spec: BackboneSpec, net: nn.Module, *, patch: int = 0, stride: int = 0) -> None:
        super().__init__()
        self.spec = spec
        self.net = net
        self.patch = patch or spec.patch
        self.stride = stride or spec.stride
        self.dim = spec.dim
        self.token_width = width_of(self.blocks()[-1][1])  # before adapters wrap anything
        self.final_norm = True
        self.grid = TokenGrid()
        self.roles: tuple[str, ...] = RGB
        self.mean: tuple[float, ...] = spec.mean
        self.std: tuple[float, ...] = spec.std

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, d, H / stride, W / stride) of standardised images (N, C, H, W)."""
        self.grid.rows, self.grid.cols = x.shape[-2] // self.stride, x.shape[-1] // self.stride
        return self.features(x)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """See :meth:`forward`."""
        raise NotImplementedError

    def stages(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Feature maps shallow to deep, (N, d_i, h_i, w_i) each, of which :meth:`join` makes the features.

        A plain ViT has one stage, a hierarchical network several.
        """
        return (self(x),)

    def join(self, stages: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """The features (N, d, H / stride, W / stride) of what :meth:`stages` gave."""
        return stages[-1]

    @property
    def stage_dims(self) -> tuple[int, ...]:
        """Channels of every stage."""
        return (self.dim,)

    def translate(self, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Rename and reshape tensors of a published weights file to those of ``net``."""
        return dict(state)

    @property
    def patch_conv(self) -> nn.Conv2d:
        """The convolution that meets the image channels."""
        conv = self.net.get_submodule("patch_embed.proj")
        if not isinstance(conv, nn.Conv2d):
            raise TypeError(f"patch embedding of {self.spec.name} is {type(conv).__name__}, expected Conv2d")
        return conv

    def set_patch_conv(self, conv: nn.Conv2d) -> None:
        """Replace :attr:`patch_conv`."""
        self.net.get_submodule("patch_embed").proj = conv

    def set_channels(self, roles: tuple[str, ...]) -> None:
        """Take other channels than red, green and blue; the new patch embedding is random."""
        old = self.patch_conv
        if old.in_channels != len(roles):
            kernel, stride = (old.kernel_size[0], old.kernel_size[1]), (old.stride[0], old.stride[1])
            new = nn.Conv2d(len(roles), old.out_channels, kernel, stride, bias=old.bias is not None)
            self.set_patch_conv(new)
        self.roles = roles

    def attentions(self) -> list[tuple[str, nn.Module]]:
        """(name inside this backbone, attention module) of every block, shallow to deep."""
        return [(n, m) for n, m in self.named_modules() if isinstance(getattr(m, "qkv", None), nn.Module)]

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """(name inside this backbone, transformer block) of every block, shallow to deep."""
        names = [name.rpartition(".")[0] for name, _ in self.attentions()]
        return [(name, self.get_submodule(name)) for name in names]


def width_of(block: nn.Module) -> int:
    """Token width d of a transformer block."""
    norm = block.get_submodule("norm1")
    return int(norm.get_parameter("weight").shape[0])
