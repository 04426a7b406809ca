"""The metadata that the QGIS plugin Deepness reads from an ONNX file.

Deepness gives a segmentation model ``(value / 255 - mean) / std`` of the raster's values, whatever their
type, at a resolution in centimetres, in square tiles, and takes the class with the largest output after
everything below a threshold is set to zero. Metadata in JSON say all of that, so they can carry our scaling:

    input = value * gain + bias = (value / 255 - mean) / std   with std = 1 / (255 gain), mean = -bias * std

What they cannot say: which band is which channel (the user chooses), nodata (its value is clipped like any
other), and the scale of another raster (mean and std are those of the first training raster).
Source: documentation and source of Deepness 0.6.5, https://github.com/PUTvision/qgis-plugin-deepness
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from nirlora.bands import InputTransform
from nirlora.protocol import ClassInfo

_BYTE = 255.0
_OVERLAP_PERCENT = 25


def deepness_metadata(
    classes: Sequence[ClassInfo], transform: InputTransform, zoom: float, input_px: int
) -> dict[str, str]:
    """Keys and JSON values.

    Args:
        classes: In order of their values.
        transform: Of the model.
        zoom: Model-input pixels per raster pixel.
        input_px: Side of a tile in model-input pixels.

    Returns:
        Empty where a channel is computed from several bands, which Deepness cannot do.
    """
    if any(channel.band == 0 for channel in transform.channels):
        return {}
    gain, bias = (v.ravel() for v in transform.gain_and_bias())
    scale = np.array([c.scale for c in transform.channels])
    offset = np.array([c.offset for c in transform.channels])
    std = 1.0 / (_BYTE * gain * scale)
    mean = -(bias + gain * offset) * std
    values = {
        "model_type": "Segmentor",
        "class_names": {str(info.value): info.name for info in classes},
        "tile_size": input_px,
        "tiles_overlap": _OVERLAP_PERCENT,
        "standardization_mean": mean.tolist(),
        "standardization_std": std.tolist(),
        "seg_thresh": 0.0,  # the class with the largest probability, as here
        "seg_small_segment": 0,  # no smoothing, as here
    }
    if transform.resolution_m is not None:
        values["resolution"] = 100.0 * transform.resolution_m / zoom
    return {key: json.dumps(value) for key, value in values.items()}
