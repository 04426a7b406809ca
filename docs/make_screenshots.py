"""Takes docs/images/qgis-*.png: the dock at work on a drone frame, in the real desktop.

    python docs/make_screenshots.py [--qgis 3.40] [--minutes 3]

The raster is `micasense_rededge_orchard` of ../shared/data (MicaSense, Inc., MIT licence).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "qgis"))

from desktop import run_inside  # noqa: E402
from installations import installations, what_is_missing  # noqa: E402

DATA = ROOT.parent / "shared" / "data"
IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 230_000
MARGIN_PX = 12
COLOURED = 12  # of 255 between the channels of a pixel that is not grey
TIMEOUT_S = 1500


def main() -> None:
    """Run the desktop, then make its pictures small."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--qgis", default="", help="a version, such as 3.22; the newest by default")
    parser.add_argument("--minutes", type=float, default=3, help="of training")
    options = parser.parse_args()
    if missing := what_is_missing():
        raise SystemExit(f"error: {missing}")
    if not (DATA / "micasense_rededge_orchard").exists():
        raise SystemExit(f"error: {DATA} has no micasense_rededge_orchard to take pictures of")
    qgis = [one for one in installations() if options.qgis in ("", one.version)][-1]
    with tempfile.TemporaryDirectory(prefix="pictures-") as name:
        work, taken = Path(name) / "field", Path(name) / "taken"
        work.mkdir()
        variables = {
            "NIRLORA_SCREENSHOTS": str(taken),
            "NIRLORA_PICTURE_FOLDER": str(work),
            "NIRLORA_MINUTES": str(options.minutes),
            "NIRLORA_PATIENCE_S": "600",
        }
        outcome = run_inside(qgis, ["take_pictures.py", "-x"], timeout_s=TIMEOUT_S, extra=variables)
        for picture in sorted(taken.glob("*.png")):
            save_small(trimmed(Image.open(picture).convert("RGB")), IMAGES / f"qgis-{picture.name}")
    if outcome.code != 0:
        raise SystemExit(f"QGIS {qgis.version}: {outcome.log[-4000:]}")


def trimmed(image: Image.Image) -> Image.Image:
    """Without the rows at the bottom in which there is nothing."""
    pixels = np.asarray(image)
    used = np.flatnonzero((pixels != pixels[-1]).any(axis=(1, 2)))
    return image.crop((0, 0, image.width, min(image.height, used[-1] + 1 + MARGIN_PX)))


def save_small(image: Image.Image, target: Path) -> None:
    """Write a PNG of at most MOST_BYTES, with as many shades of grey as that allows."""
    target.parent.mkdir(exist_ok=True)
    for greys in (128, 64, 48, 32, 24):
        image.quantize(palette=_palette(image, greys), dither=Image.Dither.NONE).save(target, optimize=True)
        if target.stat().st_size <= MOST_BYTES:
            break
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1000} kB, {greys} shades of grey")


def _palette(image: Image.Image, greys: int) -> Image.Image:
    """Colours of ``image``: the coloured pixels have their own share, however few they are."""
    pixels = np.asarray(image).reshape(-1, 3)
    coloured = pixels.max(1).astype(int) - pixels.min(1) > COLOURED
    found = [_colours(pixels[~coloured], greys), _colours(pixels[coloured], 255 - greys)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate(found).ravel().tolist())
    return palette


def _colours(pixels: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` colours ``(K, 3)`` of ``pixels`` ``(N, 3)``."""
    if not len(pixels):
        return pixels
    reduced = Image.fromarray(pixels[None]).quantize(count, dither=Image.Dither.NONE)
    return np.array(reduced.getpalette(), np.uint8).reshape(-1, 3)


if __name__ == "__main__":
    main()
