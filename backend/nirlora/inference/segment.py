"""A segmentation from request to finished map."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from nirlora.bands import ChannelReader, InputTransform, check_reader
from nirlora.inference.load import LoadModel, choose_tile_px, load_model, make_engine
from nirlora.inference.options import MapStatistics, PredictOptions
from nirlora.inference.outputs import map_outputs, side_outputs
from nirlora.inference.predict import predict_map
from nirlora.protocol import ClassArea, ClassInfo, Progress, SegmentRequest, SegmentResult
from nirlora.raster.outputs import write_text
from nirlora.raster.source import RasterSource, open_raster
from nirlora.raster.writer import MapWriter
from nirlora.vector.aoi import open_aoi
from nirlora.vector.area import AreaModel
from nirlora.vector.polygonise import polygonise
from nirlora.versions import versions

ProgressCallback = Callable[[Progress], None]

_OVERLAP_SHARE = 4  # of a tile's side


def segment(
    request: SegmentRequest, progress: ProgressCallback | None = None, load: LoadModel = load_model
) -> SegmentResult:
    """Draw the map of a raster with a trained model.

    Args:
        request: Raster, model and outputs.
        progress: Told of stages ``prepare``, ``segment``, ``finish``; may raise JobCancelled, then
            nothing is left behind.
        load: Gives the network of ``(model file, backbone)``; a process that segments again and again
            keeps it.

    Raises:
        NirLoraError: The model does not fit, an input cannot be read or an output not written; existing
            files stay as they were.
    """
    say = progress or (lambda _: None)
    started = time.monotonic()
    outputs = map_outputs(request)
    with ExitStack() as stack:
        say(Progress("prepare", 0.0, "opening the raster"))
        source = stack.enter_context(open_raster(request.layer))
        areas_path, polygons = side_outputs(request, outputs, source)
        say(Progress("prepare", 0.0, "loading the model"))
        model, card = load(request.model, request.backbone)
        reader = ChannelReader(
            source,
            InputTransform.from_dict(card.transform),
            request.bands,
            scale=request.reflectance_scale,
            offset=request.reflectance_offset,
        )
        aoi = open_aoi(request.aoi, source) if request.aoi else None
        place = aoi.window if aoi else None
        warnings = check_reader(reader, allow_mismatch=request.allow_mismatch, place=place)
        area = AreaModel(source.transform, source.crs, source.width, source.height)
        engine = make_engine(model, card, request.device, request.batch)
        tile = choose_tile_px(model, card, request.tile_px)
        options = PredictOptions(
            tile_px=tile,
            overlap_px=request.overlap_px or tile // _OVERLAP_SHARE,
            zoom=card.zoom,
            patch_px=model.patch,
            aoi=aoi,
            pixel_area_m2=area.pixel_area_m2,
        )
        with MapWriter(outputs, source, card.classes) as writer:
            statistics = predict_map(reader, engine, writer, options, _within(say, 0.0, 0.9))
            packing = Progress("finish", 0.9, "writing overviews")
            say(packing)
            whole = writer.pack(lambda: say(packing))
            if polygons is not None:
                drawing = Progress("finish", 0.95, "drawing polygons")
                polygonise(
                    whole,
                    polygons,
                    card.classes,
                    min_area_m2=request.min_area_m2,
                    window=place,
                    tick=lambda: say(drawing),
                )
            written = writer.finalise()  # last: nobody is asked any more whether to stop
        if polygons is not None:
            written["polygons"] = str(polygons)
        table = _areas(card.classes, statistics)
        write_text(areas_path, _csv(table))
        written["areas"] = str(areas_path)
    warnings += [*(aoi.warnings if aoi else ()), *_notes(statistics, source), *statistics.warnings]
    say(Progress("finish", 1.0, "done"))
    return SegmentResult(
        map=str(outputs.map),
        outputs=written,
        classes=card.classes,
        areas=table,
        valid_pixels=statistics.valid_pixels,
        seconds=time.monotonic() - started,
        px_per_s=statistics.px_per_s,
        device=engine.device_name,
        warnings=tuple(dict.fromkeys(warnings)),
        versions=versions(),
    )


def _within(say: ProgressCallback, start: float, stop: float) -> ProgressCallback:
    """A stage's own fraction as a part of the whole."""

    def scaled(p: Progress) -> None:
        say(Progress(p.stage, start + (stop - start) * p.fraction, p.message, p.eta_s, p.metrics))

    return scaled


def _areas(classes: Sequence[ClassInfo], statistics: MapStatistics) -> tuple[ClassArea, ...]:
    rows = zip(classes, statistics.pixels, statistics.area_m2, strict=True)
    return tuple(ClassArea(c.value, c.name, pixels, area / 1e4) for c, pixels, area in rows)


def _csv(table: Sequence[ClassArea]) -> str:
    total = sum(row.hectares for row in table) or 1.0
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["value", "class", "pixels", "hectares", "percent"])
    for row in table:
        writer.writerow(
            [row.value, row.name, row.pixels, f"{row.hectares:.6f}", f"{100 * row.hectares / total:.2f}"]
        )
    return text.getvalue()


def _notes(statistics: MapStatistics, source: RasterSource) -> list[str]:
    notes = []
    if statistics.valid_pixels == 0:
        notes.append("No pixel was mapped: the raster is nodata everywhere, or the area of interest is.")
    if source.crs is None:
        notes.append("The raster has no coordinate reference system: hectares count its units as metres.")
    elif source.resolution_m is None:
        notes.append(
            "The raster's coordinates do not fit its coordinate reference system: hectares are wrong."
        )
    return notes
