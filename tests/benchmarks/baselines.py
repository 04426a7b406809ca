"""What users have today, on the same labels and splits: random forests on pixels, and a small U-Net."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor, nn

UNLABELLED = 255
SCALES = (1.0, 2.0, 4.0, 8.0, 16.0)


def pixel_features(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The channels of each pixel: ``(C, H, W) -> (H * W, C)``."""
    return x.reshape(x.shape[0], -1).T


def neighbourhood_features(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Channels plus mean, deviation and gradient at five scales: ``(C, H, W) -> (H * W, C + 3 * 5 * C)``."""
    planes = list(x)
    for channel in x:
        for sigma in SCALES:
            mean = ndimage.gaussian_filter(channel, sigma)
            square = ndimage.gaussian_filter(channel * channel, sigma)
            gradient = ndimage.gaussian_gradient_magnitude(channel, sigma)
            planes += [mean, np.sqrt(np.maximum(square - mean * mean, 0)), gradient]
    return np.stack(planes).reshape(len(planes), -1).T.astype(np.float32)


def fit_forest(
    features: Sequence[NDArray[np.float32]], labels: Sequence[NDArray[np.uint8]], seed: int
) -> RandomForestClassifier:
    """Random forest of 200 balanced trees on at most 5000 labelled pixels of each class."""
    x = np.concatenate([f[y.ravel() != UNLABELLED] for f, y in zip(features, labels, strict=True)])
    y = np.concatenate([y[y != UNLABELLED] for y in labels])
    rng = np.random.default_rng(seed)
    rows = np.concatenate(
        [rng.permutation(np.flatnonzero(y == value))[:5000] for value in np.unique(y)],
    )
    forest = RandomForestClassifier(200, class_weight="balanced", n_jobs=2, random_state=seed)
    return forest.fit(x[rows], y[rows])


class UNet(nn.Module):
    """A four-level U-Net (1.1 M parameters) trained from scratch by the project's own loop."""

    def __init__(self, channels: int, num_classes: int, widths: tuple[int, ...] = (24, 48, 96, 192)) -> None:
        super().__init__()
        self.num_classes = num_classes
        down = zip((channels, *widths[:-1]), widths, strict=True)
        self.down = nn.ModuleList([_double(i, o) for i, o in down])
        up = [(widths[i] + widths[i - 1], widths[i - 1]) for i in range(len(widths) - 1, 0, -1)]
        self.up = nn.ModuleList([_double(i, o) for i, o in up])
        self.head = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N, K, H, W)`` of images ``(N, C, H, W)``, H and W multiples of 8."""
        levels: list[Tensor] = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.max_pool2d(x, 2))
            levels.append(x)
        for block, level in zip(self.up, levels[-2::-1], strict=True):
            x = F.interpolate(x, size=level.shape[-2:], mode="bilinear", align_corners=False)
            x = block(torch.cat((x, level), 1))
        return self.head(x)

    def trainable_state(self) -> dict[str, Tensor]:
        """All parameters; the loop asks a model for this."""
        return dict(self.state_dict())

    def load_trainable_state(self, state: dict[str, Tensor]) -> None:
        """Put parameters back."""
        self.load_state_dict(state)


def _double(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in (inputs, outputs):
        layers += [nn.Conv2d(i, outputs, 3, padding=1, bias=False), nn.GroupNorm(8, outputs), nn.GELU()]
    return nn.Sequential(*layers)
