"""Self-distillation as in DINOv2: a student learns to say of crops and masked patches what a teacher says.

The teacher is the running mean of the student (LoRA's factors are averaged as factors, as in the published
code, which is not the mean of their product) and is what a run gives. A backbone without class token is
summarised by the mean of its patch tokens. The heads start random: no published ones exist.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from nirlora.adaptation.dino_losses import (
    centred,
    dino_loss,
    ibot_loss,
    koleo_loss,
    sinkhorn,
    teacher_momentum,
    teacher_temperature,
)
from nirlora.adaptation.heads import DinoHead
from nirlora.adaptation.objective import Objective
from nirlora.adaptation.tokens import encode
from nirlora.models.backbones.base import Backbone

Network = TypeVar("Network", bound=nn.Module)

_TEACHERS = {"backbone": "teacher", "head": "teacher_head"}
_KOLEO_WEIGHT = 0.1
_CENTRE_MOMENTUM = 0.9
_STILL_SHARE = 0.03  # of the run, at whose start the head's last layer is held still


@dataclass(frozen=True)
class Teaching:
    """How the teacher's scores become targets: ``center`` or ``sinkhorn``, and its first momentum."""

    centering: str = "center"
    momentum: float = 0.992


class DinoObjective(Objective):
    """Student, teacher and heads with the losses between them.

    Args:
        backbone: The student, its trainable parameters chosen.
        head: For the summary of an image and for its patches alike.
        teaching: See :class:`Teaching`.
    """

    centres: Tensor

    def __init__(self, backbone: Backbone, head: DinoHead, teaching: Teaching) -> None:
        super().__init__()
        self.teaching = teaching
        self.backbone, self.head = backbone, head
        self.mask_token = nn.Parameter(torch.zeros(backbone.net.embed_dim))
        self.teacher = _twin(backbone)
        self.teacher_head = _twin(head)
        self.register_buffer("centres", torch.zeros(2, head.direction.shape[0]))

    def forward(self, batch: dict[str, Tensor], fraction: float) -> dict[str, Tensor]:
        """Losses of ``globals`` (2N, C, H, W), ``locals`` (nN, C, h, w) and what is ``masked`` (2N, L).

        Views of one kind lie one after another: the first views of all N images, then the second. The m
        masked patches of all views are those ``masked_at`` (m,) in (2N * L), and weigh ``weights`` (m,).
        """
        masked, at = batch["masked"], batch["masked_at"]
        summaries, patches = self._targets(batch["globals"], at, fraction)
        seen = encode(self.backbone, batch["globals"], masked=masked, mask_token=self.mask_token)
        near = encode(self.backbone, batch["locals"]) if len(batch["locals"]) else None
        n = len(batch["globals"]) // 2
        globals_ = self.head(seen.summary).chunk(2)
        locals_ = self.head(near.summary).chunk(len(near.summary) // n) if near else ()
        dino = dino_loss(globals_, locals_, summaries.chunk(2))
        hidden = self.head(seen.patches.flatten(0, 1)[at])
        ibot = ibot_loss(hidden, patches, batch["weights"], len(masked))
        koleo = torch.stack([koleo_loss(z) for z in seen.summary.chunk(2)]).sum()
        entropy = -(summaries * summaries.clamp(min=1e-12).log()).sum(-1).mean()
        return {
            "loss": dino + ibot + _KOLEO_WEIGHT * koleo,
            "dino": dino.detach(),
            "ibot": ibot.detach(),
            "koleo": koleo.detach(),
            "entropy": entropy,
        }

    def train(self, mode: bool = True) -> DinoObjective:
        """Only the student trains: the teacher never drops anything."""
        super().train(mode)
        self.teacher.eval()
        self.teacher_head.eval()
        return self

    def before_step(self, fraction: float) -> None:
        """Hold the head's last layer still at the start of a run."""
        if fraction < _STILL_SHARE:
            for parameter in self.head.last_layer():
                parameter.grad = None

    @torch.no_grad()
    def after_step(self, fraction: float) -> None:
        """Move the teacher towards the student."""
        keep = teacher_momentum(fraction, self.teaching.momentum)
        for student, teacher in ((self.backbone, self.teacher), (self.head, self.teacher_head)):
            follow(student, teacher, keep)

    @property
    def result(self) -> Backbone:
        """The backbone that is kept: the teacher, as in DINOv2."""
        return self.teacher

    def saved_names(self) -> set[str]:
        """The teacher's counterparts too."""
        names = super().saved_names()
        return names | {
            _TEACHERS[n.split(".")[0]] + n[n.index(".") :] for n in names if n.split(".")[0] in _TEACHERS
        }

    @torch.no_grad()
    def _targets(self, images: Tensor, at: Tensor, fraction: float) -> tuple[Tensor, Tensor]:
        """Of the summaries (2N, K) and of the masked patches (m, K)."""
        seen = encode(self.teacher, images)
        scores = self.teacher_head(seen.summary), self.teacher_head(seen.patches.flatten(0, 1)[at])
        temperature = teacher_temperature(fraction)
        targets = []
        for i, part in enumerate(scores):
            if self.teaching.centering == "sinkhorn":
                targets.append(sinkhorn(part, temperature) if len(part) else part)
            else:
                targets.append(centred(part, self.centres[i], temperature))
                if len(part):
                    self.centres[i].lerp_(part.float().mean(0), 1 - _CENTRE_MOMENTUM)
        return targets[0], targets[1]


def follow(student: nn.Module, teacher: nn.Module, keep: float) -> None:
    """``teacher = keep * teacher + (1 - keep) * student`` for what trains in the student."""
    followers = dict(teacher.named_parameters(remove_duplicate=False))
    for name, parameter in student.named_parameters():
        if parameter.requires_grad:
            followers[name].mul_(keep).add_(parameter.detach(), alpha=1.0 - keep)


def _twin(student: Network) -> Network:
    """A copy that never gets gradients and shares the memory of what does not train in the student."""
    frozen = {id(p): p for p in student.parameters() if not p.requires_grad}
    return copy.deepcopy(student, frozen).requires_grad_(False).eval()
