"""All tiles as one memory-mapped array, decoded once, with what is known of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pretraining.sources import ROLES, SIDE, Source

_SHARES = {"naip": 0.80, "raster": 0.12, "generated": 0.08}  # of the draws


@dataclass(frozen=True)
class TileSet:
    """Tiles and how their values become model input.

    Attributes:
        values: uint8 (n, 4, SIDE, SIDE): red, green, blue, near-infrared.
        low, high: (n, 4), 2nd and 98th percentile of the source a tile is from: 0 and 1 of the unit range.
        share: (n,), how often each is drawn; sums to 1.
        facts: One record per source, for the card.
    """

    values: NDArray[np.uint8]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    share: NDArray[np.float64]
    facts: list[dict[str, object]]


def write_tiles(sources: list[Source], folder: Path) -> None:
    """Write ``tiles.npy`` and ``tiles.json``; the latter last, so that it says that all is there."""
    folder.mkdir(parents=True, exist_ok=True)
    count = sum(len(s.tiles) for s in sources)
    store = np.lib.format.open_memmap(
        folder / "tiles.npy", mode="w+", dtype=np.uint8, shape=(count, len(ROLES), SIDE, SIDE)
    )
    facts, start = [], 0
    for source in sources:
        store[start : start + len(source.tiles)] = source.tiles
        start += len(source.tiles)
        low, high = np.quantile(
            source.tiles[:, :, ::3, ::3].swapaxes(0, 1).reshape(4, -1), (0.02, 0.98), axis=1
        )
        facts.append(
            {
                "name": source.name,
                "kind": source.kind,
                "licence": source.licence,
                "tiles": len(source.tiles),
                "low": low.tolist(),
                "high": high.tolist(),
            }
        )
    store.flush()
    part = folder / "tiles.json.part"
    part.write_text(json.dumps(facts, indent=1) + "\n")
    part.rename(folder / "tiles.json")


def read_tiles(folder: Path) -> TileSet:
    """What :func:`write_tiles` wrote; the array stays on the disk."""
    facts = json.loads((folder / "tiles.json").read_text())
    counts = [fact["tiles"] for fact in facts]
    of_kind = {kind: sum(f["tiles"] for f in facts if f["kind"] == kind) for kind in _SHARES}
    share = np.repeat([_SHARES[f["kind"]] / of_kind[f["kind"]] for f in facts], counts)
    low, high = (
        np.repeat(np.array([f[k] for f in facts], np.float32), counts, axis=0) for k in ("low", "high")
    )
    values = np.load(folder / "tiles.npy", mmap_mode="r")
    return TileSet(values, low, np.maximum(high, low + 1), share / share.sum(), facts)
