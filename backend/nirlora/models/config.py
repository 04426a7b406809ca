"""What a model is made of, as plain values that live in the model file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nirlora.protocol.codec import as_text


@dataclass(frozen=True)
class ModelConfig:
    """Everything needed to build a :class:`~nirlora.models.segmenter.Segmenter`.

    Attributes:
        backbone: A name of :data:`~nirlora.models.backbones.BACKBONES`, options after colons
            (``galileo-nano:p8``).
        backbone_source: File or folder the weights come from; empty: the hub.
        backbone_revision: Commit on the hub. Empty until the first download, which fills it in; from then
            on exactly that commit is asked for.
        backbone_roles: Of an adapted backbone, the channels its patch embedding knows; empty: published
            weights, which know red, green and blue. A model on an adapted backbone holds it whole.
        pretrained: False builds the backbone with random weights.
        stem: How the channels meet the patch embedding, see :mod:`nirlora.models.stem`.
        num_channels: Input channels C.
        channel_roles: Role of every channel ("nir", "red", ...; "" unknown); empty: all unknown.
        adapter: A name of :data:`nirlora.adapters.ADAPTERS`.
        rank: Rank of low-rank adapters.
        alpha: Numerator of the adapter's scale alpha / rank; 0: equal to rank, so the scale is 1.
        blocks: ``all`` or ``last:N``.
        adapter_options: The adapter's own options by name, see :mod:`nirlora.adapters.options`; those left
            out have their defaults, which :class:`Segmenter` fills in, so that a file holds them all.
        head: A name of :data:`nirlora.models.heads.HEADS`.
        aspp_rates: Dilations of the ``aspp`` head.
        num_classes: Output channels K.
        final_norm: Whether the backbone's last LayerNorm is applied (LoRA-NIR skips it).
        seed: Seed of everything that starts random.
    """

    backbone: str = "galileo-nano"
    backbone_source: str = ""
    backbone_revision: str = ""
    backbone_roles: tuple[str, ...] = ()
    pretrained: bool = True
    stem: str = "auto"
    num_channels: int = 1
    channel_roles: tuple[str, ...] = ()
    adapter: str = "lora"
    rank: int = 4
    alpha: float = 0.0
    blocks: str = "all"
    adapter_options: dict[str, Any] = field(default_factory=dict)
    head: str = "detail"
    aspp_rates: tuple[int, ...] = (12, 24, 36)
    num_classes: int = 2
    final_norm: bool = True
    seed: int = 0

    @property
    def adapter_words(self) -> str:
        """The adapter with its options, for people."""
        words = [self.adapter]
        if self.adapter == "lora":
            words.append(f"rank {self.rank}")
        if self.adapter not in ("frozen", "full"):
            words.append(f"{self.blocks} blocks")
        return ", ".join([*words, *(f"{k}={as_text(v)}" for k, v in self.adapter_options.items())])
