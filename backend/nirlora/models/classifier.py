"""A backbone with an adapter and a pooled linear head: one class for a whole image or parcel."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from nirlora.models.backbones import Backbone
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import Segmenter, build_network

POOLED = "pooled"


class PooledHead(nn.Module):
    """The weighted mean of the tokens, standardised, then one linear layer: (d + 1) K parameters.

    The means of different images differ by a few per cent of their size, which a linear layer would be slow
    to find. So each feature is first standardised by its mean and deviation over the training samples, as
    the pretrained network gives them; these are fixed before the first step, see :meth:`fix_scale`. (Probes
    of self-supervised features have a batch norm there; fixed numbers do not depend on the batch.)
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(dim, num_classes)
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def forward(self, features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) of features (N, d, h, w), each token counting as weight (N, h, w) says.

        Where all weights are 0, all tokens count alike.
        """
        logits: torch.Tensor = self.classifier((self.pool(features, weight) - self.mean) / self.std)
        return logits

    def pool(self, features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """The weighted mean of the tokens (N, d); arguments as in :meth:`forward`."""
        weight = weight[:, None].to(features.dtype)
        if weight.shape[-2:] != features.shape[-2:]:
            weight = functional.adaptive_avg_pool2d(weight, (features.shape[-2], features.shape[-1]))
        total = weight.sum((2, 3), keepdim=True)
        weight = torch.where(total > 0, weight, 1.0)
        return (features * weight).sum((2, 3)) / weight.sum((2, 3))

    @torch.no_grad()
    def fix_scale(self, pooled: torch.Tensor) -> None:
        """Standardise from now on by the means and deviations of these pooled features (N, d)."""
        self.mean.copy_(pooled.mean(0))
        self.std.copy_(pooled.std(0, correction=0).clamp(min=1e-4 * float(pooled.abs().max()) + 1e-12))


class Classifier(Segmenter):
    """Logits (N, K) from standardised images (N, C, H, W) and the weight of each token.

    It reads the deepest stage of the backbone alone. Everything but the way forward it has in common with
    the network that draws maps.
    """

    head: PooledHead

    @staticmethod
    def make_head(config: ModelConfig, backbone: Backbone) -> nn.Module:
        """The pooled head; ``config.head`` says the same."""
        return PooledHead(backbone.stage_dims[-1], config.num_classes)

    def forward(self, x: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        """(N, C, H, W) to logits (N, K).

        Args:
            x: Images, H and W multiples of the patch.
            weight: (N, h, w) in 0..1, how much each token counts; None: all alike.

        Raises:
            OptionError: H or W is no multiple of the patch size.
        """
        features = self.stages(x)[-1]
        if weight is None:
            weight = features.new_ones(features.shape[0], *features.shape[-2:])
        logits: torch.Tensor = self.head(features, weight)
        return logits


def build_classifier(config: ModelConfig) -> Classifier:
    """As :func:`~nirlora.models.segmenter.build_segmenter`, with a pooled head.

    Raises:
        OptionError: A name or option does not exist or fit.
        WeightsUnavailable: The backbone's weights cannot be had.
        ModelError: The backbone's weights are damaged.
    """
    return build_network(config, Classifier)
