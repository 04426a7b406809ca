"""The reader table. A new data set is one file with a spec, listed here."""

from __future__ import annotations

from nirlora.errors import OptionError
from nirlora.recipes.readers import (
    cityscapes,
    dstl,
    fmow_rgb,
    fmow_sentinel,
    gta5,
    resisc45,
    rit18,
    synthia,
    uc_merced,
)
from nirlora.recipes.readers.base import Domain, Images, ReaderSpec, Scene, Scenes

READERS: tuple[ReaderSpec, ...] = (
    uc_merced.SPEC,
    resisc45.SPEC,
    fmow_rgb.SPEC,
    fmow_sentinel.SPEC,
    dstl.SPEC,
    rit18.SPEC,
    gta5.SPEC,
    synthia.SPEC,
    cityscapes.SPEC,
)

_BY_NAME = {spec.name: spec for spec in READERS}
if len(_BY_NAME) != len(READERS):
    raise RuntimeError("two readers have the same name")


def reader_spec(name: str) -> ReaderSpec:
    """The spec of ``name``.

    Raises:
        OptionError: No reader has that name.
    """
    if name not in _BY_NAME:
        raise OptionError(f"There is no reader {name!r}.", hint=f"Known are {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]


__all__ = [
    "READERS",
    "Domain",
    "Images",
    "ReaderSpec",
    "Scene",
    "Scenes",
    "reader_spec",
]
