"""A believable training to report on; also what the page is looked at with."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, label

from nirlora.metrics import summarise
from nirlora.protocol import ClassInfo, LayerRef, TrainRequest
from nirlora.training.report import ClassCount, QuickLook, ReportData, command_line

CLASSES = (
    ClassInfo(0, "crop", "#4daf4a"),
    ClassInfo(1, "weed", "#e41a1c"),
    ClassInfo(2, "tree", "#1b5e20"),
    ClassInfo(3, "bare soil & <shadow>", "#a6761d"),
)


def quick_look(size: int = 480, seed: int = 0) -> QuickLook:
    rng = np.random.default_rng(seed)
    fields = np.stack([gaussian_filter(rng.standard_normal((size, size)), 14) for _ in CLASSES])
    truth = fields.argmax(0).astype(np.uint8)
    nir = np.array([0.45, 0.38, 0.55, 0.2])[truth] + rng.normal(0, 0.03, (size, size))
    nir[:40, :120] = np.nan
    blobs = gaussian_filter(rng.standard_normal((size, size)), 16) > 0.026
    labels = np.where(blobs, truth, 255).astype(np.uint8)
    number, _ = label(blobs)
    noisy = np.stack([gaussian_filter(f + rng.normal(0, 0.03, f.shape), 2) for f in fields])
    prediction = noisy.argmax(0).astype(np.uint8)
    prediction[:40, :120] = 255
    return QuickLook("field.tif, the whole of it", nir[None], labels, prediction, (number % 4 == 0) & blobs)


def sample() -> ReportData:
    confusion = np.array(
        [[18201, 912, 240, 310], [1410, 5230, 388, 95], [120, 301, 9120, 0], [402, 60, 11, 7120]]
    )
    names = tuple(c.name for c in CLASSES)
    epochs = np.arange(0, 31)
    history = [
        {
            "epoch": int(e),
            "step": int(e) * 40,
            "loss": None if e == 0 else float(0.25 + 1.4 * np.exp(-e / 5) + 0.03 * np.sin(3 * e)),
            "lr": float(1e-3 * (1 + np.cos(np.pi * e / 30)) / 2),
            "miou": float(0.79 - 0.6 * np.exp(-e / 4) + 0.02 * np.sin(2 * e)),
            "seconds": float(e) * 6,
        }
        for e in epochs
    ]
    request = TrainRequest(
        layers=(LayerRef("/data/my fields/field.tif", "/data/my fields/field.gpkg"),), bands="nir", seed=3
    )
    return ReportData(
        title="field.nirlora",
        classes=CLASSES,
        counts=tuple(
            ClassCount(n, t, v, t * 2100, int(r))
            for n, t, v, r in zip(names, (41, 22, 30, 17), (10, 5, 7, 4), confusion.sum(1), strict=True)
        ),
        metrics=summarise(confusion, names),
        history=history,
        quick_looks=(quick_look(),),
        parameters={"adapter": 147456, "head": 412932, "trainable": 560388, "total": 86_360_000},
        seconds=187.4,
        device="NVIDIA RTX A4000 (bf16)",
        stopped="",
        channels=(
            {
                "channel": "nir",
                "band": 5,
                "scale": 3.0518e-05,
                "offset": 0,
                "low": 0.112,
                "high": 0.641,
                "mean": 0.485,
                "std": 0.229,
                "how found": "band description",
            },
        ),
        settings={
            "backbone": "vit_base_patch16_224.augreg_in21k",
            "adapter": "lora, rank 4, all blocks",
            "head": "detail",
            "chip": "224 px (12.3 m)",
            "zoom": 2.0,
            "batch": 8,
            "seed": 3,
        },
        layers=("/data/my fields/field.tif",),
        command=command_line(request),
        warnings=("3 polygons lie outside the raster and were left out.", "2 polygons were repaired <b>."),
        versions={
            "nirlora": "0.1.0",
            "torch": "2.15.0",
            "timm": "1.0.31",
            "peft": "0.21.2",
            "GDAL": "3.10.3",
        },
        created="2026-11-21 09:30",
    )
