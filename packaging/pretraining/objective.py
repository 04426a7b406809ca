"""What is learnt: from some channels of some patches, all channels of all of them, and what a teacher sees.

Three losses, each a mean squared error of standardised values:

colour   of a visible patch, the channels that were not shown, and NDVI: what colour would this texture be?
         Read from the encoder's own tokens by one linear layer, so that a linear head finds it there.
fill     of a hidden patch, everything; drawn by a small decoder as in masked autoencoding (He et al. 2021,
         arXiv:2111.06377), which other than there also sees what lies in the channels it was not given.
teacher  of a visible patch, the token that Galileo-nano (Tseng et al. 2025, arXiv:2502.09356) makes of the
         same image in red, green and blue (the mean of those in the patch), normalised one by one.

Channels that are not shown are zero (the mean), and the others scaled by 4 / (number shown): exactly what the
stem ``by_role`` does to the kernels when it takes some of them, so that any of these sets is a set that the
encoder has seen. The result is the running mean of the encoder, which is ahead of the encoder itself for most
of a run, and lets a run be judged before its end.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nirlora.adaptation.dino import follow
from nirlora.adaptation.mae import MaeDecoder, patchify
from nirlora.adaptation.objective import Objective
from nirlora.adaptation.tokens import encode
from nirlora.models.backbones.base import Backbone
from pretraining.draws import MEAN, NIR, RED, STD

POOL = 2  # model pixels per pixel of what is predicted
_KEEP = 0.999  # of the running mean, once it has run


@dataclass(frozen=True)
class LossWeights:
    """Weight of each loss; 0 leaves it out."""

    colour: float = 1.0
    fill: float = 1.0
    teacher: float = 1.0


class PretrainObjective(Objective):
    """Encoder, its running mean, decoder and the two linear heads.

    Args:
        backbone: Random, of four channels: red, green, blue, near-infrared.
        teacher: Of red, green and blue in unit values, its patch a divisor of the backbone's; None where its
            loss has no weight.
        weights: Of the losses.
    """

    def __init__(self, backbone: Backbone, teacher: Backbone | None, weights: LossWeights) -> None:
        super().__init__()
        self.backbone, self.weights = backbone, weights
        self.mean = copy.deepcopy(backbone).requires_grad_(False).eval()
        self.register_buffer("steps", torch.zeros(()))
        width = int(backbone.net.embed_dim)
        outputs = (backbone.patch // POOL) ** 2 * 5
        self.decoder = MaeDecoder(width, 96, 2, 3, outputs)
        self.colour_head = nn.Linear(width, outputs)
        if teacher is not None and weights.teacher:
            self.teacher: Backbone | None = teacher.requires_grad_(False).eval()
            self.teacher_head = nn.Linear(width, teacher.dim)
        else:
            self.teacher = None

    steps: Tensor

    def forward(self, batch: dict[str, Tensor], fraction: float) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            batch: ``images`` (N, 4, H, W) standardised, in changed light; ``clean``, the same as they were;
                ``ndvi`` (N, 1, H, W); ``shown`` (N, 4), 1 for the channels that may be seen; ``keep`` (N, K),
                the patches that may be seen.
            fraction: Unused.
        """
        shown, keep = batch["shown"], batch["keep"]
        side = batch["images"].shape[-1] // self.backbone.patch
        seen = encode(self.backbone, show(batch["images"], shown), keep=keep)
        planes = functional.avg_pool2d(torch.cat([batch["clean"], batch["ndvi"]], 1), POOL)
        wanted = patchify(planes, self.backbone.patch // POOL)  # (N, L, pixels * 5), channels last
        losses: dict[str, Tensor] = {}
        if self.weights.colour:
            told = self.colour_head(seen.patches)
            losses["colour"] = colour_loss(told, _at(wanted, keep), shown)
        if self.weights.fill and keep.shape[1] < wanted.shape[1]:
            drawn = self.decoder(seen.prefix, seen.patches, keep, (side, side))
            hidden = torch.ones(wanted.shape[:2], device=keep.device).scatter(1, keep, 0.0)
            losses["fill"] = (((drawn - wanted) ** 2).mean(-1) * hidden).sum() / hidden.sum()
        if self.teacher is not None:
            losses["teacher"] = functional.mse_loss(self.teacher_head(seen.patches), self._taught(batch))
        total = sum((getattr(self.weights, k) * v for k, v in losses.items()), torch.zeros(()))
        return {"loss": total, **{k: v.detach() for k, v in losses.items()}}

    @torch.no_grad()
    def _taught(self, batch: dict[str, Tensor]) -> Tensor:
        if self.teacher is None:
            raise RuntimeError("there is no teacher")
        tokens = encode(self.teacher, batch["clean"][:, :3] * STD + MEAN).patches
        tokens = pool_tokens(tokens, self.backbone.patch // self.teacher.patch)
        return functional.layer_norm(_at(tokens, batch["keep"]), tokens.shape[-1:])

    @torch.no_grad()
    def after_step(self, fraction: float) -> None:
        """Move the running mean towards the encoder."""
        self.steps += 1
        count = float(self.steps)
        follow(self.backbone, self.mean, min(_KEEP, (1 + count) / (10 + count)))

    @property
    def result(self) -> Backbone:
        """The running mean."""
        return self.mean

    def saved_names(self) -> set[str]:
        """The running mean too."""
        return super().saved_names() | {n for n in self.state_dict() if n.startswith("mean.")}


def show(images: Tensor, shown: Tensor) -> Tensor:
    """``images`` (N, 4, H, W) with the channels that ``shown`` (N, 4) leaves, scaled as the stem scales."""
    factor = shown * (shown.shape[1] / shown.sum(1, keepdim=True))
    return images * factor[:, :, None, None]


def pool_tokens(tokens: Tensor, side: int) -> Tensor:
    """Means of ``side`` by ``side`` neighbouring tokens of a square image: (N, L, d) to (N, L / side², d)."""
    rows = round(tokens.shape[1] ** 0.5)
    grid = tokens.reshape(len(tokens), rows // side, side, rows // side, side, -1)
    return grid.mean((2, 4)).flatten(1, 2)


def colour_loss(told: Tensor, wanted: Tensor, shown: Tensor) -> Tensor:
    """Mean squared error over the planes of every image that cannot be read off what was shown.

    Args:
        told, wanted: (N, K, pixels * 5), channels last: red, green, blue, near-infrared, NDVI.
        shown: (N, 4). NDVI counts unless red and near-infrared are both shown.
    """
    ndvi = 1 - shown[:, RED] * shown[:, NIR]
    counts = torch.cat([1 - shown, ndvi[:, None]], 1)[:, None, None]  # (N, 1, 1, 5)
    error = ((told - wanted) ** 2).reshape(*told.shape[:2], -1, 5)
    per_plane = error.shape[1] * error.shape[2]
    loss: Tensor = (error * counts).sum() / (counts.sum() * per_plane).clamp(min=1)
    return loss


def _at(tokens: Tensor, keep: Tensor) -> Tensor:
    return tokens.gather(1, keep[:, :, None].expand(-1, -1, tokens.shape[-1]))
