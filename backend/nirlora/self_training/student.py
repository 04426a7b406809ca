"""The network that learns, and the slow copy of it that may teach."""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nirlora.models.logits import class_logits
from nirlora.models.segmenter import Segmenter
from nirlora.self_training.auxiliary import AuxiliaryHead
from nirlora.self_training.discriminator import domain_stage, domain_width


@torch.no_grad()
def copy_norms(teacher: nn.Module, student: nn.Module) -> None:
    """Give the teacher's batch norms the student's statistics."""
    for slow, quick in zip(teacher.modules(), student.modules(), strict=True):
        if isinstance(slow, _BatchNorm) and isinstance(quick, _BatchNorm):
            for own, other in zip(slow.buffers(), quick.buffers(), strict=True):
                own.copy_(other)


@contextmanager
def still_norms(net: nn.Module, wanted: bool = True) -> Generator[None]:
    """Batch norms go on using the statistics of their batch, but do not remember them."""
    norms = [m for m in net.modules() if wanted and isinstance(m, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with ``prefix``, without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


@dataclass(frozen=True)
class Seen:
    """What a network makes of a batch, in float32.

    Attributes:
        logits: (N, K, H, W), one per class also for a binary model.
        auxiliary: (N, K, H, W).
        features: (N, C, h, w) of the stage that the discriminators look at.
    """

    logits: Tensor
    auxiliary: Tensor
    features: Tensor

    def detach(self) -> Seen:
        """The same as constants."""
        return Seen(self.logits.detach(), self.auxiliary.detach(), self.features.detach())


class Student(nn.Module):
    """A segmenter with an auxiliary head on the stage that the discriminators look at."""

    def __init__(self, segmenter: Segmenter, num_classes: int) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.auxiliary = AuxiliaryHead(domain_width(segmenter.backbone.stage_dims), num_classes)

    def forward(self, x: Tensor) -> Seen:
        """(N, C, H, W) standardised images to what is seen in them."""
        logits, stages = self.segmenter.outputs(x)
        features = domain_stage(stages)
        auxiliary = self.auxiliary(features, (x.shape[-2], x.shape[-1]))
        return Seen(class_logits(logits.float()), auxiliary.float(), features.float())

    def trainable_state(self) -> dict[str, Tensor]:
        """Everything that training changes, by name."""
        own = {f"segmenter.{k}": v for k, v in self.segmenter.trainable_state().items()}
        return own | {f"auxiliary.{k}": v for k, v in self.auxiliary.state_dict().items()}

    def load_trainable_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what :meth:`trainable_state` gave."""
        self.segmenter.load_trainable_state(below(state, "segmenter."))
        self.auxiliary.load_state_dict(below(state, "auxiliary."))


def make_teacher(student: Student) -> Student:
    """A copy that learns by averaging alone, never by gradients: it is only ever asked without them.

    Tensors that nobody trains are shared, not copied.
    """
    shared: dict[int, object] = {id(p): p for p in student.parameters() if not p.requires_grad}
    return copy.deepcopy(student, shared)


@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, rate: float) -> None:
    """``teacher <- (1 - rate) teacher + rate student`` for every trained parameter, buffers left alone.

    LoRA's two factors are averaged each for itself, which is not the average of their product.
    """
    for slow, quick in zip(teacher.parameters(), student.parameters(), strict=True):
        if quick.requires_grad:
            slow.lerp_(quick, rate)


@torch.no_grad()
def estimate_norms(net: nn.Module, images: Iterable[Tensor]) -> None:
    """Set the statistics of all batch norms to those of ``images``; the net is in eval mode afterwards.

    In a round a teacher runs on target images alone, in training mode. A student sees both fields in turns,
    so that its own statistics are a mixture that it never computed with. (The target's statistics: Li et al.
    2016, Revisiting Batch Normalization for Practical Domain Adaptation, arXiv:1603.04779.)
    """
    norms = [m for m in net.modules() if isinstance(m, _BatchNorm)]
    net.eval()
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over batches
        norm.train()
    for x in images:
        net(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
