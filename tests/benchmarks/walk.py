"""What a newcomer would do with every real raster: info, train, segment; and whether the map is right.

    python tests/benchmarks/walk.py                 # all; finished ones are kept and not repeated
    python tests/benchmarks/walk.py --only landsat  # those whose name contains the word

Through the command line, with its defaults, but for a small backbone and a short training. Where a raster
has no labels, bright and dark near-infrared in a few squares are drawn, which any model must learn. Checked
of every map: the grid is the raster's, bit for bit; the classes are the labels'; nodata is where the raster
has none, and nowhere else.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from machine import print_table, save
from numpy.typing import NDArray
from rasterio.errors import NodataShadowWarning, NotGeoreferencedWarning

from nirlora.models.card import read_card
from nirlora_train.main import build_app
from nirlora_train.run import run_app

ROOT = Path(__file__).resolve().parents[2]
STEPS_PER_EPOCH = 20
LEAST_MIOU = 0.6  # of bright against dark: less would be a fault
_SQUARE, _EVERY = 48, 96  # drawn squares and their distance, pixels
_COLUMNS = {
    "name": "raster",
    "size": "size",
    "type": "type",
    "channels": "channels",
    "classes": "classes",
    "miou": "val mIoU",
    "steps": "steps",
    "train_s": "train s",
    "segment_s": "segment s",
    "warnings": "warnings",
    "found": "found",
}


@dataclass(frozen=True)
class Case:
    """One walk.

    Attributes:
        name: Of the row.
        rasters: Trained on together; the first one is mapped too.
        labels: One per raster; empty: drawn from the values of ``band``.
        options: More words for training, as a user would need them.
        band: 1-based band whose values the drawn labels follow, and whose nodata is checked.
        maps: Further rasters to map.
        refused: Words of the refusal that is the right answer; nothing may be written then.
    """

    name: str
    rasters: tuple[str, ...]
    labels: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    band: int = 1
    maps: tuple[str, ...] = ()
    refused: str = ""


def cases(data: Path) -> Iterator[Case]:
    """Every raster of ``shared/data``, with its labels where it has some."""
    orchard = data / "micasense_rededge_orchard"
    for raster, labels in (
        ("rededge_orchard.tif", "rededge_orchard_polygons.gpkg"),
        ("rededge_orchard.tif", "rededge_orchard_labels.tif"),
        ("northup_8cm.tif", "northup_8cm_labels.tif"),
    ):
        kind = "polygons" if labels.endswith("gpkg") else "label raster"
        yield Case(f"{Path(raster).stem}, {kind}", (str(orchard / raster),), (str(orchard / labels),), band=4)
    trees = data / "naip_urban_trees"
    tiles = sorted(p.stem for p in (trees / "images").glob("*.tif"))
    images = [str(trees / "images" / f"{t}.tif") for t in tiles]
    masks = [str(trees / "weak_masks" / f"{t}.tif") for t in tiles]
    yield Case(
        "naip_urban_trees, 6 tiles; all 78 mapped",
        tuple(images[:6]),
        tuple(masks[:6]),
        (),
        4,
        tuple(images[6:]),
    )
    points = str(trees / "trees" / f"{tiles[0]}.geojson")
    yield Case("naip_urban_trees, points of no class", (images[0],), (points,), refused="no field 'class'")
    elkton, yellowstone = data / "landsat8_elkton", data / "landsat_landfire_yellowstone"
    for labels in ("labels.geojson", "labels.tif"):
        yield Case(
            f"landsat8_elkton, {labels}", (str(elkton / "landsat8.tif"),), (str(elkton / labels),), band=4
        )
    for labels in ("labels_lifeform.tif", "evt_landfire220.tif", "tree_canopy_cover_percent.tif"):
        raster = str(yellowstone / "landsat8_sr.tif")
        yield Case(f"landsat8_sr, {labels}", (raster,), (str(yellowstone / labels),), band=2)
    for path in ("naip_sherando", "naip_3607824", "naip_3607717"):
        yield Case(path, (str(elkton / f"{path}.tif"),), band=4)
    fields = data / "sentinel2_ftw_fields"
    a, b = (str(fields / f"s2_window_{w}.tif") for w in "ab")
    yield Case("s2_window_a; b mapped", (a,), band=4, maps=(b,), options=("--reflectance-scale", "0.0001"))
    yield Case("s2_window_b", (b,), band=4)
    dakota = data / "naip_north_dakota_fields"
    years = [str(dakota / f"naip_{y}.tif") for y in ("20100629", "20180716")]
    yield Case("naip_2010; 2018 mapped", (years[0],), band=4, maps=(years[1],))
    yield Case("naip_2018", (years[1],), band=4)
    yield Case("plot615", (str(data / "drone_plot_rotated_nodata" / "plot615.tif"),), (), ("--bands", "5"), 5)
    for archive in sorted((data / "naip_rgb_nir_unlabelled").glob("*.zip")):
        with zipfile.ZipFile(archive) as content:
            first = min(n for n in content.namelist() if n.endswith("_nir.jpg"))
        path = f"/vsizip/{archive}/{first}"
        yield Case(f"{archive.name}, nir", (path,), (), ("--bands", "1"), 1)
        yield Case(
            f"{archive.name}, rgb",
            (path.replace("_nir.jpg", "_rgb.jpg"),),
            (),
            ("--bands", "red,green,blue"),
            1,
        )


def command(*words: str) -> dict[str, Any]:
    """What ``nirlora WORDS --json`` prints.

    Raises:
        RuntimeError: The exit code was not 0; the message is what a user would read.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_app(build_app(), [*words, "--json"], "nirlora")
    if code:
        said = " ".join(line for line in err.getvalue().splitlines() if line.startswith(("error", "hint")))
        raise RuntimeError(f"nirlora {words[0]} ended with {code}: {said}")
    result: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return result


