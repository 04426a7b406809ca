"""What the model is to see of a raster, as the ``bands`` text of a request. Pure functions."""

from __future__ import annotations

from typing import Dict, Mapping, Sequence, Tuple

# The words of nirlora.bands.roles (a test compares them).
ROLES = (
    "coastal",
    "blue",
    "green",
    "yellow",
    "red",
    "rededge",
    "nir",
    "swir1",
    "swir2",
    "pan",
    "thermal",
    "alpha",
)
# Forms of input that the dock offers; "" asks the backend to find the near-infrared band.
FORMS = ("", "nir", "nir,red,green", "red,green,blue", "nir,ndvi")
OWN = "own"


def given_text(given: Mapping[str, int]) -> str:
    """Roles that the user set by hand, as ``nir=4,red=3``."""
    return ",".join(f"{role}={band}" for role, band in given.items())


def bands_text(form: str, given: Mapping[str, int]) -> str:
    """The request's ``bands``: a form, then the roles set by hand.

    Beside plain words, ``role=number`` only says where to find a band; hence "nir" is spelt out when roles
    are given and the form is left to the backend.
    """
    if not given:
        return form
    return f"{form or 'nir'},{given_text(given)}"


def changed_roles(detected: Sequence[str], chosen: Sequence[str]) -> Mapping[str, int]:
    """Role -> 1-based band where the user chose another role than the detected one.

    The first of two bands with one role wins, as a role can stand for one band only.
    """
    given: Dict[str, int] = {}
    for band, (before, now) in enumerate(zip(detected, chosen), 1):
        if now and now != before and now in ROLES:
            given.setdefault(now, band)
    return given


def missing_roles(form: str, roles: Sequence[str]) -> Tuple[str, ...]:
    """Roles that ``form`` needs and no band has; band numbers need none."""
    needs = {
        "ndvi": ("nir", "red"),
        "savi": ("nir", "red"),
        "gndvi": ("nir", "green"),
        "ndre": ("nir", "rededge"),
    }
    words = [word.strip().lower() for word in (form or "nir").split(",") if word.strip()]
    wanted = [role for word in words for role in needs.get(word, (word,)) if role in ROLES]
    have = {role.rstrip("0123456789").rstrip("_") if role not in ROLES else role for role in roles}
    return tuple(dict.fromkeys(role for role in wanted if role not in have))
