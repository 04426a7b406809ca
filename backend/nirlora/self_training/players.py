"""The networks of a run: who learns, who teaches, who tells the fields apart; and what trains them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from nirlora.models.segmenter import Segmenter
from nirlora.self_training.discriminator import Discriminator, domain_width
from nirlora.self_training.schedule import discriminator_factor, student_factor
from nirlora.self_training.student import Student, make_teacher
from nirlora.training.schedule import backbone_share, warmup_cosine


@dataclass
class Players:
    """The networks of a run and what trains them.

    Attributes:
        student: What learns.
        net: The student as accelerate prepared it.
        teacher: Its average; None where LoRA alone keeps it steady, or nothing does.
        align: The discriminator ``D``; None without an adversarial term.
        domain: The plain domain classifier ``Dis``.
        optimizer: Of the student; :func:`make_optimizers` makes it.
        game: Optimiser of both discriminators.
    """

    student: Student
    net: nn.Module
    teacher: Student | None = None
    align: Discriminator | None = None
    domain: Discriminator | None = None
    optimizer: Any = None
    game: Any = None

    @property
    def result(self) -> Student:
        """What makes the pseudo-labels, and the model in the end."""
        return self.teacher or self.student


@dataclass(frozen=True)
class Rates:
    """Peak learning rates and how they go.

    Attributes:
        head: Of the head and the auxiliary head.
        backbone: Of what is trained inside the backbone.
        discriminator: Of both discriminators.
        weight_decay: Of the student.
        schedule: ``cosine``, as any training of this product goes, or ``transda``.
        backbone_warmup: Share of a stage over which the backbone's rate rises, with ``cosine``.
    """

    head: float
    backbone: float
    discriminator: float = 1e-4
    weight_decay: float = 0.01
    schedule: str = "cosine"
    backbone_warmup: float = 0.0


@dataclass(frozen=True)
class Cast:
    """Which networks take part.

    Attributes:
        num_classes: K, at least 2.
        teacher: An average of the student makes the pseudo-labels.
        adversary: There are discriminators.
        class_wise: ``D`` answers for every class.
        seed: Of the weights that start random.
    """

    num_classes: int
    teacher: bool = False
    adversary: bool = True
    class_wise: bool = False
    seed: int = 0


def build_players(segmenter: Segmenter, cast: Cast, accelerator: Accelerator) -> Players:
    """The networks around ``segmenter`` on the accelerator's device; the teacher starts as the student is."""
    width = domain_width(segmenter.backbone.stage_dims)
    align = domain = None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cast.seed)
        student = Student(segmenter, cast.num_classes)
        if cast.adversary:
            align = Discriminator(width, cast.num_classes if cast.class_wise else 0)
            domain = Discriminator(width)
    teacher = make_teacher(student.to(accelerator.device)) if cast.teacher else None
    if align is not None and domain is not None:
        align, domain = align.to(accelerator.device), domain.to(accelerator.device)
    return Players(student, accelerator.prepare(student), teacher, align, domain)


def make_optimizers(players: Players, rates: Rates, accelerator: Accelerator) -> None:
    """New optimisers: AdamW for heads and backbone, Adam for the discriminators."""
    trained = [(n, p) for n, p in players.student.named_parameters() if p.requires_grad]
    inside = "segmenter.backbone."
    groups = [
        {"params": [p for n, p in trained if not n.startswith(inside)], "lr": rates.head, "peak": rates.head},
        {
            "params": [p for n, p in trained if n.startswith(inside)],
            "lr": rates.backbone,
            "peak": rates.backbone,
        },
    ]
    players.optimizer = accelerator.prepare(torch.optim.AdamW(groups, weight_decay=rates.weight_decay))
    if players.align is not None and players.domain is not None:
        parameters = [*players.align.parameters(), *players.domain.parameters()]
        peak = rates.discriminator
        group = {"params": parameters, "lr": peak, "peak": peak}
        players.game = accelerator.prepare(torch.optim.Adam([group], betas=(0.9, 0.99)))


def set_rates(players: Players, rates: Rates, fraction: float, step: int) -> None:
    """Set all learning rates for step ``step`` of a stage of which ``fraction`` is over."""
    factor, late = student_factor(fraction), 1.0
    if rates.schedule == "cosine":
        factor, late = warmup_cosine(fraction, step), backbone_share(fraction, rates.backbone_warmup)
    heads, backbone = players.optimizer.param_groups
    heads["lr"], backbone["lr"] = heads["peak"] * factor, backbone["peak"] * factor * late
    if players.game is not None:
        for group in players.game.param_groups:
            group["lr"] = group["peak"] * discriminator_factor(fraction)
