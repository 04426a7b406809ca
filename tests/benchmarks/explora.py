"""What extended pre-training without labels is worth: linear probe and LoRA fine-tuning, before and after.

    python tests/benchmarks/explora.py --data ../shared/data --seeds 0,1,2 --threads 1
    python tests/benchmarks/explora.py --seeds 10 --evaluations probe --adapt learning_rate=0.003 --out tried

Galileo-nano (patch 8), near-infrared band alone, on the splits of the accuracy table. It is adapted once for
each objective to the 1267 unlabelled NAIP tiles, which leave out every place of the labelled validation and
test tiles; and with mae, for each split of the orchard, to the training half of that frame (the tested blocks
are made nodata). No label is used in adapting. Then, on the same labels:

probe  a logistic regression on the frozen features of one token, every pixel the class of its token;
lora   the product's own training (LoRA, detail head), every weight from the last step, then its own maps.

Adapted backbones and finished runs are kept and not repeated, so an interrupted table goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
import zipfile
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.errors import NotGeoreferencedWarning

sys.path.insert(0, str(Path(__file__).resolve().parent))

import token_probe
from accuracy import score_maps
from machine import describe_machine
from splits import SplitSet, orchard, urban_trees
from token_probe import Probe

import nirlora
from nirlora.metrics import summarise
from nirlora.protocol import AdaptRequest, LayerRef, TrainRequest

PATCH = 8
SETS = {"orchard": orchard, "urban_trees": urban_trees}
EVALUATIONS = ("probe", "lora")


@dataclass(frozen=True)
class Start:
    """A row of the table: what the labels are learnt on."""

    name: str
    objective: str = ""  # empty: as published
    rasters: str = ""  # naip or orchard


STARTS = (
    Start("Galileo-nano as published"),
    Start("adapted to NAIP, mae", "mae", "naip"),
    Start("adapted to NAIP, dino", "dino", "naip"),
    Start("adapted to the training half, mae", "mae", "orchard"),
)


def naip_tiles(options: argparse.Namespace) -> Path:
    """The NIR images of the zips as GeoTIFFs that say so, written once."""
    folder = options.work / "naip_nir"
    folder.mkdir(parents=True, exist_ok=True)
    for archive in sorted((options.data / "naip_rgb_nir_unlabelled").glob("*.zip")):
        with zipfile.ZipFile(archive) as members:
            names = [n for n in members.namelist() if n.endswith("_nir.jpg")]
        for name in names:
            target = folder / name.replace(".jpg", ".tif")
            if target.exists():
                continue
            with rasterio.open(f"/vsizip/{archive}/{name}") as file:
                values = file.read(1)
            part = target.with_suffix(".part")
            profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "compress": "deflate"}
            profile |= {"height": values.shape[0], "width": values.shape[1]}
            with rasterio.open(part, "w", **profile) as file:
                file.write(values, 1)
                file.set_band_description(1, "NIR")
            part.rename(target)
    return folder


def orchard_half(split: SplitSet, options: argparse.Namespace, seed: int) -> Path:
    """The orchard frame with every pixel that is tested made nodata."""
    target = options.work / f"orchard_half_{seed}.tif"
    (test,) = split.test
    with rasterio.open(test.image) as file:
        values, profile, names = file.read(), file.profile, file.descriptions
    with rasterio.open(test.labels) as file:
        tested = file.read(1) != 255
    values[:, tested] = 0
    with rasterio.open(target, "w", **{**profile, "nodata": 0}) as file:
        file.write(values)
        file.descriptions = names
    return target


def backbone_of(start: Start, split: SplitSet, options: argparse.Namespace, seed: int) -> str:
    """What to give as ``--backbone``; adapts it if that has not been done yet."""
    published = f"galileo-nano:p{PATCH}={options.data / 'galileo_nano_weights'}"
    if not start.objective:
        return published
    name = f"{start.rasters}_{start.objective}" + (f"_{seed}" if start.rasters == "orchard" else "")
    out = options.work / f"{name}_{options.key}.nirlora-backbone"
    if not out.exists():
        raster = naip_tiles(options) if start.rasters == "naip" else orchard_half(split, options, seed)
        request = AdaptRequest(
            layers=(LayerRef(str(raster)),),
            out=str(out),
            backbone=published,
            bands="nir",
            objective=start.objective,
            batch=8,
            steps=options.adapt_steps[start.objective],
            device="cpu",
            resume=True,
        )
        began = time.process_time()
        result = nirlora.adapt(replace(request, **options.adapt))
        record = {"adapted": name, **options.adapt, "steps": result.steps, "losses": result.losses}
        keep(options, {**record, "seconds": round(time.process_time() - began, 1), "kind": "adaptation"})
    return str(out)


def probe(backbone: str, split: SplitSet, options: argparse.Namespace, seed: int) -> np.ndarray:
    """Confusion on the test pixels of a logistic regression on frozen token features."""
    return token_probe.probe(Probe(backbone), split, seed)


def fine_tune(backbone: str, split: SplitSet, options: argparse.Namespace, seed: int) -> np.ndarray:
    """Confusion of the maps of a model that the product trained with LoRA on ``backbone``."""
    with tempfile.TemporaryDirectory() as folder:
        trained = nirlora.train(
            TrainRequest(
                layers=tuple(LayerRef(str(r.image), str(r.labels)) for r in split.train),
                out=f"{folder}/model.nirlora",
                classes=split.classes,
                bands="nir",
                backbone=backbone,
                epochs=1,
                steps_per_epoch=options.steps,
                val_fraction=0.0,
                seed=seed,
                device="cpu",
                report=False,
            )
        )
        return score_maps(split, trained.model, Path(folder))


def keep(options: argparse.Namespace, record: dict[str, object]) -> None:
    """Add a line to the log of runs."""
    options.runs.append(record)
    with options.log.open("a") as file:
        file.write(json.dumps(record) + "\n")
    print(json.dumps(record), flush=True)


def run_all(options: argparse.Namespace) -> None:
    """Everything that is missing, seed by seed."""
    for seed in options.seeds:
        for evaluation in options.evaluations:
            for name in options.sets:
                for start in STARTS:
                    if start.rasters == "orchard" != name or start.objective not in options.objectives:
                        continue
                    key = {"set": name, "start": start.name, "evaluation": evaluation, "seed": seed}
                    key |= {"steps": options.steps if evaluation == "lora" else 0, "key": options.key}
                    if any(all(run.get(k) == v for k, v in key.items()) for run in options.runs):
                        continue
                    with tempfile.TemporaryDirectory() as work:
                        split = SETS[name](options.data, Path(work), seed)
                        backbone = backbone_of(start, split, options, seed)
                        began = time.process_time()
                        confusion = {"probe": probe, "lora": fine_tune}[evaluation](
                            backbone, split, options, seed
                        )
                    scores = summarise(confusion, split.classes)
                    iou = {
                        k: round(v["iou"], 4) for k, v in scores["classes"].items() if v["iou"] is not None
                    }
                    seconds = round(time.process_time() - began, 1)
                    keep(options, {**key, "miou": round(scores["miou"], 4), "iou": iou, "seconds": seconds})


def write_table(options: argparse.Namespace) -> None:
    """Mean and deviation over the seeds; and by how much each pair of runs on one split differs."""
    columns = [(name, evaluation) for name in SETS for evaluation in EVALUATIONS]
    titles = [f"{name}, {'linear probe' if e == 'probe' else 'LoRA'}" for name, e in columns]
    lines = ["| start | " + " | ".join(titles) + " |", "|---|" + "---|" * len(columns)]
    rows = []
    for start in STARTS:
        cells = []
        for name, evaluation in columns:
            found = {r["seed"]: float(r["miou"]) for r in _of(options, start, name, evaluation)}
            before = {r["seed"]: float(r["miou"]) for r in _of(options, STARTS[0], name, evaluation)}
            values, gains = list(found.values()), [found[s] - before[s] for s in found if s in before]
            text = f"{np.mean(values):.3f} ± {np.std(values):.3f}" if values else "–"
            if start.objective and gains:
                text += f" ({np.mean(gains):+.3f}; better in {sum(g > 0 for g in gains)} of {len(gains)})"
            cells.append(text)
            rows.append({"start": start.name, "set": name, "evaluation": evaluation, "miou": found})
        lines.append(f"| {start.name} | " + " | ".join(cells) + " |")
    table = "\n".join(lines)
    print(table)
    (options.out / "explora.md").write_text(table + "\n")
    adapted = [r for r in options.runs if r.get("kind") == "adaptation"]
    result = {"rows": rows, "adaptations": adapted, "steps": options.steps, "machine": describe_machine()}
    (options.out / "explora.json").write_text(json.dumps(result, indent=1) + "\n")


def _of(options: argparse.Namespace, start: Start, name: str, evaluation: str) -> list[dict[str, object]]:
    return [
        r
        for r in options.runs
        if (r.get("start"), r.get("set"), r.get("evaluation")) == (start.name, name, evaluation)
        and r["key"] == options.key
        and r["steps"] in (0, options.steps)
    ]


def _setting(text: str) -> tuple[str, object]:
    """``KEY=VALUE`` as a field of the request and a value of its type."""
    key, value = text.split("=", 1)
    default = {field.name: field.default for field in fields(AdaptRequest)}[key]
    return key, type(default)(value)


def main() -> None:
    """Run what is missing, then print and write the table."""
    here = Path(__file__).resolve()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=here.parents[3] / "shared" / "data")
    parser.add_argument("--out", type=Path, default=here.parent / "results")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "nirlora_explora")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--evaluations", default=",".join(EVALUATIONS))
    parser.add_argument("--objectives", default=",mae,dino", help="an empty one is the published backbone")
    parser.add_argument("--steps", type=int, default=200, help="of LoRA fine-tuning")
    parser.add_argument("--mae-steps", type=int, default=600)
    parser.add_argument("--dino-steps", type=int, default=200)
    parser.add_argument("--adapt", action="append", default=[], help="KEY=VALUE of AdaptRequest, repeatable")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the unlabelled tiles have no place
    options.seeds = [int(seed) for seed in options.seeds.split(",")]
    for name in ("sets", "evaluations", "objectives"):
        setattr(options, name, getattr(options, name).split(","))
    options.adapt_steps = {"mae": options.mae_steps, "dino": options.dino_steps}
    options.key = "_".join([f"{options.mae_steps}_{options.dino_steps}", *options.adapt])
    options.adapt = dict(_setting(text) for text in options.adapt)
    for folder in (options.out, options.work):
        folder.mkdir(parents=True, exist_ok=True)
    options.log = options.out / "explora_runs.jsonl"
    options.runs = (
        [json.loads(line) for line in options.log.read_text().splitlines()] if options.log.exists() else []
    )
    run_all(options)
    write_table(options)


if __name__ == "__main__":
    main()
