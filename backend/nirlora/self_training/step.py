"""One iteration of self-training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from nirlora.models.logits import to_raster
from nirlora.self_training import auxiliary
from nirlora.self_training.adversary import claim, domain_loss
from nirlora.self_training.draws import Batch
from nirlora.self_training.players import Players
from nirlora.self_training.student import Seen, ema_update, still_norms
from nirlora.self_training.weights import source_weights, target_weights
from nirlora.training.losses import segmentation_loss


@dataclass(frozen=True)
class StepConfig:
    """Weights of an iteration.

    Attributes:
        adversarial_weight: Of the adversarial term.
        clip_norm: Of the student's gradient; 0: not clipped.
        ema_rate: Share of the student in the teacher's update.
        dice_weight: Of the soft Dice on the source's labels; 0, as in TransDA: cross-entropy alone.
        class_weights: Of the cross-entropy on the source's labels; empty: all classes alike.
        auxiliary_weight: Of the auxiliary head's loss beside the head's; 0.4 in TransDA.
        source_norms: The student's batch norms keep the statistics of the source alone.
    """

    adversarial_weight: float = 0.001
    clip_norm: float = 1.0
    ema_rate: float = 0.001
    dice_weight: float = 0.0
    class_weights: tuple[float, ...] = ()
    auxiliary_weight: float = auxiliary.WEIGHT
    source_norms: bool = False


def iteration(
    players: Players,
    source: Batch,
    target: Batch,
    config: StepConfig,
    accelerator: Accelerator,
    *,
    pseudo: bool,
) -> Tensor:
    """Learn from the source's labels, from the target's pseudo-labels if there are any, and from the game.

    Where no teacher looks at the target, the student's own look is used: in a round the one that learns from
    the pseudo-labels, so that nothing is computed twice; in the warm-up one in eval mode.

    Args:
        players: Changed in place.
        source: With labels.
        target: With pseudo-labels where ``pseudo``.
        config: Weights.
        accelerator: Device and precision.
        pseudo: Whether the target trains.

    Returns:
        The student's loss, detached.
    """
    plays = players.align is not None
    players.optimizer.zero_grad(set_to_none=True)
    images, seen_s = _to_device(source, accelerator)
    with accelerator.autocast():
        ours = players.net(images)
    loss = _labelled_loss(ours, source, accelerator, config, known=True)
    total = loss.detach()
    said_s = weights_s = None
    if players.align is not None and players.domain is not None:
        said_s = players.domain(ours.features.detach(), _size(ours))
        weights_s = source_weights(ours.logits, said_s, seen_s)
        players.align.requires_grad_(False)  # it is played against here, not trained
        answer = players.align(ours.features, _size(ours))
        loss = loss + config.adversarial_weight * claim(answer, ours.logits.detach(), weights_s, source=False)
        players.align.requires_grad_(True)
    accelerator.backward(loss)
    ours = ours.detach()
    images, seen_t = _to_device(target, accelerator)
    theirs = _teachers_look(players, images, accelerator, wanted=plays and not pseudo)
    if pseudo:
        with accelerator.autocast(), still_norms(players.student, config.source_norms):
            look = players.net(images)
        loss = _labelled_loss(look, target, accelerator, config, known=False)
        accelerator.backward(loss)
        total = total + loss.detach()
        theirs = theirs or look.detach()
    if config.clip_norm:
        accelerator.clip_grad_norm_(players.net.parameters(), config.clip_norm)
    players.optimizer.step()
    if theirs is not None and said_s is not None and weights_s is not None:
        _train_discriminators(players, (ours, said_s, weights_s, seen_s), (theirs, seen_t), accelerator)
    if players.teacher is not None:
        ema_update(players.teacher, players.student, config.ema_rate)
    return total


def _labelled_loss(
    look: Seen, batch: Batch, accelerator: Accelerator, config: StepConfig, *, known: bool
) -> Tensor:
    """The head's loss and a share of the auxiliary head's, at the labels' resolution.

    Pseudo-labels (not ``known``) have neither Dice nor weights: where they are wrong about a rare class, both
    would insist.
    """
    labels = torch.from_numpy(batch.labels).to(accelerator.device, non_blocking=True)
    size = (labels.shape[1], labels.shape[2])
    dice = config.dice_weight if known else 0.0
    weights = look.logits.new_tensor(config.class_weights) if known and config.class_weights else None
    own = segmentation_loss(to_raster(look.logits, size), labels, dice, weights)
    if not config.auxiliary_weight:
        return own
    inner = segmentation_loss(to_raster(look.auxiliary, size), labels, dice, weights)
    return own + config.auxiliary_weight * inner


@torch.no_grad()
def _teachers_look(
    players: Players, images: Tensor, accelerator: Accelerator, *, wanted: bool
) -> Seen | None:
    """What the teacher sees in the target (always: its batch norms learn by it), or the student if asked."""
    if players.teacher is not None:
        players.teacher.train()
        with accelerator.autocast():
            seen: Seen = players.teacher(images)
        return seen
    if not wanted:
        return None
    players.student.eval()
    with accelerator.autocast():
        seen = players.net(images)
    players.student.train()
    return seen


def _train_discriminators(
    players: Players,
    source: tuple[Seen, Tensor, Tensor, Tensor],
    target: tuple[Seen, Tensor],
    accelerator: Accelerator,
) -> None:
    """Both learn to tell the fields apart; the pixels that could be of either count least."""
    if players.align is None or players.domain is None:
        return
    ours, said_s, weights_s, seen_s = source
    theirs, seen_t = target
    players.game.zero_grad(set_to_none=True)
    said_t = players.domain(theirs.features, _size(theirs))
    accelerator.backward(domain_loss(said_s, seen_s, source=True) + domain_loss(said_t, seen_t, source=False))
    weights_t = target_weights(theirs.logits, said_t, seen_t)
    for look, weights, is_source in ((ours, weights_s, True), (theirs, weights_t, False)):
        answer = players.align(look.features, _size(look))
        accelerator.backward(0.5 * claim(answer, look.logits, weights, source=is_source))
    players.game.step()


def _to_device(batch: Batch, accelerator: Accelerator) -> tuple[Tensor, Tensor]:
    images = torch.from_numpy(batch.images).to(accelerator.device, non_blocking=True)
    seen = torch.from_numpy(batch.seen).to(accelerator.device, non_blocking=True)
    return images, seen[:, None]


def _size(look: Seen) -> tuple[int, int]:
    return look.logits.shape[-2], look.logits.shape[-1]
