"""Opening rasters: the only place that does. Reads windows with validity, whatever the file calls nodata."""

from __future__ import annotations

import math
import re
import threading
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError

from nirlora.errors import RasterError
from nirlora.protocol import LayerRef
from nirlora.raster.grid import Window
from nirlora.raster.resample import nearest_valid, resample

_SAYS_MASK = re.compile(r"alpha|mask|opacity|transparen", re.I)
_SAYS_SPECTRAL = re.compile(
    r"infra|red|green|blue|yellow|coastal|thermal|\b(nir|swir|lwir|pan|ir|n)\b|\d ?nm\b", re.I
)
_PROBES, _PROBE_PX = 5, 64  # windows a side that tell an alpha band from a mislabelled one, and their size
_OPAQUE_SHARE = 0.9
_FILTERS = threading.Lock()  # those of warnings are the process's, and images are opened in many threads


def open_raster(ref: LayerRef | str | Path) -> RasterSource:
    """Open a raster for reading; close it, or use it in a ``with`` block.

    Args:
        ref: A path (anything GDAL opens), or a layer whose ``nodata`` and ``crs`` override the file's.

    Raises:
        RasterError: The file is missing, is no raster, has no bands, or holds complex numbers; or the
            CRS given is unknown.
    """
    layer = ref if isinstance(ref, LayerRef) else LayerRef(path=str(ref))
    return RasterSource(layer)