def walk(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """One row of the table; ``found`` is empty if all is as it should be."""
    folder = options.work / "".join(c if c.isalnum() else "_" for c in case.name)
    folder.mkdir(parents=True, exist_ok=True)
    facts = command("info", case.rasters[0])
    labels = case.labels or [str(draw(Path(folder / "drawn.tif"), case.rasters[0], case.band))]
    weights = options.data / "galileo_nano_weights"
    words = [
        w
        for raster, label in zip(case.rasters, labels, strict=True)
        for w in ("--layer", raster, "--labels", label)
    ]
    model = folder / "model.nirlora"
    train = (
        "train", *words, *case.options, "--backbone", f"galileo-nano:p8={weights}", "--out", str(model),
        "--epochs", str(options.epochs), "--steps-per-epoch", str(STEPS_PER_EPOCH), "--device", "cpu",
    )  # fmt: skip
    if case.refused:
        return _facts(case, facts) | {"warnings": [], "found": refusal(case, train, folder)}
    trained = command(*train)
    found: list[str] = []
    seconds, said = 0.0, list(trained["warnings"])
    for number, raster in enumerate((case.rasters[0], *case.maps)):
        map_path = folder / f"map{number}.tif"
        extra = [w for w in case.options if case.options[0] != "--bands"]
        drawn = command(
            "segment", "--layer", raster, "--model", str(model), "--out", str(map_path), "--device", "cpu",
            *extra,
            *(["--allow-mismatch"] if number else []),
        )  # fmt: skip
        seconds += drawn["seconds"]
        said += drawn["warnings"]
        found += check(raster, case.band, map_path, [c["name"] for c in trained["classes"]], drawn)
    miou = trained["metrics"].get("miou")
    if not case.labels and (miou is None or miou < LEAST_MIOU):
        found.append(f"bright and dark were not learnt: mIoU {miou}")
    return _facts(case, facts) | {
        "classes": len(trained["classes"]),
        "miou": miou,
        "steps": read_card(model).training["steps"],
        "train_s": round(trained["seconds"], 1),
        "segment_s": round(seconds, 1),
        "warnings": list(dict.fromkeys(said)),
        "found": found,
    }


def _facts(case: Case, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": case.name,
        "size": f"{facts['width_px']} x {facts['height_px']}",
        "type": facts["dtype"],
        "channels": facts["training_input"],
        "refused": case.refused,
    }


def refusal(case: Case, words: tuple[str, ...], folder: Path) -> list[str]:
    """What is wrong with the refusal of a training that cannot be."""
    before = sorted(folder.iterdir())
    try:
        command(*words)
    except RuntimeError as error:
        said = str(error)
    else:
        return ["it was not refused"]
    found = [] if case.refused in said and "ended with 2" in said and "hint" in said else [said]
    return found if sorted(folder.iterdir()) == before else [*found, "something was written"]


def draw(path: Path, raster: str, band: int) -> Path:
    """A label raster for a raster without labels: 1 in dark, 2 in bright squares' pixels, 255 elsewhere."""
    with rasterio.open(raster) as file:
        values, valid = file.read(band).astype(float), valid_pixels(file, band)
        low, high = np.percentile(values[valid], (35, 65))
        rows, cols = (np.arange(n) % _EVERY < _SQUARE for n in values.shape)
        squares = rows[:, None] & cols & valid
        labels = np.full(values.shape, 255, np.uint8)
        labels[squares & (values <= low)] = 1
        labels[squares & (values >= high)] = 2
        profile = {"width": file.width, "height": file.height, "crs": file.crs, "transform": file.transform}
    with rasterio.open(path, "w", driver="GTiff", count=1, dtype="uint8", nodata=255, **profile) as out:
        out.write(labels, 1)
    return path


def valid_pixels(file: Any, band: int) -> NDArray[np.bool_]:
    """Where GDAL says that a band has values."""
    values = file.read(band)
    return np.asarray((file.read_masks(band) != 0) & np.isfinite(values.astype(float)))


def check(raster: str, band: int, path: Path, classes: list[str], result: dict[str, Any]) -> list[str]:
    """What is wrong with a map, in words."""
    with rasterio.open(raster) as source, rasterio.open(path) as drawn:
        values, valid = drawn.read(1), valid_pixels(source, band)
        same = (source.width, source.height, source.crs) == (drawn.width, drawn.height, drawn.crs)
        found = [] if same and tuple(source.transform) == tuple(drawn.transform) else ["another grid"]
        names = [c["name"] for c in json.loads(drawn.tags()["CLASSES"])]
    name = Path(raster).name
    if names != classes:
        found.append(f"{name}: classes {names}, labels {classes}")
    if values[values != 255].size and values[values != 255].max() >= len(classes):
        found.append(f"{name}: value {values[values != 255].max()} is no class")
    if wrong := int(((values != 255) != valid).sum()):
        found.append(f"{name}: {wrong} pixels are valid in one and nodata in the other")
    if result["valid_pixels"] != int((values != 255).sum()):
        found.append(f"{name}: {result['valid_pixels']} valid pixels were told")
    return found


def infos(data: Path) -> str:
    """``nirlora info`` of every file that is a raster, those in the zips included; what failed."""
    paths = [str(p) for p in sorted(data.rglob("*.tif"))]
    for archive in sorted(data.rglob("*.zip")):
        with zipfile.ZipFile(archive) as content:
            paths += [f"/vsizip/{archive}/{n}" for n in content.namelist() if n.endswith(".jpg")]
    failed = []
    for path in paths:
        try:
            command("info", path)
        except RuntimeError as error:
            failed.append(f"{path}: {error}")
    return f"info: {len(paths)} rasters, {len(failed)} failed {failed[:3] or ''}"


def main() -> None:
    """Walk, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("/tmp/nirlora-walk"), help="models and maps")
    parser.add_argument("--epochs", type=int, default=10, help=f"of {STEPS_PER_EPOCH} steps, each training")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    warnings.simplefilter("ignore", NodataShadowWarning)
    options.work.mkdir(parents=True, exist_ok=True)
    kept = options.work / "rows.json"
    rows: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else {}
    for case in cases(options.data):
        if options.only not in case.name or (case.name in rows and not rows[case.name]["found"]):
            continue
        start = time.monotonic()
        try:
            rows[case.name] = walk(case, options)
        except Exception as error:  # noqa: BLE001 - the table says what failed, the walk goes on
            rows[case.name] = {"name": case.name, "found": [f"{type(error).__name__}: {error}"]}
        print(f"{case.name}: {time.monotonic() - start:.0f} s {rows[case.name]['found'] or 'ok'}", flush=True)
        kept.write_text(json.dumps(rows, indent=1))
    told = infos(options.data)
    table = list(rows.values())
    print_table(list(_COLUMNS.values()), [_row(r) for r in table])
    print(told)
    save(
        "walk_cpu",
        {"benchmark": "walk", "steps": options.epochs * STEPS_PER_EPOCH, "rasters": table, "info": told},
    )


def _row(row: dict[str, Any]) -> list[Any]:
    """Cells of the table, empty where the walk did not get to."""
    miou = row.get("miou")
    cells = {
        **{key: row.get(key, "") for key in _COLUMNS},
        "miou": f"{miou:.2f}" if miou is not None else "-" if "steps" in row else "",
        "warnings": len(row.get("warnings", ())),
        "found": "; ".join(row["found"]) or ("refused, as it should be" if row.get("refused") else ""),
    }
    return list(cells.values())


if __name__ == "__main__":
    main()
