"""The weights that lie in resources: what they are, and that a first run needs nothing else."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest
import torch

from nirlora.models.backbone_card import read_backbone_card
from nirlora.models.backbones import backbone_spec, build_backbone
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import build_segmenter
from nirlora.models.weights import is_cached, load_backbone_weights, resolve_backbone
from nirlora.training.run import DEFAULT_BACKBONE
from support import ROOT

ROLES = ("red", "green", "blue", "nir")
LABELLED = ("landsat8_elkton/landsat8.tif",)
SHIPPED = {"nirlora-tiny": ["random weights", "an earlier run"], "nirlora-tiny-16": ["random weights"]}
HOME = ROOT / "resources" / "pretrained"


def file_of(name: str) -> Path:
    return HOME / f"{name}.nirlora-backbone"


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def asked(*args: object, **options: object) -> None:
        raise AssertionError("asked the network")

    for function in ("hf_hub_download", "get_hf_file_metadata", "hf_hub_url"):
        monkeypatch.setattr(huggingface_hub, function, asked)


def test_the_default_backbone_is_among_those_that_are_shipped():
    assert DEFAULT_BACKBONE in SHIPPED
    assert {path.name for path in HOME.iterdir()} == {
        f"{name}{end}" for name in SHIPPED for end in (".nirlora-backbone", ".md")
    }


@pytest.mark.parametrize("backbone", SHIPPED)
def test_it_is_here_and_small(backbone):
    name, source = resolve_backbone(backbone)
    assert (name, Path(source)) == (backbone, file_of(backbone))
    assert file_of(backbone).stat().st_size < 25e6
    assert is_cached(backbone_spec(name))
    assert backbone_spec(name).pretrained


@pytest.mark.parametrize("backbone", SHIPPED)
def test_its_card_says_what_it_saw_and_what_made_it(backbone):
    card = read_backbone_card(file_of(backbone))
    assert card.roles == ROLES
    assert card.backbone == backbone
    assert [run["start"]["source"] for run in card.history] == SHIPPED[backbone]
    assert {run["settings"]["draws"]["patch"] for run in card.history} == {backbone_spec(backbone).patch}
    assert all(run["steps"] == run["settings"]["steps"] for run in card.history)
    sources = {raster["name"] for run in card.history for raster in run["rasters"]}
    assert not sources & set(LABELLED)
    assert not [name for name in sources if name.startswith(("micasense", "landsat_landfire"))]
    page = file_of(backbone).with_suffix(".md").read_text(encoding="utf-8")
    assert all(f"| {name} |" in page for name in sources)


@pytest.mark.parametrize("backbone", SHIPPED)
@pytest.mark.parametrize("bands", [("nir",), ("red", "green", "blue"), ("nir", "red"), ROLES])
def test_any_subset_of_its_channels_has_kernels_of_its_own(bands, backbone):
    """Each channel gets its trained kernel, scaled so that few weigh as much as all four."""
    config = ModelConfig(backbone=backbone, num_channels=len(bands), channel_roles=bands)
    made = build_segmenter(config).backbone.net.patch_embed.proj.weight
    whole = build_backbone(backbone)
    load_backbone_weights(whole)
    kernels = whole.net.patch_embed.proj.weight[:, [ROLES.index(band) for band in bands]]
    assert torch.allclose(made, kernels * len(ROLES) / len(bands), atol=1e-6)


@pytest.mark.parametrize("backbone", SHIPPED)
def test_near_infrared_tokens_tell_textures_apart_better_than_random_ones(backbone):
    """Fine rows, coarse rows and noise: between-class over within-class distance of their mean tokens."""

    def separation(backbone: torch.nn.Module) -> float:
        generator = torch.Generator().manual_seed(0)
        images = []
        for period in (4, 16, 0):
            for _ in range(6):
                phase = torch.rand((), generator=generator) * 6.3
                rows = torch.sin(torch.arange(64) * (6.283 / period) + phase) if period else torch.zeros(64)
                noise = torch.randn(64, 64, generator=generator)
                images.append((rows[None].expand(64, 64) + (0.4 if period else 1.0) * noise)[None])
        with torch.inference_mode():
            tokens = backbone.eval()(torch.stack(images)).mean((2, 3)).reshape(3, 6, -1)
        centres = tokens.mean(1, keepdim=True)
        between = (centres - centres.mean(0)).norm(dim=-1).mean()
        return float(between / (tokens - centres).norm(dim=-1).mean())

    config = ModelConfig(backbone=backbone, channel_roles=("nir",))
    torch.manual_seed(0)
    random = build_segmenter(ModelConfig(backbone=backbone, channel_roles=("nir",), pretrained=False))
    trained = build_segmenter(config)
    assert separation(trained.backbone) > 2 * separation(random.backbone)
