"""What every engine does when memory runs out: fewer tiles at once, for good, and a word about it."""

from __future__ import annotations

import gc
import re
from abc import ABC, abstractmethod

import torch

from nirlora.errors import DeviceError

_NO_MEMORY = (MemoryError, torch.OutOfMemoryError)
# The CPU's allocators and ONNX Runtime have no error class of their own for this.
_NO_MEMORY_TEXT = re.compile(r"out of memory|can't allocate|failed to allocate|bad.?alloc|alloc_failed", re.I)


class HalvingEngine(ABC):
    """An :class:`~nirlora.inference.engine.Engine` but for the forward pass.

    Attributes:
        memory_errors: Classes of errors among which running out of memory is.
    """

    device: torch.device
    device_name: str
    num_classes: int
    batch: int
    warnings: list[str]
    memory_errors: tuple[type[Exception], ...] = (RuntimeError, MemoryError)

    @abstractmethod
    def _forward(self, x: torch.Tensor, out_px: tuple[int, int]) -> torch.Tensor:
        """Logits of at most ``batch`` tiles."""

    @torch.inference_mode()
    def predict(self, x: torch.Tensor, out_px: tuple[int, int]) -> torch.Tensor:
        """See :class:`~nirlora.inference.engine.Engine`."""
        parts: list[torch.Tensor] = []
        done = 0
        while done < len(x):
            chunk = x[done : done + self.batch]
            logits = self._try(chunk, out_px)
            if logits is None:
                self._halve(len(chunk))
                continue
            parts.append(logits)
            done += len(chunk)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _try(self, x: torch.Tensor, out_px: tuple[int, int]) -> torch.Tensor | None:
        """Logits, or None if memory was not enough."""
        try:
            return self._forward(x, out_px)
        except self.memory_errors as error:
            if isinstance(error, _NO_MEMORY) or _NO_MEMORY_TEXT.search(str(error)):
                return None
            raise

    def _halve(self, failed: int) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if failed == 1:
            raise DeviceError(
                f"One tile does not fit into the memory of {self.device_name}.",
                hint="Choose a smaller --tile-px, or --device cpu.",
            )
        self.batch = failed // 2
        self.warnings.append(
            f"{self.device_name} ran out of memory with {failed} tiles at once; went on with {self.batch}."
        )
