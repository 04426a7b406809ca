"""Where the training polygons of a raster lie when the user does not say."""

from __future__ import annotations

from pathlib import Path

from nirlora.errors import LabelsError
from nirlora.protocol import LayerRef


def find_labels(layer: LayerRef) -> str:
    """Return the label file of ``layer``: the one given, else ``<stem>_training.gpkg``, else ``<stem>.gpkg``.

    Raises:
        LabelsError: Nothing was given and neither file is there.
    """
    if layer.labels:
        return layer.labels
    raster = Path(layer.path)
    candidates = [raster.with_name(f"{raster.stem}_training.gpkg"), raster.with_suffix(".gpkg")]
    for candidate in candidates:
        if candidate.is_file():
            return str(candidate)
    raise LabelsError(
        f"No training polygons for {raster.name}: looked for {candidates[0].name} and {candidates[1].name} "
        "beside it.",
        hint="Draw polygons with a text field 'class' and save them under one of these names, "
        "or give --labels FILE.",
    )
