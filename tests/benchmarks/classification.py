"""Scene classification on real rasters: LoRA against frozen, full and random weights, and a forest.

    python tests/benchmarks/classification.py --data ../shared/data --steps 200 --seeds 0,1,2

*Crops*: 32 px squares (19 m) of NAIP tiles with trees, with low vegetation or with neither, by the data set's
weak masks; its own 48 training and 18 test tiles. *Parcels*: the 138 polygons of the RedEdge orchard (crop,
tree, weed), 30 % held out in spatial groups by the seed. The ViT systems
go through the product's own functions, the near-infrared band alone unless said, last weights. Accuracy is
the share of all that is right; the mean over the classes counts rare ones as much. One thread. Finished runs
are kept in a file of JSON lines and not repeated.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier

sys.path.insert(0, str(Path(__file__).resolve().parent))

from machine import RESULTS, describe_machine, print_table

import nirlora
from nirlora.classification.scores import confusion_matrix, summarise_classes
from nirlora.protocol import ClassifyTrainRequest, LayerRef
from nirlora.raster.source import open_raster
from nirlora.vector.parcels import inside, open_parcels

SIDE_PX = 32


@dataclass(frozen=True)
class Method:
    """One row of the table."""

    name: str
    adapter: str = "lora"
    pretrained: bool = True
    bands: str = "nir"


FOREST, COMMONEST = "forest on statistics", "the commonest class"
METHODS = (
    Method("LoRA"),
    Method("frozen", "frozen"),
    Method("full fine-tuning", "full"),
    Method("full, random weights", "full", pretrained=False),
    Method(FOREST, ""),
    Method(COMMONEST, ""),
    Method("LoRA, RGB", bands="red,green,blue"),
)


@dataclass(frozen=True)
class Job:
    """A data set: what is asked of ``nirlora classify``, and a forest's samples ``(features, class)``."""

    name: str
    request: ClassifyTrainRequest
    features: dict[str, tuple[NDArray[np.float64], str]]


def crop_class(mask: NDArray[np.uint8]) -> str:
    """What a square is, "" where the mask does not say."""
    none, trees, low = (float((mask == v).mean()) for v in (0, 1, 2))
    if trees >= 0.15 and low < 0.05:
        return "trees"
    if low >= 0.3 and trees < 0.02:
        return "low vegetation"
    return "neither" if none >= 0.8 and trees < 0.01 and low < 0.01 else ""


def crops(data: Path, work: Path, seed: int) -> Job:
    """Squares of the NAIP tiles as a folder per class, and the split of the tiles."""
    folder, target = data / "naip_urban_trees", work / "crops"
    split: dict[str, list[str]] = {"train": [], "val": []}
    features = {}
    with (folder / "tiles.csv").open() as file:
        tiles = {row["tile"]: row["split"] for row in csv.DictReader(file)}
    for tile, part in tiles.items():
        if part == "val":
            continue
        with rasterio.open(folder / "weak_masks" / f"{tile}.tif") as file:
            mask = file.read(1)
        with rasterio.open(folder / "images" / f"{tile}.tif") as file:
            data_, profile = file.read(), file.profile
        for row in range(0, 256, SIDE_PX):
            for col in range(0, 256, SIDE_PX):
                here = slice(row, row + SIDE_PX), slice(col, col + SIDE_PX)
                kind = crop_class(mask[here])
                if not kind:
                    continue
                name = f"{kind}/{tile}_{row}_{col}.tif"
                _write(target / name, data_[:, here[0], here[1]], profile)
                split["train" if part == "train" else "val"].append(name)
                features[name] = statistics(data_[3][here], np.ones((SIDE_PX, SIDE_PX), bool)), kind
    (work / "split.json").write_text(json.dumps(split))
    request = ClassifyTrainRequest(images=str(target), split=str(work / "split.json"), input_px=2 * SIDE_PX)
    return Job("crops", request, features)


def parcels(data: Path, work: Path, seed: int) -> Job:
    """The polygons of the orchard."""
    folder = data / "micasense_rededge_orchard"
    raster, polygons = folder / "rededge_orchard.tif", folder / "rededge_orchard_polygons.gpkg"
    features = {}
    with open_raster(raster) as source:
        for parcel in open_parcels(polygons, source, "class").parcels:
            pixels, valid = source.read(parcel.window, [4])
            keep = valid & inside(parcel.outline, parcel.window)
            features[f"{polygons.name}#{parcel.feature}"] = statistics(pixels[0], keep), parcel.name
    request = ClassifyTrainRequest(
        layers=(LayerRef(str(raster), str(polygons)),), val_fraction=0.3, chip_px=96
    )
    return Job("parcels", request, features)


