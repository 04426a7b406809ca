"""The 19 classes of street scenes that GTA5, SYNTHIA and Cityscapes share, and their numbers in each."""

from __future__ import annotations

from nirlora.protocol import ClassInfo

NAMES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
# The colours that Cityscapes shows them in.
_COLORS = (
    "#804080", "#f423e8", "#464646", "#66669c", "#be9999", "#999999", "#faaa1e", "#dcdc00",
    "#6b8e23", "#98fb98", "#4682b4", "#dc143c", "#ff0000", "#00008e", "#000046", "#003c64",
    "#005064", "#0000e6", "#770b20",
)  # fmt: skip
CLASSES = tuple(ClassInfo(i, n, c) for i, (n, c) in enumerate(zip(NAMES, _COLORS, strict=True)))

_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
CITYSCAPES_IDS = {number: value for value, number in enumerate(_IDS)}  # of GTA5 too

# SYNTHIA-RAND-CITYSCAPES has no terrain, truck or train.
SYNTHIA_IDS = {
    1: 10, 2: 2, 3: 0, 4: 1, 5: 4, 6: 8, 7: 5, 8: 13, 9: 7, 10: 11, 11: 18, 12: 17, 15: 6, 17: 12,
    19: 15, 21: 3,
}  # fmt: skip
