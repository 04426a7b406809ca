"""The numbers of an adaptation: sizes, rates, who decays, who moves how fast, which folder holds what."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nirlora.adaptation import explora
from nirlora.adaptation.config import BackboneSize, make_recipe
from nirlora.adaptation.dino import DinoObjective, Teaching
from nirlora.adaptation.heads import DinoHead
from nirlora.adaptation.loop import make_optimizer
from nirlora.adaptation.paths import output_paths, raster_layers
from nirlora.errors import OutputError
from nirlora.models.backbones import build_backbone
from nirlora.protocol import AdaptRequest, LayerRef

LARGE, NANO = BackboneSize(14, 1024, 24), BackboneSize(8, 128, 4)


def recipe(size=LARGE, valid_px=10**9, pretrained=True, **changes):
    return make_recipe(AdaptRequest(layers=(), **changes), size, valid_px, pretrained)


def test_published_sizes_for_wide_backbones_and_smaller_ones_below():
    assert recipe(objective="mae").decoder == (8, 512, 16)
    assert recipe(objective="dino").head == (2048, 256, 65_536)
    assert recipe(NANO).decoder == (2, 96, 3)
    assert recipe(NANO, objective="dino").head == (512, 256, 4096)
    assert recipe(objective="dino", prototypes=100).head[2] == 100


def test_views_are_whole_patches_and_local_ones_about_98_of_224():
    for size in (LARGE, NANO):
        made = recipe(size, objective="dino")
        assert made.input_px % size.patch == made.local_px % size.patch == 0
        assert made.local_px / made.input_px == pytest.approx(98 / 224, abs=0.03)
        assert made.chip_px * made.zoom == made.input_px
    assert recipe(NANO, chip_px=102).input_px == 104
    assert recipe(NANO, chip_px=48, zoom=2.0).input_px == 96


def test_length_follows_the_area():
    assert recipe(NANO, valid_px=1000).steps == 300
    assert recipe(NANO, valid_px=192**2 * 160).steps == 1000  # 100 passes in batches of 16
    assert recipe(NANO, valid_px=192**2 * 160, accumulate=2).steps == 500
    assert recipe(NANO, valid_px=10**12).steps == 20_000
    assert recipe(NANO, steps=7).steps == 7


def test_a_backbone_that_knows_something_waits_for_a_random_head():
    assert recipe().backbone_warmup > 0
    assert recipe(pretrained=False).backbone_warmup == 0
    assert recipe(decoder="mae.pth").backbone_warmup > 0  # whether it starts random, its weights tell


def test_rates_follow_objective_and_width_and_nothing_else():
    assert recipe(BackboneSize(16, 768, 12)).rate == 4e-4
    assert recipe(BackboneSize(16, 192, 12), objective="dino").rate == pytest.approx(4e-4)
    assert (recipe().new_rate, recipe(objective="dino").new_rate) == (2e-3, 5e-4)
    assert recipe(batch=64, accumulate=4, unfreeze="all").rate == recipe().rate
    made = recipe(learning_rate=1e-5)
    assert made.rate == made.new_rate == 1e-5


def test_who_decays_and_who_moves_how_fast():
    torch.manual_seed(0)
    backbone = build_backbone("vit-demo")
    explora.apply(backbone, explora.ExploraOptions("all"))
    objective = DinoObjective(backbone, DinoHead(128, 64, 32, 50), Teaching())
    made = recipe(BackboneSize(8, 128, 4), objective="dino")
    names = {id(p): n for n, p in objective.named_parameters()}
    of = {names[id(p)]: g for g in make_optimizer(objective, made).param_groups for p in g["params"]}
    assert of.keys() == {n for n, p in objective.named_parameters() if p.requires_grad}
    peaks = [
        of[f"backbone.net.{name}"]["peak"]
        for name in ("norm.weight", "blocks.3.mlp.fc1.weight", "blocks.0.mlp.fc1.weight", "pos_embed")
    ]
    assert peaks == pytest.approx([made.rate * 0.9**k for k in (0, 1, 4, 5)])
    assert of["head.direction"]["peak"] == of["mask_token"]["peak"] == made.new_rate
    decaying = {n for n, group in of.items() if group["decays"]}
    assert {"backbone.net.blocks.0.attn.qkv.weight", "head.direction", "head.mlp.0.weight"} <= decaying
    still = {"backbone.net.norm.weight", "backbone.net.blocks.0.attn.qkv.bias", "backbone.net.pos_embed"}
    assert not decaying & (still | {"head.gain", "mask_token", "head.mlp.0.bias"})
    assert {of[n]["backbone"] for n in of if n.startswith("backbone.")} == {True}
    assert not of["head.direction"]["backbone"]


def test_a_folder_gives_its_rasters_in_order_and_keeps_what_the_user_knows(tmp_path):
    for name in ("b.tif", "a.TIFF", "c.txt", "d.vrt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sub.tif").mkdir()
    request = AdaptRequest(layers=(LayerRef("x.tif"), LayerRef(str(tmp_path), nodata=0.0)))
    found = raster_layers(request)
    assert [Path(layer.path).name for layer in found] == ["x.tif", "a.TIFF", "b.tif", "d.vrt"]
    assert [layer.nodata for layer in found] == [None, 0.0, 0.0, 0.0]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert raster_layers(AdaptRequest(layers=(LayerRef(str(empty)),))) == (LayerRef(str(empty)),)


def test_names_of_results(tmp_path):
    raster = tmp_path / "field.tif"
    paths = output_paths(AdaptRequest(layers=(LayerRef(str(raster)),)))
    assert paths.backbone == tmp_path / "field.nirlora-backbone"
    assert paths.report == tmp_path / "field_adaptation.html"
    assert paths.checkpoint == tmp_path / "field.nirlora-backbone.checkpoint"
    named = output_paths(AdaptRequest(layers=(LayerRef(str(raster)),), out=str(tmp_path / "v1.2")))
    assert named.backbone == tmp_path / "v1.2.nirlora-backbone"
    mine = tmp_path / "mine.nirlora-backbone"
    mine.write_bytes(b"1")
    for start in (str(mine), f"vit-demo={mine}"):
        request = AdaptRequest(layers=(LayerRef(str(raster)),), backbone=start, out=str(mine))
        with pytest.raises(OutputError, match="input itself"):
            output_paths(request)