class RasterSource:
    """An open raster. Use it in one thread only; :meth:`reopen` gives another thread its own.

    Attributes:
        path: As it was asked for.
        width, height, count: Columns, rows, bands (alpha included).
        transform: ``affine.Affine`` from (col, row) to CRS units, exactly the file's.
        crs: ``rasterio.crs.CRS`` or None.
        dtype: numpy name of the dtype that :meth:`read` gives.
        nodata: One value or None per band.
        descriptions: One per band, ``""`` where the file has none.
        band_tags, tags: Metadata of each band, of the file.
        color_interp: One name per band (``"red"``, ``"alpha"``, ``"undefined"`` ...). A band that the file
            calls alpha and that is none, as the NIR of many four-band files, is ``"undefined"``.
        scales, offsets: Per band, physical = value * scale + offset; 1 and 0 where the file has none.
        resolution_m: Ground sampling distance in metres at the centre; None without a CRS, or with one that
            the coordinates do not fit.
        rotated: Whether rows are not parallel to the CRS axes.
        data_bands: 1-based bands that are not alpha.
    """

    def __init__(self, ref: LayerRef) -> None:
        self.ref = ref
        self.path = ref.path
        crs = _crs(ref)
        self._file = _open(ref.path)
        file = self._file
        self.width: int = file.width
        self.height: int = file.height
        self.count: int = file.count
        self.transform = file.transform
        self.crs: CRS | None = crs or file.crs or None
        self.dtype: str = str(np.result_type(*file.dtypes))
        self.nodata: tuple[float | None, ...] = (
            tuple(file.nodatavals) if ref.nodata is None else (ref.nodata,) * file.count
        )
        self.descriptions: tuple[str, ...] = tuple(d or "" for d in file.descriptions)
        self.band_tags: list[dict[str, str]] = [
            {**file.tags(i, ns="IMAGERY"), **file.tags(i)} for i in file.indexes
        ]
        self.tags: dict[str, str] = dict(file.tags())
        self.scales: tuple[float, ...] = tuple(file.scales)
        self.offsets: tuple[float, ...] = tuple(file.offsets)
        self.rotated: bool = self.transform.b != 0 or self.transform.d != 0
        self.resolution_m: float | None = _resolution_m(self)
        called_alpha = [i for i, c in enumerate(file.colorinterp, 1) if c == ColorInterp.alpha]
        self._alpha = tuple(i for i in called_alpha if _is_alpha(file, i, self.descriptions[i - 1]))
        self.color_interp: tuple[str, ...] = tuple(
            "undefined" if i in called_alpha and i not in self._alpha else c.name
            for i, c in enumerate(file.colorinterp, 1)
        )
        self.data_bands: tuple[int, ...] = tuple(i for i in file.indexes if i not in self._alpha) or (
            tuple(file.indexes)
        )

    @property
    def window(self) -> Window:
        """The whole raster."""
        return Window(0, 0, self.width, self.height)

    @property
    def block_shape(self) -> tuple[int, int]:
        """``(rows, cols)`` that the file stores together."""
        rows, cols = self._file.block_shapes[0]
        return int(rows), int(cols)

    @property
    def says_valid(self) -> bool:
        """Whether the file says which pixels count: a nodata value, a mask or alpha."""
        masked = any(MaskFlags.all_valid not in flags for flags in self._file.mask_flag_enums)
        return masked or bool(self._alpha) or any(value is not None for value in self.nodata)

    def reopen(self) -> RasterSource:
        """The same raster, opened again, for use in another thread."""
        return RasterSource(replace(self.ref))

    def read(
        self, window: Window, bands: Sequence[int], *, out_px: tuple[int, int] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read pixels and which of them are usable.

        Args:
            window: May stick out of the raster; outside, data is 0 and invalid.
            bands: 1-based.
            out_px: ``(rows, cols)`` to bring the window to: bilinear over valid pixels. A pixel is
                valid if the one that its centre lies in is.

        Returns:
            Data ``(len(bands), rows, cols)`` in the file's dtype, unscaled, and validity
            ``(rows, cols)``: no asked band is nodata, all are finite, mask and alpha say yes.

        Raises:
            RasterError: A band does not exist, or the file is damaged.
        """
        missing = [b for b in bands if not 1 <= b <= self.count]
        if missing or not bands:
            raise RasterError(
                f"{self.path} has bands 1 to {self.count}, got {list(bands)}.",
                hint="Name bands that the raster has.",
            )
        inside = window.intersection(self.window)
        # A quick-look of a huge raster: thin it out on reading (overviews), leave twice what is wanted.
        thin = 1 if out_px is None else min(window.height // out_px[0], window.width // out_px[1]) // 2
        if inside == window and thin >= 2 and out_px is not None:
            data, valid = self._read_inside(window, bands, (2 * out_px[0], 2 * out_px[1]))
        elif inside == window:
            data, valid = self._read_inside(window, bands, None)
        else:
            data, valid = self._read_padded(window, inside, bands)
        if out_px is None or out_px == data.shape[1:]:
            return data, valid
        data, _ = resample(data, valid, out_px)
        valid = nearest_valid(valid, out_px)
        data[:, ~valid] = 0
        return data, valid

    def _read_padded(
        self, window: Window, inside: Window | None, bands: Sequence[int]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        data = np.zeros((len(bands), *window.shape), dtype=self.dtype)
        valid = np.zeros(window.shape, dtype=np.bool_)
        if inside is not None:
            rows, cols = inside.shift(-window.col_off, -window.row_off).slices
            data[:, rows, cols], valid[rows, cols] = self._read_inside(inside, bands, None)
        return data, valid

    def _read_inside(
        self, window: Window, bands: Sequence[int], shape: tuple[int, int] | None
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        where = {"window": window.to_rasterio()}
        if shape is not None:
            where["out_shape"] = shape
        try:
            data = self._file.read(list(bands), **where).astype(self.dtype, copy=False)
            valid = np.ones(data.shape[1:], dtype=np.bool_)
            for values, band in zip(data, bands, strict=True):
                _clear_nodata(valid, values, self.nodata[band - 1])
            for mask in self._masks(bands, where):
                valid &= mask
        except RasterioError as error:
            raise RasterError(
                f"Could not read {self.path}: {error}.",
                hint="The file may be damaged or incomplete; copy it again or check it with gdalinfo.",
            ) from error
        return data, valid

    def _masks(self, bands: Sequence[int], where: dict[str, Any]) -> Iterable[NDArray[np.bool_]]:
        """Masks that are no plain nodata comparison; nothing is read where there are none."""
        for alpha in self._alpha:
            # An alpha band asked for as data (a fourth band that writers mislabel) is no mask.
            if alpha not in bands:
                yield self._file.read(alpha, **where) != 0
        seen_shared = False
        for band in bands:
            flags = self._file.mask_flag_enums[band - 1]
            shared = MaskFlags.per_dataset in flags
            if MaskFlags.alpha in flags or MaskFlags.all_valid in flags:
                continue
            if MaskFlags.nodata in flags and not shared:  # shared: NODATA_VALUES, nodata in all bands at once
                continue
            if not (shared and seen_shared):
                yield self._file.read_masks(band, **where) != 0
            seen_shared = seen_shared or shared

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> RasterSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open(path: str) -> Any:
    virtual = path.startswith("/vsi") or ":" in path[2:]
    if not virtual and not Path(path).exists():
        raise RasterError(f"There is no file {path}.", hint="Check the path of the raster.")
    try:
        with _FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            file = rasterio.open(path)
    except (RasterioError, CRSError, UnicodeDecodeError) as error:  # the last one of damaged databases
        raise RasterError(
            f"{path} cannot be opened as a raster: {str(error).rstrip('.')}.",
            hint="Expected a format that GDAL reads, such as GeoTIFF; try gdalinfo on it.",
        ) from error
    problem = ""
    if file.count == 0:
        names = ", ".join(file.subdatasets[:5])
        problem = f"{path} has no bands of its own" + (f"; it contains {names}." if names else ".")
    elif any("complex" in d for d in file.dtypes):
        problem = f"{path} holds complex numbers ({file.dtypes[0]}), expected real ones."
    if problem:
        file.close()
        raise RasterError(problem, hint="Export the bands wanted to a GeoTIFF of real numbers.")
    return file


def _is_alpha(file: Any, band: int, description: str) -> bool:
    """Whether a band that the file calls alpha is one.

    GDAL calls the fourth of any four bands of bytes alpha, unless the writer says otherwise; often it is
    NIR. The band's description decides where it says alpha or names a part of the spectrum. Else its values
    do, in 25 windows: an alpha band is one value (opaque) nearly everywhere that it is not 0.
    """
    if _SAYS_MASK.search(description) or _SAYS_SPECTRAL.search(description):
        return _SAYS_MASK.search(description) is not None
    seen: list[NDArray[Any]] = []
    for row in range(_PROBES):
        for col in range(_PROBES):
            window = Window(
                max(0, (file.width - _PROBE_PX) * col // (_PROBES - 1)),
                max(0, (file.height - _PROBE_PX) * row // (_PROBES - 1)),
                min(_PROBE_PX, file.width),
                min(_PROBE_PX, file.height),
            )
            try:
                values = file.read(band, window=window.to_rasterio())
            except RasterioError:
                continue  # reading for real will say what is wrong
            seen.append(values[values != 0])
    values, counts = np.unique(np.concatenate(seen or [np.empty(0)]), return_counts=True)
    return len(values) == 0 or bool(counts.max() >= _OPAQUE_SHARE * counts.sum())


def _crs(ref: LayerRef) -> CRS | None:
    if not ref.crs:
        return None
    try:
        return CRS.from_user_input(ref.crs)
    except (CRSError, ValueError) as error:
        raise RasterError(
            f"{ref.crs!r} is not a coordinate reference system: {error}.",
            hint="Give an EPSG code such as EPSG:32633, or WKT.",
        ) from error


def _clear_nodata(valid: NDArray[np.bool_], values: NDArray[Any], nodata: float | None) -> None:
    """Clear ``valid`` where ``values`` is nodata, compared in the dtype of the file, or not finite."""
    if values.dtype.kind == "f":
        valid &= np.isfinite(values)
        if nodata is not None and math.isfinite(nodata):
            with np.errstate(over="ignore"):
                valid &= values != values.dtype.type(nodata)
    elif nodata is not None and math.isfinite(nodata) and float(nodata).is_integer():
        limits = np.iinfo(values.dtype)
        if limits.min <= int(nodata) <= limits.max:
            valid &= values != values.dtype.type(int(nodata))


def _resolution_m(source: RasterSource) -> float | None:
    if source.crs is None:
        return None
    side = math.sqrt(abs(source.transform.determinant))
    try:
        if not source.crs.is_geographic:
            return side * float(source.crs.linear_units_factor[1])
        import pyproj

        degrees = math.degrees(float(source.crs.units_factor[1]))
        geod = pyproj.CRS.from_wkt(source.crs.to_wkt()).get_geod() or pyproj.Geod(ellps="WGS84")
    except CRSError:
        return None
    corners = [(0, 0), (1, 0), (0, 1)]
    t, middle_col, middle_row = source.transform, source.width / 2, source.height / 2
    middle = [(middle_col + c, middle_row + r) for c, r in corners]
    lon = [t.a * c + t.b * r + t.c for c, r in middle]
    lat = [t.d * c + t.e * r + t.f for c, r in middle]
    here = lon[0] * degrees, lat[0] * degrees
    steps = [geod.inv(*here, lon[i] * degrees, lat[i] * degrees) for i in (1, 2)]
    area = steps[0][2] * steps[1][2] * abs(math.sin(math.radians(steps[0][0] - steps[1][0])))
    return math.sqrt(area) if math.isfinite(area) and area > 0 else None  # not degrees, whatever the CRS says
