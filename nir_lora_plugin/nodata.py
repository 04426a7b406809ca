"""What a raster provider and its user call nodata."""

from __future__ import annotations

from typing import Optional, Set, Tuple

from qgis.core import QgsRasterDataProvider


def user_nodata(provider: QgsRasterDataProvider) -> Set[Tuple[float, float]]:
    """Ranges ``(low, high)`` that the user declared nodata, in any band."""
    bands = range(1, provider.bandCount() + 1)
    return {(r.min(), r.max()) for band in bands for r in provider.userNoDataValues(band)}


def own_nodata(provider: QgsRasterDataProvider) -> Optional[float]:
    """The first nodata value that the source itself declares and the user has left on."""
    for band in range(1, provider.bandCount() + 1):
        if provider.sourceHasNoDataValue(band) and provider.useSourceNoDataValue(band):
            return float(provider.sourceNoDataValue(band))
    return None


def nodata_is_off(provider: QgsRasterDataProvider) -> bool:
    """Whether the user switched off a nodata value that the source declares."""
    bands = range(1, provider.bandCount() + 1)
    return any(provider.sourceHasNoDataValue(b) and not provider.useSourceNoDataValue(b) for b in bands)


def overriding_nodata(provider: QgsRasterDataProvider) -> Tuple[Optional[float], bool]:
    """Nodata value that overrides the source's (None: its own), and whether one value says it all."""
    if nodata_is_off(provider):
        return None, False
    ranges = sorted(user_nodata(provider))
    if not ranges:
        return None, True
    low, high = ranges[0]
    single = len(ranges) == 1 and low == high and own_nodata(provider) in (None, low)
    return (low, True) if single else (None, False)
