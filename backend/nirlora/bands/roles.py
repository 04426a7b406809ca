"""Band roles: the names, where in the spectrum they lie, and how several bands of one role are told apart.

Within one raster every role occurs once. Of several near-infrared bands the one nearest to the usual
wavelength is ``nir``, the next is ``nir2``, and so on; the same for ``rededge``, ``rededge2``, ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

COASTAL = "coastal"
BLUE = "blue"
GREEN = "green"
YELLOW = "yellow"
RED = "red"
REDEDGE = "rededge"
NIR = "nir"
NIR2 = "nir2"
SWIR1 = "swir1"
SWIR2 = "swir2"
PAN = "pan"
THERMAL = "thermal"
ALPHA = "alpha"

BASES = (COASTAL, BLUE, GREEN, YELLOW, RED, REDEDGE, NIR, SWIR1, SWIR2, PAN, THERMAL, ALPHA)

# (role, first nm, first nm beyond, usual centre): covers the bands of all sensors in sensors.py.
_SPECTRUM = (
    (COASTAL, 400, 448, 443),
    (BLUE, 448, 515, 480),
    (GREEN, 515, 580, 560),
    (YELLOW, 580, 630, 610),
    (RED, 630, 690, 665),
    (REDEDGE, 690, 785, 717),
    (NIR, 785, 1100, 842),
    (SWIR1, 1500, 1800, 1610),
    (SWIR2, 2000, 2500, 2200),
    (THERMAL, 8000, 14000, 10800),
)
_CENTRES = {role: centre for role, _, _, centre in _SPECTRUM}


@dataclass(frozen=True)
class Guess:
    """What is known of one band.

    Attributes:
        base: Role without its number, ``""`` when unknown.
        number: 2 for a band that calls itself the second of its role; 0 when it does not say.
        nm: Centre wavelength in nanometres; 0 when unknown.
    """

    base: str = ""
    number: int = 0
    nm: float = 0.0


def base_role(role: str) -> str:
    """``rededge3`` -> ``rededge``; roles of their own such as ``swir2`` stay."""
    return role if role in BASES else role.rstrip("0123456789").rstrip("_")


def is_role(name: str) -> bool:
    """Whether ``name`` can stand for a band role, such as ``nir`` or ``rededge2``."""
    return base_role(name) in BASES


def role_of_wavelength(nm: float) -> str:
    """Role of a band centred at ``nm`` nanometres, ``""`` between the usual bands."""
    return next((role for role, low, high, _ in _SPECTRUM if low <= nm < high), "")


def number_roles(guesses: Sequence[Guess]) -> tuple[str, ...]:
    """Give every band a role of its own.

    Args:
        guesses: One per band.

    Returns:
        One role per band, each at most once; ``""`` where nothing is known.
    """
    roles = [""] * len(guesses)
    for base in dict.fromkeys(g.base for g in guesses if g.base):
        members = [i for i, g in enumerate(guesses) if g.base == base]
        taken: dict[int, int] = {}
        for i in members:
            if guesses[i].number and guesses[i].number not in taken:
                taken[guesses[i].number] = i
        free = [i for i in members if i not in taken.values()]
        for i in _by_nearness(base, free, guesses):
            taken[next(n for n in range(1, len(members) + 2) if n not in taken)] = i
        if 1 not in taken:  # a file with band 8A only: that one is its near-infrared
            taken[1] = taken.pop(min(taken))
        gap = "_" if base[-1].isdigit() else ""  # a second swir1 is swir1_2
        for number, i in taken.items():
            roles[i] = base if number == 1 else f"{base}{gap}{number}"
    return tuple(roles)


def _by_nearness(base: str, members: Sequence[int], guesses: Sequence[Guess]) -> list[int]:
    """The band nearest to the role's usual wavelength first, then upwards in wavelength or file order."""
    if not members or not all(guesses[i].nm for i in members) or base not in _CENTRES:
        return list(members)
    nearest = min(members, key=lambda i: abs(guesses[i].nm - _CENTRES[base]))
    rest = sorted((i for i in members if i != nearest), key=lambda i: guesses[i].nm)
    return [nearest, *rest]
