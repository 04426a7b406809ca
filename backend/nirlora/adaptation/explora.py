"""ExPLoRA: which parameters of a Vision Transformer go on learning without labels.

Chosen blocks train whole, all others get LoRA on q and v alone; every norm and the class token train, the
position embedding and everything else stays. After training the LoRA is folded in: a plain network remains.

Source: Khanna, Irgau, Lobell, Ermon 2024, ExPLoRA, arXiv:2406.10973, and its published code, from which comes
LoRA's scale 1 / rank (alpha 1). That "all norms train" was inferred from the published parameter counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from nirlora.adapters import lora
from nirlora.errors import OptionError
from nirlora.models.backbones.base import Backbone

FAMILIES = ("vit", "galileo")


@dataclass(frozen=True)
class ExploraOptions:
    """What trains.

    Attributes:
        unfreeze: Blocks that train whole: ``last``, ``none``, numbers from 1 (``1,last``, ``1,23,24``), or
            ``all``, which means every parameter of the backbone.
        rank: Of LoRA in the other blocks; 0: no LoRA.
        alpha: LoRA is scaled by alpha / rank; 0: equal to rank.
        patch_embedding: Whether the patch embedding trains, as it must for channels new to it, and as it
            does with ``all``.
    """

    unfreeze: str = "last"
    rank: int = 64
    alpha: float = 1.0
    patch_embedding: bool = False


def apply(backbone: Backbone, options: ExploraOptions) -> None:
    """Add LoRA to ``backbone`` in place and set ``requires_grad`` of all its parameters.

    Raises:
        OptionError: It is no plain Vision Transformer, or ``unfreeze`` names blocks that it does not have.
    """
    check_family(backbone)
    net = backbone.net
    blocks: list[nn.Module] = list(net.blocks)
    chosen = unfrozen_blocks(options.unfreeze, len(blocks))
    if options.unfreeze == "all":
        backbone.requires_grad_(True)
        return
    backbone.requires_grad_(False)
    attentions = [attention for _, attention in backbone.attentions()]
    others = [a for i, a in enumerate(attentions) if i not in chosen]
    if others and options.rank:
        lora.inject(backbone, others, options.rank, options.alpha)
    for index in chosen:
        blocks[index].requires_grad_(True)
    unfreeze_norms(net)
    if net.cls_token is not None:
        net.cls_token.requires_grad_(True)
    if options.patch_embedding:
        net.patch_embed.requires_grad_(True)


def merge(backbone: Backbone) -> None:
    """Fold LoRA into the weights: what remains has the plain network's names and the same outputs."""
    lora.merge(backbone)


def unfreeze_norms(network: nn.Module) -> None:
    """Let every parameter train whose name says that it is a norm's."""
    for name, parameter in network.named_parameters():
        if "norm" in name:
            parameter.requires_grad_(True)


def unfrozen_blocks(unfreeze: str, count: int) -> frozenset[int]:
    """0-based indices of the blocks that train whole, out of ``count``.

    Raises:
        OptionError: Not of the form that :class:`ExploraOptions` tells.
    """
    if unfreeze in ("none", "all"):
        return frozenset(range(count) if unfreeze == "all" else ())
    words = [word.strip() for word in unfreeze.split(",")]
    numbers = [count if word == "last" else int(word) if word.isdecimal() else 0 for word in words]
    if not all(1 <= number <= count for number in numbers):
        raise OptionError(
            f"--unfreeze {unfreeze!r} cannot be used; this backbone has blocks 1 to {count}.",
            hint="Write last, 1,last, none, all, or block numbers with commas between.",
        )
    return frozenset(number - 1 for number in numbers)


def check_family(backbone: Backbone) -> None:
    """Refuse what is no plain Vision Transformer.

    Raises:
        OptionError: It is none.
    """
    spec = backbone.spec
    if spec.family not in FAMILIES:
        raise OptionError(
            f"{spec.name} cannot be adapted without labels: it is no plain Vision Transformer.",
            hint="Use a backbone such as vit-base, mae-base, dinov2-base or galileo-nano.",
        )


def apply_decoder(decoder: nn.Module, rank: int, alpha: float, *, train_outputs: bool) -> None:
    """Of a decoder with published weights: LoRA on q and v of its blocks and its norms; the rest is frozen.

    Args:
        decoder: With ``blocks`` and ``pred``. One that starts random trains whole and is not given here.
        rank: Of LoRA; 0: none.
        alpha: As for the backbone.
        train_outputs: Whether its last layer trains too, as it must for other channels than published; in
            ExPLoRA it does so together with the patch embedding.
    """
    decoder.requires_grad_(False)
    if rank:
        attentions = [block.get_submodule("attn") for block in decoder.get_submodule("blocks").children()]
        lora.inject(decoder, attentions, rank, alpha)
    unfreeze_norms(decoder)
    decoder.get_submodule("pred").requires_grad_(train_outputs)
