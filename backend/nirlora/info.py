"""What a raster or a model file is, as plain JSON-ready facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nirlora.errors import BandsError, InputError, LabelsError
from nirlora.models.backbone_card import is_backbone_file
from nirlora.models.card import CLASSIFICATION, SEGMENTATION, ModelCard, read_card
from nirlora.protocol import LayerRef

_CLASS_SCORES = {SEGMENTATION: ("iou", "f1"), CLASSIFICATION: ("accuracy", "precision")}
_SAMPLE_PX = 768  # longest side of the thinned-out read that value ranges come from


def describe(path: str) -> dict[str, Any]:
    """Facts about a raster, or a model (``.nirlora``, ``.onnx``), or an adapted backbone.

    Raises:
        RasterError: It is neither.
        ModelError: The model file is damaged, hostile or of another version.
    """
    if Path(path).suffix.lower() in (".nirlora", ".onnx"):
        return describe_model(path)
    if is_backbone_file(path):
        return describe_backbone(path)
    if Path(path).suffix.lower() in (".gpkg", ".shp", ".geojson"):
        raise InputError(
            f"{path} holds polygons; a raster or a .nirlora file was expected.",
            hint="Give the raster: nirlora info says which polygons lie beside it.",
        )
    return describe_raster(path)


def describe_raster(path: str) -> dict[str, Any]:
    """Size, place, bands with roles, value ranges and training files of a raster.

    ``bands`` holds one record per band; ``low`` and ``high`` are the 2nd and 98th percentile of the valid
    pixels of a thinned-out read, in pixel values. ``size_ha`` counts nodata too.
    """
    from nirlora.bands import detect_roles
    from nirlora.raster.source import open_raster

    with open_raster(path) as source:
        roles = detect_roles(source)
        facts: dict[str, Any] = {
            "kind": "raster",
            "path": str(path),
            "width_px": source.width,
            "height_px": source.height,
            "crs": source.crs.to_string() if source.crs else "none",
            "resolution_m": source.resolution_m,
            "size_ha": _hectares(source),
            "rotated": source.rotated,
            "dtype": source.dtype,
            "nodata": _shared(source.nodata),
            "sensor": roles.sensor or "not recognised",
            "roles_from": roles.how or "nothing: give them with --bands",
        }
        bands, valid = _bands(source, roles.roles)
        facts["valid_share"] = valid
        facts["training_input"] = _training_input(roles, source.count)
        facts["training_labels"] = _labels(path)
        facts["bands"] = bands
    return facts


def describe_model(path: str) -> dict[str, Any]:
    """Classes, input, network, scores and origin of a model file."""
    from nirlora.models.onnx_metadata import is_onnx, read_onnx

    card = read_card(path)
    if is_onnx(path):
        own: dict[str, Any] = {"tile_px": read_onnx(path)[1].tile_px, "exported": True}
    else:
        from nirlora.models.bundle import read_bundle

        own = {"parameters": sum(tensor.numel() for tensor in read_bundle(path)[1].values())}
    config, training = card.model, card.training
    transform = card.transform
    scores = card.metrics.get("classes", {})
    return {
        "kind": "model",
        "path": str(path),
        "size_mb": Path(path).stat().st_size / 1e6,
        "task": card.task,
        "backbone": config.backbone + ("" if config.pretrained else " (random weights)"),
        "backbone_source": config.backbone_source or "hub",
        "backbone_sha256": card.backbone_sha256,
        **({"backbone_adapted_to": list(config.backbone_roles)} if config.backbone_roles else {}),
        "adapter": config.adapter_words,
        "head": config.head,
        "stem": config.stem,
        **own,
        "chip_px": card.chip_px,
        "zoom": card.zoom,
        "resolution_m": transform.get("resolution_m"),
        "values": transform.get("kind", ""),
        **_scores(card),
        "trained": training.get("date", ""),
        "trained_on": [layer.get("path", "") for layer in training.get("layers", [])],
        **_carried_to(card),
        "format": card.format,
        "versions": dict(card.versions),
        "classes": [
            {"value": info.value, "name": info.name, "color": info.color}
            | {key: scores.get(info.name, {}).get(key) for key in _CLASS_SCORES[card.task]}
            for info in card.classes
        ],
        "channels": [dict(channel) for channel in transform.get("channels", [])],
    }


def _carried_to(card: ModelCard) -> dict[str, Any]:
    """Of a model that was carried to an unlabelled field: where to, and by what."""
    told = card.training.get("adaptation")
    if not isinstance(told, dict):
        return {}
    return {
        "carried_to": [layer.get("path", "") for layer in told.get("target", [])],
        "stabiliser": told.get("stabiliser", ""),
        "rounds": told.get("rounds", 0),
        "scores_of": card.metrics.get("of", ""),
    }


def describe_backbone(path: str) -> dict[str, Any]:
    """Channels, network and history of a ``.nirlora-backbone`` file."""
    from nirlora.models.backbone_file import read_backbone
    from nirlora.models.weights import state_sha256

    card, state = read_backbone(path)
    return {
        "kind": "backbone",
        "path": str(path),
        "size_mb": Path(path).stat().st_size / 1e6,
        "backbone": card.backbone,
        "sha256": state_sha256(state),
        "parameters": sum(tensor.numel() for tensor in state.values()),
        "adapted_to": list(card.roles),
        "chip_px": card.chip_px,
        "zoom": card.zoom,
        "resolution_m": card.transform.get("resolution_m"),
        "values": card.transform.get("kind", ""),
        "format": card.format,
        "versions": dict(card.versions),
        "channels": [dict(channel) for channel in card.transform.get("channels", [])],
        "history": [_adaptation(record) for record in card.history],
    }


def _adaptation(record: dict[str, Any]) -> dict[str, Any]:
    """One run of a backbone's history, as a row."""
    start, losses = record.get("start", {}), record.get("losses", {})
    loss = {end: losses.get(end, {}).get("loss") for end in ("first", "last")}
    return {
        "date": record.get("date", ""),
        "start": f"{start.get('backbone', '?')} from {start.get('source', '?')}",
        "objective": record.get("objective", ""),
        "unfreeze": record.get("unfreeze", ""),
        "rank": record.get("rank"),
        "channels": list(record.get("channels", [])),
        "rasters": [raster.get("path", "") for raster in record.get("rasters", [])],
        "steps": record.get("steps"),
        "loss_first": loss["first"],
        "loss_last": loss["last"],
        "stopped": record.get("stopped", ""),
    }


