"""Numbers for people: times, sizes, speeds, areas. Pure functions of plain values."""

from __future__ import annotations

from typing import Optional

from nir_lora_plugin.translation import translate


def duration(seconds: float) -> str:
    """``42 s``, ``3:07 min`` or ``2:05 h``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return translate("Text", "{} s").format(whole)
    if whole < 3600:
        return translate("Text", "{}:{:02d} min").format(whole // 60, whole % 60)
    return translate("Text", "{}:{:02d} h").format(whole // 3600, whole % 3600 // 60)


def about(seconds: float) -> str:
    """A time that is only estimated: ``less than a minute``, ``about 4 min``, ``about 2.5 h``."""
    if seconds < 60:
        return translate("Text", "less than a minute")
    if seconds < 5400:
        return translate("Text", "about {} min").format(round(seconds / 60))
    return translate("Text", "about {:.1f} h").format(seconds / 3600)


def size(num_bytes: float) -> str:
    """``412 kB``, ``3.1 MB``."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if num_bytes >= factor:
            number = num_bytes / factor
            return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"
    return f"{num_bytes:.0f} B"


def speed(px_per_s: float) -> str:
    """``3.2 Mpx/s``."""
    for factor, unit in ((1e6, "Mpx/s"), (1e3, "kpx/s")):
        if px_per_s >= factor:
            return f"{px_per_s / factor:.1f} {unit}"
    return f"{px_per_s:.0f} px/s"


def hectares(value: float) -> str:
    """As many digits as an area deserves: ``12.4 ha``, ``0.052 ha``; small ones in square metres."""
    if value < 0.01:
        return translate("Text", "{:,.0f} m²").format(value * 1e4)
    return translate("Text", "{:,.{}f} ha").format(value, 3 if value < 1 else 2 if value < 100 else 1)


def percent(share: float) -> str:
    """``61 %``; below ten one digit more."""
    return f"{share * 100:.1f} %" if 0 < share < 0.1 else f"{share * 100:.0f} %"


def number(value: Optional[float]) -> str:
    """A pixel value: whole when large, four digits when small, a dash when unknown."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.4g}"


def device(name: str) -> str:
    """A device as people write it: ``CPU``; a GPU keeps its name."""
    return name.upper() if name in ("cpu", "cuda", "mps") else name


def date(iso: str) -> str:
    """Day and minute of an ISO time, as it stands there; empty stays empty."""
    return iso[:16].replace("T", " ")
