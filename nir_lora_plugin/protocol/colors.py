"""Default class colours, the same in QGIS and in the backend: by a name's meaning, else easily told apart."""

from __future__ import annotations

from typing import List, Mapping, Optional, Sequence, Tuple

# Paul Tol's "bright" and "muted" schemes, told apart with common colour blindness.
_PALETTE = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#882255", "#44aa99",
    "#999933", "#332288", "#ddcc77", "#117733", "#cc6677", "#88ccee", "#aa4499", "#777777",
)  # fmt: skip

# What people expect of the commonest class names; the first word found decides.
_EXPECTED = (
    ("weed", "#d9421e"), ("tree", "#1b6b2f"), ("forest", "#1b6b2f"), ("wood", "#1b6b2f"),
    ("crop", "#8bc34a"), ("field", "#8bc34a"), ("grass", "#b9d77a"), ("herb", "#b9d77a"),
    ("meadow", "#b9d77a"), ("shrub", "#7a9a3a"), ("soil", "#b08a5b"), ("bare", "#c8a878"),
    ("sparse", "#d8c59a"), ("water", "#2f7fc1"), ("shadow", "#3b3b52"), ("road", "#8a8a8a"),
    ("build", "#b5524f"), ("develop", "#b5524f"), ("urban", "#b5524f"), ("snow", "#e6f2fa"),
    ("cloud", "#cfd8dc"), ("other", "#bdb6a6"), ("background", "#bdb6a6"),
)  # fmt: skip


def default_colors(names: Sequence[str], known: Optional[Mapping[str, str]] = None) -> Tuple[str, ...]:
    """One ``#rrggbb`` per class name: the known one, else by the name's meaning, else the next free.

    Args:
        names: Class names.
        known: Name -> colour, where the user has chosen.
    """
    known = known or {}
    used = set(known.values())
    free = [c for c in _PALETTE if c not in used]
    result: List[str] = []
    for i, name in enumerate(names):
        expected = next((c for word, c in _EXPECTED if word in name.lower() and c not in used), "")
        color = known.get(name) or expected or (free.pop(0) if free else _PALETTE[i % len(_PALETTE)])
        used.add(color)
        result.append(color)
    return tuple(result)
