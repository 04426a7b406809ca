"""A linear probe: a logistic regression on a frozen token, every pixel the class of its token."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from accuracy import reference, score
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from splits import LabelledRaster, SplitSet

from nirlora.bands import ChannelReader, fit_transform
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import build_segmenter
from nirlora.models.weights import resolve_backbone
from nirlora.raster.grid import TileGrid, Window
from nirlora.raster.source import open_raster

TILE = 192  # model pixels: the size of training chips
_MOST_TOKENS = 20_000


@dataclass(frozen=True)
class Probe:
    """What is probed how.

    Attributes:
        backbone: As after ``--backbone``.
        bands: As after ``--bands``.
        zoom: Model pixels per raster pixel; the patch must be a multiple of it.
        pretrained: False: the same network with random weights.
    """

    backbone: str
    bands: str = "nir"
    zoom: int = 1
    pretrained: bool = True


def probe(what: Probe, split: SplitSet, seed: int) -> np.ndarray:
    """Confusion on the test pixels; rows are the reference."""
    name, source = resolve_backbone(what.backbone)
    roles = tuple(what.bands.split(","))
    config = ModelConfig(
        backbone=name,
        backbone_source=source,
        pretrained=what.pretrained,
        num_channels=len(roles),
        channel_roles=roles,
        adapter="frozen",
        head="linear",
        seed=seed,
    )
    network = build_segmenter(config).eval()
    cell = network.patch // what.zoom
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sources = [open_raster(str(r.image)) for r in split.train]
        transform = fit_transform(sources, what.bands).with_normalisation(*network.normalisation)
    for source in sources:
        source.close()
    x, y = [], []
    for raster in split.train:
        features, labels = _features(network, transform, raster, what), reference(raster, split)
        values, share = _token_labels(labels, features.shape[1:], len(split.classes), cell)
        x.append(features[:, share].T)
        y.append(values[share])
    inputs, wanted = np.concatenate(x), np.concatenate(y)
    chosen = np.random.default_rng(seed).permutation(len(inputs))[:_MOST_TOKENS]
    scaler = StandardScaler().fit(inputs[chosen])
    model = LogisticRegression(max_iter=500, class_weight="balanced")
    model.fit(scaler.transform(inputs[chosen]), wanted[chosen])
    total = np.zeros((len(split.classes),) * 2, np.int64)
    for raster in split.test:
        features = _features(network, transform, raster, what)
        flat = model.predict(scaler.transform(features.reshape(len(features), -1).T))
        drawn = flat.reshape(features.shape[1:]).repeat(cell, 0).repeat(cell, 1).astype(np.uint8)
        shape = reference(raster, split).shape
        total += score(raster, split, drawn[: shape[0], : shape[1]])
    return total


@torch.inference_mode()
def _features(network: torch.nn.Module, transform: object, raster: LabelledRaster, what: Probe) -> np.ndarray:
    """Features (d, rows, cols) of the tokens of a raster, in tiles of the size of training chips."""
    zoom, cell = what.zoom, network.patch // what.zoom
    with open_raster(str(raster.image)) as source:
        reader = ChannelReader(source, transform, what.bands)
        rows, cols = -(-source.height // cell), -(-source.width // cell)
        out = np.zeros((network.backbone.dim, rows, cols), np.float32)
        grid = TileGrid.cover(source.width, source.height, TILE // zoom, 0, multiple=cell)
        for tile in grid:  # starts moved to whole tokens: tiles overlap a little more, the last one wins
            row, col = tile.row_off // cell, tile.col_off // cell
            window = Window(col * cell, row * cell, tile.width + cell, tile.height + cell)
            x, _ = reader.read(window, (window.height * zoom, window.width * zoom))
            made = network.backbone(torch.from_numpy(x)[None])[0].numpy()
            height, width = min(made.shape[1], rows - row), min(made.shape[2], cols - col)
            out[:, row : row + height, col : col + width] = made[:, :height, :width]
    return out


def _token_labels(
    labels: np.ndarray, shape: tuple[int, int], classes: int, cell: int
) -> tuple[np.ndarray, np.ndarray]:
    """Commonest class of every token of ``cell`` pixels, and which tokens are labelled by half or more."""
    padded = np.full((shape[0] * cell, shape[1] * cell), 255, np.uint8)
    padded[: labels.shape[0], : labels.shape[1]] = labels
    tokens = padded.reshape(shape[0], cell, shape[1], cell)
    counts = np.stack([(tokens == value).sum(axis=(1, 3)) for value in range(classes)])
    return counts.argmax(0), counts.sum(0) >= cell * cell // 2
