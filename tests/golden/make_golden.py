"""Writes golden model files: ``python tests/golden/make_golden.py``.

A golden file that exists is never written again: it stands for the models people have. When a head, an
adapter or a card field is added, add a case here, run this and commit what is new.

The backbones' weights are computed from a formula in integers, the same to the bit everywhere and in every
version of torch, so that the files hold nothing but adapter and head.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from nirlora import __version__
from nirlora.models.backbones import build_backbone
from nirlora.models.bundle import ModelCard, write_bundle
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import build_segmenter
from nirlora.protocol import ClassInfo

HERE = Path(__file__).parent
ROWS, COLS, EVERY, FREQUENCY = 32, 48, 8, 0.37


@dataclass(frozen=True)
class Case:
    """One golden file."""

    name: str
    config: ModelConfig
    classes: tuple[str, ...]


CASES = (
    Case(
        "v0.1-demo-lora-linear",
        ModelConfig(
            backbone="vit-demo",
            head="linear",
            num_channels=3,
            channel_roles=("nir", "red", "green"),
            num_classes=3,
        ),
        ("soil", "crop", "weed"),
    ),
    Case(
        "v0.1-galileo-lora-detail",
        ModelConfig(backbone="galileo-nano", head="detail", channel_roles=("nir",), num_classes=2, rank=2),
        ("other", "tree"),
    ),
    Case(
        "v0.1-galileo-frozen-linear",
        ModelConfig(
            backbone="galileo-nano:p8",
            head="linear",
            adapter="frozen",
            stem="positional",
            num_channels=3,
            num_classes=1,
            final_norm=False,
        ),
        ("crop",),
    ),
    *(
        Case(
            f"v0.2-demo-{adapter}",
            ModelConfig(
                backbone="vit-demo", head="linear", adapter=adapter, blocks="last:2", adapter_options=options
            ),
            ("other", "tree"),
        )
        for adapter, options in (
            ("layernorm", {}),
            ("bitfit", {}),
            ("adapter", {"width": 4}),
            ("adaptformer", {"width": 8, "scale_mode": "learnable"}),
            ("convpass", {"width": 4}),
            ("lorand", {"kernel": 2}),
            ("vpt-shallow", {"prompts": 3}),
            ("vpt-deep", {"prompts": 3}),
            ("ivpt", {"prompts": 3}),
            ("e2vpt", {"prompts": 3, "kv_prompts": 2, "share_kv": False}),
            ("mufa", {"rates": [16, 32], "scale_mode": "per-branch"}),
        )
    ),
)


def formula(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Numbers from -0.25 to 0.25 (norm weights: 0.75 to 1.25) made of integers alone."""
    count = int(torch.tensor(shape).prod())
    integers = (torch.arange(count) * 2_654_435_761 + zlib.crc32(name.encode())) % 2**32
    values = (integers.double() / 2**32 - 0.5) / 2
    return (values + ("norm" in name and name.endswith("weight"))).float().reshape(shape)


def write_backbone(folder: Path, backbone: str) -> str:
    """Write the formula's weights for ``backbone``; returns what to give after ``--backbone``."""
    if backbone == "vit-demo":
        shapes = {k: tuple(v.shape) for k, v in build_backbone(backbone).net.state_dict().items()}
        save_file({k: formula(k, s) for k, s in shapes.items()}, folder / "demo.safetensors")
        return f"vit-demo={folder / 'demo.safetensors'}"
    shapes = {"s_t_channel_embed": (7, 32), "pos_embed": (24, 32), "month_embed.weight": (12, 32)}
    shapes |= {"norm.weight": (128,), "norm.bias": (128,)}
    shapes |= {
        "space_time_embed.S2_RGB.proj.weight": (128, 3, 8, 8),
        "space_time_embed.S2_RGB.proj.bias": (128,),
    }
    layers = {"attn.q": (128, 128), "attn.k": (128, 128), "attn.v": (128, 128), "attn.proj": (128, 128)}
    layers |= {"mlp.fc1": (512, 128), "mlp.fc2": (128, 512)}
    for block in range(4):
        for layer, (outputs, inputs) in layers.items():
            shapes[f"blocks.{block}.{layer}.weight"] = (outputs, inputs)
            shapes[f"blocks.{block}.{layer}.bias"] = (outputs,)
        for norm in ("norm1", "norm2"):
            shapes[f"blocks.{block}.{norm}.weight"] = shapes[f"blocks.{block}.{norm}.bias"] = (128,)
    torch.save({k: formula(k, s) for k, s in shapes.items()}, folder / "encoder.pt")
    (folder / "config.json").write_text("{}")
    return str(folder)


def images(config: ModelConfig) -> torch.Tensor:
    """The input whose logits are kept."""
    count = config.num_channels * ROWS * COLS
    ramp = torch.arange(count, dtype=torch.float64) * FREQUENCY
    return torch.sin(ramp).float().reshape(1, config.num_channels, ROWS, COLS)


def write(case: Case) -> None:
    """One golden model file and the logits it gave on the day."""
    with tempfile.TemporaryDirectory() as folder:
        told = write_backbone(Path(folder), case.config.backbone)
        source = told.partition("=")[2] or told
        segmenter = build_segmenter(replace(case.config, backbone_source=source)).eval()
    with torch.no_grad():
        for name, parameter in segmenter.named_parameters():
            if parameter.requires_grad and not (name.startswith("head.") and "norm" in name):
                parameter += formula(name, tuple(parameter.shape)) * 0.2
        logits = segmenter(images(case.config))[0, :, ::EVERY, ::EVERY]
    card = ModelCard(
        classes=tuple(ClassInfo(i, name, "#336699") for i, name in enumerate(case.classes)),
        model=replace(segmenter.config, backbone_source=f"golden/{case.config.backbone.split(':')[0]}"),
        backbone_sha256=segmenter.backbone_sha256,
        zoom=2.0,
        chip_px=64,
        metrics={"miou": 0.5},
        training={"seed": 0},
        versions={"nirlora": __version__, "torch": torch.__version__},
    )
    write_bundle(HERE / f"{case.name}.nirlora", card, segmenter.trainable_state())
    expected = {"classes": list(case.classes), "logits": logits.tolist()}
    (HERE / f"{case.name}.json").write_text(json.dumps(expected) + "\n")


def main() -> None:
    """Write every case that has no file yet."""
    for case in CASES:
        if not (HERE / f"{case.name}.nirlora").exists():
            write(case)
            sys.stdout.write(f"{case.name}\n")


if __name__ == "__main__":
    main()
