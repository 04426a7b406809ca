"""The command that trains the shipped weights: what it shows, what it counts, and that it goes on."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nirlora.errors import JobCancelled, ModelError
from nirlora.models import stem
from nirlora.models.backbone_file import read_backbone
from nirlora.models.backbones import build_backbone
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import build_segmenter
from nirlora.models.weights import backbone_input, resolve_backbone
from pretraining.card import publish
from pretraining.draws import NDVI_MEAN, NDVI_STD, Draws, DrawSpec
from pretraining.objective import LossWeights, PretrainObjective, colour_loss, pool_tokens, show
from pretraining.run import Places, Settings, build, run, with_overrides
from pretraining.sources import ROLES, SIDE, Source, all_sources
from pretraining.tiles import TileSet, read_tiles, write_tiles
from support import ROOT

SUBSETS = [s for n in (1, 2, 3, 4) for s in combinations(ROLES, n)]
QUICK = Settings(
    steps=4, draws=DrawSpec(batch=2, sides=(96,)), weights=LossWeights(teacher=0.0), precision="no"
)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory) -> TileSet:
    """Three tiles of two sources, on the disk and back."""
    folder = tmp_path_factory.mktemp("tiles")
    values = np.random.default_rng(0).integers(10, 240, (3, 4, SIDE, SIDE), dtype=np.uint8)
    write_tiles(
        [
            Source("a", "naip", "x", values[:2]),
            Source("b", "raster", "y", values[2:] // 2),
            Source("c", "generated", "z", values[:1]),
        ],
        folder,
    )
    return read_tiles(folder)


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class TestShown:
    @pytest.mark.parametrize("roles", SUBSETS, ids="-".join)
    def test_what_is_shown_is_what_the_stem_makes_of_these_channels(self, roles):
        torch.manual_seed(0)
        conv = torch.nn.Conv2d(4, 6, 8, 8)
        images = torch.randn(2, 4, 16, 16)
        shown = torch.tensor([[float(role in roles) for role in ROLES]] * 2)
        own = stem.adapt_conv(conv, "auto", roles, ROLES)
        seen = images[:, [ROLES.index(role) for role in roles]]
        torch.testing.assert_close(conv(show(images, shown)), own(seen), rtol=1e-5, atol=1e-5)

    def test_only_what_was_hidden_counts_as_colour(self):
        wanted = torch.zeros(1, 1, 5)
        told = torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0]]])  # errors 1, 4, 9, 16 and 25 for NDVI
        for shown, expected in (
            ((0, 0, 0, 1), (1 + 4 + 9 + 25) / 4),
            ((1, 1, 1, 0), (16 + 25) / 2),
            ((1, 0, 0, 1), (4 + 9) / 2),  # NDVI can be read off
            ((1, 1, 1, 1), 0.0),
        ):
            loss = colour_loss(told, wanted, torch.tensor([shown], dtype=torch.float32))
            assert float(loss) == pytest.approx(expected)


class TestDraws:
    def test_a_batch_depends_on_seed_and_step_alone(self, tiles):
        first, again = (Draws(tiles, QUICK.draws, 1).batch(5) for _ in range(2))
        other = Draws(tiles, QUICK.draws, 2).batch(5)
        assert all(np.array_equal(first[k], again[k]) for k in first)
        assert not np.array_equal(first["images"], other["images"])

    def test_shapes_and_ranges(self, tiles):
        spec = DrawSpec(batch=4, sides=(64, 128), mask_ratio=0.75)
        batches = [Draws(tiles, spec, 0).batch(step) for step in range(6)]
        assert {b["images"].shape for b in batches} == {(16, 4, 64, 64), (4, 4, 128, 128)}
        for batch in batches:
            count, length = len(batch["images"]), (batch["images"].shape[-1] // 8) ** 2
            assert batch["ndvi"].shape == (count, 1, *batch["images"].shape[2:])
            assert batch["keep"].shape == (count, length // 4)
            assert batch["keep"].max() < length
            assert (np.diff(batch["keep"], axis=1) > 0).all()  # each patch once
            assert set(np.unique(batch["shown"])) <= {0.0, 1.0}
            assert (batch["shown"].sum(1) > 0).all()

    def test_ndvi_is_of_the_values_as_they_were(self, tiles):
        batch = Draws(tiles, DrawSpec(batch=2, sides=(SIDE,), zoom=(1.0, 1.0)), 0).batch(0)
        ndvi = np.sort((batch["ndvi"][0] * NDVI_STD + NDVI_MEAN).ravel())
        raw = tiles.values.astype(float)
        wanted = [np.sort(((t[3] - t[0]) / (t[3] + t[0] + 1)).ravel()) for t in raw]
        assert min(np.abs(ndvi - w).max() for w in wanted) < 1e-5


def test_a_place_that_is_held_out_is_refused(tmp_path):
    (tmp_path / "naip_urban_trees").mkdir()
    (tmp_path / "naip_urban_trees" / "tiles.csv").write_text("tile,split\nchico_2020_7,test\n")
    (tmp_path / "naip_rgb_nir_unlabelled").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "nir.jpg")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "rgb.jpg")
    with zipfile.ZipFile(tmp_path / "naip_rgb_nir_unlabelled" / "chico.zip", "w") as archive:
        for kind in ("rgb", "nir"):  # another year, the same place
            archive.write(tmp_path / f"{kind}.jpg", f"chico_2016_7_{kind}.jpg")
    with pytest.raises(ValueError, match="chico_2016_7 lies where"):
        next(all_sources(tmp_path, 0, 0))


class TestRun:
    def test_the_file_holds_the_running_mean_in_half_precision(self, tiles, tmp_path, one_thread):
        done = run(QUICK, tiles, Places(Path(), tmp_path), lambda _: None)
        path = tmp_path / "nirlora-tiny.nirlora-backbone"
        card, state = read_backbone(path)
        assert (done.step, card.roles) == (4, ROLES)
        assert card.history[0]["steps"] == 4
        assert {r["name"]: r["tiles"] for r in card.history[0]["rasters"]} == {"a": 2, "b": 1, "c": 1}
        mean = {k.removeprefix("mean.net."): v for k, v in done.weights.items() if k.startswith("mean.net.")}
        assert state.keys() == mean.keys()
        assert all(torch.equal(state[k], mean[k].half()) for k in mean)
        assert {h["step"] for h in json.loads((tmp_path / "curve.json").read_text())} == {1, 2, 3, 4}

    def test_what_is_published_is_the_file_and_what_its_card_says(self, tiles, tmp_path, one_thread):
        run(QUICK, tiles, Places(Path(), tmp_path / "run"), lambda _: None)
        own = tmp_path / "results" / "nirlora-tiny"
        own.mkdir(parents=True)
        (own / "own_weights.md").write_text("| method | mIoU |\n|---|---|\n| lora | 0.5 |\n")
        for results, said in ((own.parent, "| lora | 0.5 |"), (tmp_path, "Not measured yet.")):
            made = publish(tmp_path / "run", tmp_path / "home", results)
            text = (tmp_path / "home" / "nirlora-tiny.md").read_text()
            assert made.read_bytes() == (tmp_path / "run" / made.name).read_bytes()
            assert said in text
            for words in ("4 steps", "| b | raster | 1 | y |", "red, green, blue, nir", '"teacher": 0.0'):
                assert words in " ".join(text.split())
            assert text.count("\n| 4 |") == 1  # the last row of the curve

    def test_the_file_is_a_backbone_for_any_of_its_channels_and_says_which_it_never_saw(
        self, tiles, tmp_path, one_thread
    ):
        run(QUICK, tiles, Places(Path(), tmp_path), lambda _: None)
        path = str(tmp_path / "nirlora-tiny.nirlora-backbone")
        known = backbone_input("nirlora-tiny", path)
        assert known.unseen(("nir", "rededge")) == ("rededge",)
        kernel = read_backbone(Path(path))[1]["patch_embed.proj.weight"].float()
        for roles, expected in (
            (("nir",), 4 * kernel[:, 3:]),
            (("nir", "red"), 2 * kernel[:, [3, 0]]),
            (("blue", "green", "red"), 4 / 3 * kernel[:, [2, 1, 0]]),
            (ROLES, kernel),
            (("rededge",), kernel.sum(1, keepdim=True)),  # as if all four were shown the same values
        ):
            config = ModelConfig(
                backbone="nirlora-tiny",
                backbone_source=path,
                num_channels=len(roles),
                channel_roles=roles,
                adapter="frozen",
                head="linear",
            )
            network = build_segmenter(config)
            torch.testing.assert_close(network.backbone.patch_conv.weight, expected)
            assert network.backbone.patch_conv.weight.dtype == torch.float32
            assert network(torch.zeros(1, len(roles), 48, 40)).shape == (1, 2, 48, 40)

    def test_patches_of_16_px_give_a_file_that_says_so(self, tiles, tmp_path, one_thread):
        run(with_overrides(QUICK, ["patch=16"]), tiles, Places(Path(), tmp_path), lambda _: None)
        path = str(tmp_path / "nirlora-tiny-16.nirlora-backbone")
        assert resolve_backbone(path) == ("nirlora-tiny-16", path)
        config = ModelConfig(
            backbone="nirlora-tiny-16",
            backbone_source=path,
            num_channels=1,
            channel_roles=("nir",),
            adapter="lora",
            head="detail",
        )
        network = build_segmenter(config)
        assert (network.patch, network.backbone.patch_conv.kernel_size) == (16, (16, 16))
        assert network(torch.zeros(1, 1, 48, 64)).shape == (1, 2, 48, 64)

    def test_stopped_and_gone_on_is_the_same_as_at_once(self, tiles, tmp_path, one_thread):
        def stop(progress):
            if progress.message.startswith("step 2/"):
                raise JobCancelled(keep=True)

        whole = run(QUICK, tiles, Places(Path(), tmp_path / "whole"), lambda _: None)
        assert run(QUICK, tiles, Places(Path(), tmp_path / "parts"), stop).step == 2
        parts = run(QUICK, tiles, Places(Path(), tmp_path / "parts"), lambda _: None)
        assert same(whole.weights, parts.weights)
        assert same(whole.optimizer, parts.optimizer)

    def test_a_run_that_trains_earlier_weights_further(self, tiles, tmp_path, one_thread):
        run(QUICK, tiles, Places(Path(), tmp_path / "first"), lambda _: None)
        start = tmp_path / "first" / "nirlora-tiny.nirlora-backbone"
        _, given = read_backbone(start)
        begun = build(QUICK, Path(), start)
        for network in (begun.backbone.net, begun.mean.net):
            assert same(dict(network.state_dict()), {k: v.float() for k, v in given.items()})

        places = Places(Path(), tmp_path / "second", start=start)
        done = run(replace(QUICK, steps=2), tiles, places, lambda _: None)
        card, learnt = read_backbone(tmp_path / "second" / start.name)
        assert done.step == 2
        assert not same(learnt, given)
        assert [r["steps"] for r in card.history] == [4, 2]
        assert card.history[1]["start"]["sha256"] == hashlib.sha256(start.read_bytes()).hexdigest()
        publish(tmp_path / "second", tmp_path / "home", tmp_path / "none")
        text = (tmp_path / "home" / "nirlora-tiny.md").read_text()
        assert all(
            words in text for words in (" 6\nsteps", '"steps": 4', '"steps": 2', "0.0 hours + 0.0 hours")
        )
        with pytest.raises(ModelError, match="other settings"):  # the same run of random weights
            run(replace(QUICK, steps=2), tiles, replace(places, start=None), lambda _: None)

    def test_killed_and_gone_on_is_the_same_as_at_once(self, tiles, tmp_path):
        write_tiles([Source("a", "naip", "x", np.array(tiles.values))], tmp_path)
        assert run_apart(tmp_path, "parts", kill=True) == -signal.SIGKILL
        assert run_apart(tmp_path, "parts") == run_apart(tmp_path, "whole") == 0
        parts, whole = (tmp_path / name for name in ("parts", "whole"))
        curves = [json.loads((place / "curve.json").read_text()) for place in (parts, whole)]
        assert [p["loss"] for p in curves[0]] == [p["loss"] for p in curves[1]]
        assert len(curves[0]) == 4
        name = "nirlora-tiny.nirlora-backbone"
        assert same(read_backbone(parts / name)[1], read_backbone(whole / name)[1])

    def test_a_checkpoint_of_other_settings_is_refused(self, tiles, tmp_path, one_thread):
        places = Places(Path(), tmp_path)
        run(with_overrides(QUICK, ["steps=1"]), tiles, places, lambda _: None)
        with pytest.raises(ModelError, match="other settings"):
            run(with_overrides(QUICK, ["steps=1", "mask_ratio=0.5"]), tiles, places, lambda _: None)


_RUN = """
import os, signal, sys
from pathlib import Path
from pretraining.draws import DrawSpec
from pretraining.objective import LossWeights
from pretraining.run import Places, Settings, run
from pretraining.tiles import read_tiles

