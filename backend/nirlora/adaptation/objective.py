"""What the training loop knows of an objective."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nirlora.errors import ModelError
from nirlora.models.backbones.base import Backbone


class Objective(nn.Module):
    """A backbone with what turns images into losses.

    Subclasses implement :meth:`forward` and, where they keep a teacher, the other methods.

    Attributes:
        backbone: What is trained.
        fresh: Something around it starts random; until that has settled, the backbone is held back.
    """

    backbone: Backbone
    fresh: bool = True

    def forward(self, batch: dict[str, Tensor], fraction: float) -> dict[str, Tensor]:
        """Losses of a batch: ``loss`` is trained on, the others are for the reader.

        Args:
            batch: What the objective's sampler makes.
            fraction: Share of the run that is over, 0..1.
        """
        raise NotImplementedError

    def before_step(self, fraction: float) -> None:
        """Called when gradients are there and the optimiser has not stepped yet."""

    def after_step(self, fraction: float) -> None:
        """Called when the optimiser has stepped."""

    @property
    def result(self) -> Backbone:
        """The backbone that a run gives, its LoRA not merged yet."""
        return self.backbone

    def saved_names(self) -> set[str]:
        """Names in the state dict that training changes: what a checkpoint must hold."""
        trained = {n for n, p in self.named_parameters() if p.requires_grad}
        return trained | {n for n, _ in self.named_buffers() if n in self.state_dict()}

    def saved_state(self) -> dict[str, Tensor]:
        """The tensors of :meth:`saved_names`, not copied."""
        state, names = self.state_dict(), self.saved_names()
        return {n: state[n] for n in sorted(names)}

    @torch.no_grad()
    def load_saved_state(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`saved_state` gave.

        Raises:
            ModelError: Tensors are missing, unknown or of another shape.
        """
        own = self.saved_state()
        if own.keys() != state.keys() or any(own[n].shape != state[n].shape for n in own):
            raise ModelError(
                "The checkpoint holds the state of another network.",
                hint="Adapt without --resume, or with the version that wrote it.",
            )
        for name, tensor in own.items():
            tensor.copy_(state[name])