def _scores(card: ModelCard) -> dict[str, Any]:
    """The overall scores that are usual for the model's task."""
    names = ("miou", "mean_f1") if card.task == SEGMENTATION else ("accuracy", "mean_accuracy")
    return {name: card.metrics.get(name) for name in names}


def _bands(source: Any, roles: tuple[str, ...]) -> tuple[list[dict[str, Any]], float]:
    """One record per band, and the share of pixels that are valid in all of them."""
    import numpy as np

    step = max(1.0, max(source.width, source.height) / _SAMPLE_PX)
    out_px = max(1, round(source.height / step)), max(1, round(source.width / step))
    # By role and not by the file's word: many a file calls its fourth band alpha when it is NIR.
    asked = [b for b, role in enumerate(roles, 1) if role != "alpha"] or list(source.data_bands)
    data, valid = source.read(source.window, asked, out_px=out_px)
    seen = dict(zip(asked, data, strict=True))
    records = []
    for band in range(1, source.count + 1):
        values = seen[band][valid] if band in seen else np.empty(0)
        low, median, high = np.percentile(values, (2, 50, 98)).tolist() if values.size else (None,) * 3
        records.append(
            {
                "band": band,
                "role": roles[band - 1] or "unknown",
                "name": source.descriptions[band - 1],
                "low": low,
                "median": median,
                "high": high,
            }
        )
    return records, float(valid.mean())


def _hectares(source: Any) -> float | None:
    """Ground area of the whole grid, None without a CRS."""
    from nirlora.vector.area import AreaModel

    model = AreaModel(source.transform, source.crs, source.width, source.height)
    if model.unit != "m2":
        return None
    return float(model.pixel_area_m2(source.window).sum() * source.width / 1e4)


def _training_input(roles: Any, num_bands: int) -> str:
    """What training would take from this raster when ``--bands`` is left out."""
    from nirlora.bands import parse_bands

    try:
        channels = parse_bands("", roles, nbands=num_bands)
    except BandsError as error:
        return f"not clear. {error.hint}"
    return ", ".join(f"{c.name} (band {', '.join(map(str, c.bands))})" for c in channels)


def _labels(path: str) -> str:
    from nirlora.training.find_labels import find_labels

    try:
        return find_labels(LayerRef(path))
    except LabelsError:
        return "none beside it"


def _shared(values: tuple[float | None, ...]) -> float | str | None:
    """The bands' common nodata value; a list as text where they differ."""
    if len({repr(v) for v in values}) > 1:
        return ", ".join("none" if v is None else f"{v:g}" for v in values)
    value = values[0]
    return "NaN" if value is not None and value != value else value