def statistics(pixels: NDArray[Any], keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Percentiles of the pixels and of their gradient at three scales, and how many there are."""
    values = pixels.astype(float)
    planes = [values, *(ndimage.gaussian_gradient_magnitude(values, s) for s in (0.7, 1.5, 3.0))]
    chosen = [np.percentile(plane[keep], (2, 10, 25, 50, 75, 90, 98)) for plane in planes]
    return np.concatenate([*chosen, [keep.sum()]])


def baseline(method: Method, job: Job, split: dict[str, list[str]], seed: int) -> NDArray[np.int64]:
    """Confusion of a forest on the statistics, or of always naming the commonest class."""
    classes = sorted({kind for _, kind in job.features.values()})
    x, y = {}, {}
    for side, names in split.items():
        x[side] = np.stack([job.features[name][0] for name in names])
        y[side] = np.array([classes.index(job.features[name][1]) for name in names])
    if method.name == COMMONEST:
        predicted = np.full(len(y["val"]), np.bincount(y["train"]).argmax())
    else:
        forest = RandomForestClassifier(500, class_weight="balanced_subsample", random_state=seed)
        predicted = forest.fit(x["train"], y["train"]).predict(x["val"])
    return confusion_matrix(y["val"], predicted.astype(np.int64), len(classes))


def run(method: Method, job: Job, options: argparse.Namespace, seed: int, work: Path) -> dict[str, Any]:
    """Train and score one method on one data set."""
    started = time.process_time()
    request = replace(
        job.request,
        out=str(work / "model.nirlora"),
        backbone=f"galileo-nano:p8={options.data / 'galileo_nano_weights'}",
        bands=method.bands,
        adapter=method.adapter or "frozen",
        pretrained=method.pretrained,
        epochs=1,
        steps_per_epoch=options.steps if method.adapter else 1,  # a baseline needs the split alone
        batch=16,
        seed=seed,
        device="cpu",
        report=False,
    )
    split = work / "model_split.json"
    if method.adapter or not split.exists():
        metrics = nirlora.classify_train(request).metrics
    if not method.adapter:
        found = json.loads(split.read_text())
        sides = {side: found[side] for side in ("train", "val")}
        names = sorted({kind for _, kind in job.features.values()})
        metrics = summarise_classes(baseline(method, job, sides, seed), names)
    counts = {name: c["count"] for name, c in metrics["classes"].items()}
    return {
        "set": job.name,
        "method": method.name,
        "seed": seed,
        "steps": options.steps,
        "accuracy": round(metrics["accuracy"], 4),
        "mean_accuracy": round(metrics["mean_accuracy"], 4),
        "held_out": counts,
        "processor_seconds": round(time.process_time() - started, 1),
    }


def main() -> None:
    """Train what is not in the log yet, then write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.data = options.data.resolve()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    log = options.out / "classification_runs.jsonl"
    runs = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {(r["set"], r["method"], r["seed"], r["steps"]) for r in runs}
    for make in (crops, parcels):
        for seed in map(int, options.seeds.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                job = make(options.data, Path(folder), seed)
                for method in METHODS:
                    if (job.name, method.name, seed, options.steps) in done:
                        continue
                    runs.append(run(method, job, options, seed, Path(folder)))
                    print(json.dumps(runs[-1]), flush=True)
                    with log.open("a") as file:
                        file.write(json.dumps(runs[-1]) + "\n")
    write_table([r for r in runs if r["steps"] == options.steps], options.out)


def write_table(runs: list[dict[str, Any]], out: Path) -> None:
    """Mean and spread over the seeds."""
    header = ["method", *(f"{s}, {k}" for s in ("crops", "parcels") for k in ("accuracy", "mean of classes"))]
    rows = []
    for method in METHODS:
        row = [method.name]
        for name in ("crops", "parcels"):
            for key in ("accuracy", "mean_accuracy"):
                values = [r[key] for r in runs if (r["set"], r["method"]) == (name, method.name)]
                row.append(f"{np.mean(values):.3f} ± {np.std(values):.3f}" if values else "–")
        rows.append(row)
    print_table(header, rows)
    result = {"header": header, "rows": rows, "runs": runs, "machine": describe_machine()}
    (out / "classification.json").write_text(json.dumps(result, indent=1) + "\n")


def _write(path: Path, data: NDArray[Any], profile: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {k: profile[k] for k in ("driver", "dtype", "count", "crs", "transform", "nodata")}
    with rasterio.open(path, "w", **kept, height=data.shape[1], width=data.shape[2]) as file:
        file.write(data)
        for band, name in enumerate(("red", "green", "blue", "nir"), 1):
            file.set_band_description(band, name)


if __name__ == "__main__":
    main()
