"""A backbone with an adapter, and a head: the network that is trained and that draws the map."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nirlora.adapters import (
    AdapterOptions,
    AdapterPart,
    adapter_spec,
    add_adapter,
    own_options,
    read_options,
)
from nirlora.adapters.base import AnyAdapter
from nirlora.errors import ModelError, OptionError
from nirlora.models import stem
from nirlora.models.backbones import Backbone, build_backbone
from nirlora.models.backbones.base import RGB
from nirlora.models.config import ModelConfig
from nirlora.models.heads import HeadOptions, build_head, head_spec
from nirlora.models.weights import backbone_input, load_backbone_weights


class Segmenter(nn.Module):
    """Logits (N, K, H, W) from standardised images (N, C, H, W).

    Attributes:
        config: What it was built from, the hub's commit filled in.
        backbone: Features at ``stride``; H and W must be multiples of ``patch``.
        head: Features and image to logits.
        backbone_sha256: Hash of the pretrained weights; empty when there are none.
    """

    def __init__(self, config: ModelConfig, backbone: Backbone, head: nn.Module, sha256: str) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.head = head
        self.backbone_sha256 = sha256
        self.merged = False

    @staticmethod
    def make_head(config: ModelConfig, backbone: Backbone) -> nn.Module:
        """The head that ``config`` asks for, random."""
        options = HeadOptions(
            dim=backbone.dim,
            stride=backbone.stride,
            num_channels=config.num_channels,
            num_classes=config.num_classes,
            aspp_rates=config.aspp_rates,
            stage_dims=backbone.stage_dims,
        )
        return build_head(config.head, options)

    @property
    def adapter(self) -> AnyAdapter:
        """The adapter's spec."""
        return adapter_spec(self.config.adapter)

    @property
    def patch(self) -> int:
        """H and W of the input must be multiples of this."""
        return self.backbone.patch

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(mean, std) per channel that the backbone expects of unit inputs."""
        known = self.backbone
        return stem.normalisation(self.config.stem, _roles(self.config), known.mean, known.std, known.roles)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to logits (N, K, H, W).

        Raises:
            OptionError: H or W is no multiple of the patch size.
        """
        return self.outputs(x)[0]

    def outputs(self, x: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """As :meth:`forward`, and the backbone's stages besides.

        Raises:
            OptionError: H or W is no multiple of the patch size.
        """
        stages = self.stages(x)
        with self._grad():
            features = stages if head_spec(self.config.head).staged else self.backbone.join(stages)
        logits: torch.Tensor = self.head(features, x)
        return logits, stages

    def stages(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The backbone's stages (N, d_i, h_i, w_i), shallow to deep, of (N, C, H, W).

        Raises:
            OptionError: H or W is no multiple of the patch size.
        """
        if x.shape[-2] % self.patch or x.shape[-1] % self.patch:
            raise OptionError(
                f"The input is {x.shape[-1]} x {x.shape[-2]} px, expected multiples of {self.patch}.",
                hint="Choose a tile or chip size that is a multiple of the patch size.",
            )
        with self._grad():
            return self.backbone.stages(x)

    def train(self, mode: bool = True) -> Segmenter:
        """As usual, but a frozen backbone stays in eval mode (dropout, drop path, running statistics).

        What the adapter added to it does not.
        """
        super().train(mode)
        if self.config.adapter != "full":
            self.backbone.eval()
            for part in self._adapter_parts().values():
                part.train(mode)
        return self

    def adapter_parameters(self) -> list[nn.Parameter]:
        """The backbone's trainable parameters."""
        return [p for p in self.backbone.parameters() if p.requires_grad]

    def head_parameters(self) -> list[nn.Parameter]:
        """The head's parameters, all trainable."""
        return list(self.head.parameters())

    def num_parameters(self) -> dict[str, int]:
        """Counts: ``adapter``, ``head``, ``trainable`` (their sum) and ``total``."""
        adapter = sum(p.numel() for p in self.adapter_parameters())
        head = sum(p.numel() for p in self.head_parameters())
        total = sum(p.numel() for p in self.parameters())
        return {"adapter": adapter, "head": head, "trainable": adapter + head, "total": total}

    def trainable_state(self) -> dict[str, torch.Tensor]:
        """What a model file must hold.

        Head and adapter; or everything, when the backbone cannot be fetched again (full fine-tuning, random).
        """
        state = {_public(k): v for k, v in self.state_dict().items()}
        if self._self_contained:
            return state
        kept = {_public(n) for n, p in self.named_parameters() if p.requires_grad}
        parts = ("head.", *(f"{_public(n)}." for n in self._adapter_parts()))
        return {k: v for k, v in state.items() if k in kept or k.startswith(parts)}

    def load_trainable_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore what :meth:`trainable_state` gave.

        Raises:
            ModelError: A tensor is missing, unknown, or of another shape.
        """
        own = self.trainable_state()
        missing, extra = sorted(set(own) - set(state)), sorted(set(state) - set(own))
        if missing or extra:
            what = f"lacks tensor {missing[0]}" if missing else f"has an unknown tensor {extra[0]}"
            raise ModelError(f"The model {what}.", hint="It was written for another architecture or version.")
        for name, tensor in own.items():
            if state[name].shape != tensor.shape:
                raise ModelError(
                    f"Tensor {name} is {tuple(state[name].shape)}, expected {tuple(tensor.shape)}.",
                    hint="The model file does not fit its own card.",
                )
            with torch.no_grad():
                tensor.copy_(state[name])

    def merge(self) -> Segmenter:
        """Fold the adapter into the backbone and batch norms into convolutions, in place.

        For inference: the outputs stay, the mode becomes eval, and training ends here.
        """
        if not self.merged:
            self.eval()
            self.adapter.merge(self.backbone)
            _fold_batch_norms(self.head)
            self.merged = True
        return self

    def _grad(self) -> torch.set_grad_enabled:
        """Gradients through the backbone, where there is something to train in it."""
        return torch.set_grad_enabled(torch.is_grad_enabled() and self.config.adapter != "frozen")

    def _adapter_parts(self) -> dict[str, AdapterPart]:
        return {n: m for n, m in self.named_modules() if isinstance(m, AdapterPart)}

    @property
    def _self_contained(self) -> bool:
        return is_self_contained(self.config, self.backbone_sha256)


Network = TypeVar("Network", bound=Segmenter)


def is_self_contained(config: ModelConfig, backbone_sha256: str) -> bool:
    """Whether a model file holds the whole network.

    It does where nobody else could fetch the backbone: it was trained too, started random, or was adapted.
    """
    return config.adapter == "full" or not backbone_sha256 or bool(config.backbone_roles)


def build_segmenter(config: ModelConfig) -> Segmenter:
    """The network of ``config``, weights loaded, adapter at its start (which changes nothing).

    Raises:
        OptionError: A name or option does not exist or fit.
        WeightsUnavailable: The backbone's weights cannot be had.
        ModelError: The backbone's weights are damaged.
    """
    return build_network(config, Segmenter)


def build_network(config: ModelConfig, kind: type[Network]) -> Network:
    """As :func:`build_segmenter`, of a network with another head."""
    _check_sizes(config)
    if config.pretrained and not config.backbone_roles:
        known = backbone_input(config.backbone, config.backbone_source)
        config = replace(config, backbone_roles=known.adapted_roles)
    roles = _roles(config)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # timm and peft warn of their own internals
        torch.manual_seed(config.seed)
        backbone = build_backbone(config.backbone)
        sha256 = ""
        if config.pretrained and (backbone.spec.pretrained or config.backbone_source):
            loaded = load_backbone_weights(backbone, config.backbone_source, config.backbone_revision)
            sha256, config = loaded.sha256, replace(config, backbone_revision=loaded.revision)
        elif config.backbone_roles:
            backbone.set_channels(config.backbone_roles)
        return _assemble(kind, config, backbone, roles, sha256)


def parameter_counts(config: ModelConfig, kind: type[Segmenter] = Segmenter) -> dict[str, int]:
    """:meth:`Segmenter.num_parameters` of ``config`` without weights, memory or time spent on them.

    Raises:
        OptionError: As :func:`build_segmenter` would.
    """
    _check_sizes(config)
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backbone = build_backbone(config.backbone)
        backbone.set_channels(config.backbone_roles or backbone.roles)
        return _assemble(kind, config, backbone, _roles(config), "").num_parameters()


def _assemble(
    kind: type[Network], config: ModelConfig, backbone: Backbone, roles: tuple[str, ...], sha256: str
) -> Network:
    backbone.final_norm = config.final_norm
    backbone.set_patch_conv(stem.adapt_conv(backbone.patch_conv, config.stem, roles, backbone.roles))
    config = _with_adapter(config, backbone)
    return kind(config, backbone, kind.make_head(config, backbone), sha256)


def _with_adapter(config: ModelConfig, backbone: Backbone) -> ModelConfig:
    """Add the adapter to ``backbone``; the config with all of the adapter's options filled in."""
    common = AdapterOptions(config.rank, config.alpha, config.blocks)
    options = read_options(adapter_spec(config.adapter), common, config.adapter_options)
    add_adapter(config.adapter, backbone, options)
    return replace(config, adapter_options=own_options(options))


def _roles(config: ModelConfig) -> tuple[str, ...]:
    roles = config.channel_roles or ("",) * config.num_channels
    if len(roles) != config.num_channels or not roles:
        raise OptionError(f"{len(roles)} channel roles for {config.num_channels} channels.")
    stem.resolve_stem(config.stem, roles, config.backbone_roles or RGB)
    return roles


def _fold_batch_norms(module: nn.Module) -> None:
    """Fold every batch norm that directly follows a convolution in an ``nn.Sequential`` into it."""
    for part in module.modules():
        if isinstance(part, nn.Sequential):
            for i in range(len(part) - 1):
                conv, norm = part[i], part[i + 1]
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    part[i], part[i + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()


def _check_sizes(config: ModelConfig) -> None:
    """Limits that no sensible model meets, so that a hostile card cannot ask for all the memory."""
    for name, value, top in (
        ("number of channels", config.num_channels, 1024),
        ("number of backbone channels", len(config.backbone_roles or RGB), 1024),
        ("number of classes", config.num_classes, 255),
        ("number of ASPP rates", len(config.aspp_rates), 16),
        ("rank", config.rank, 1024),
    ):
        if not 1 <= value <= top:
            raise OptionError(f"The {name} is {value}, expected 1 to {top}.")
    if any(not 1 <= rate <= 1024 for rate in config.aspp_rates):
        raise OptionError(f"ASPP rates are {config.aspp_rates}, expected 1 to 1024 each.")


def _public(name: str) -> str:
    """Names in model files do not depend on peft's adapter name."""
    for layer in ("lora_A", "lora_B", "ln_tuning_layers"):
        name = name.replace(f".{layer}.default.", f".{layer}.")
    return name