def say(progress):
    if sys.argv[3] and progress.message.startswith("step 3/"):
        os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
quick = Settings(
    steps=4, draws=DrawSpec(batch=2, sides=(96,)), weights=LossWeights(teacher=0.0), precision="no"
)
run(quick, read_tiles(folder), Places(Path(), folder / sys.argv[2], every_s=0.0), say)
"""


def run_apart(folder: Path, name: str, kill: bool = False) -> int:
    """A run in a process of one thread: their number decides in which order sums are taken."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(folder), name, "kill" if kill else ""],
        cwd=ROOT / "packaging",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    return done.returncode


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_settings_by_name():
    settings = with_overrides(QUICK, ["rate=0.5", "sides=[64, 96]", "fill=0"])
    assert (settings.rate, settings.draws.sides, settings.weights.fill) == (0.5, (64, 96), 0)
    with pytest.raises(ValueError, match="no setting 'speed'"):
        with_overrides(QUICK, ["speed=1"])


def test_tokens_of_a_larger_patch_are_means_of_those_in_it():
    rows = torch.tensor([[0.0, 1, 10, 11], [2, 3, 12, 13], [20, 21, 30, 31], [22, 23, 32, 33]])
    tokens = rows.reshape(1, 16, 1)
    assert pool_tokens(tokens, 2).flatten().tolist() == [1.5, 11.5, 21.5, 31.5]
    assert torch.equal(pool_tokens(tokens, 1), tokens)


def test_a_teacher_of_a_weight_of_nothing_is_not_needed():
    objective = build(QUICK, Path("/nowhere"))
    assert isinstance(objective, PretrainObjective)
    assert objective.teacher is None
    assert not any(name.startswith("teacher") for name in objective.saved_names())
    assert build_backbone("nirlora-tiny").patch == 8
