"""One iteration of self-training, and the batches it is fed with."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch
from training_field import make_field

from data.make_data import grid_transform, make_polygons, make_raster, pixel_box
from nirlora.bands import ChannelReader, fit_transform, refit_transform
from nirlora.errors import RasterError
from nirlora.models.backbones import build_backbone
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import Segmenter, build_segmenter
from nirlora.protocol import NO_CLASS
from nirlora.raster.grid import Window
from nirlora.raster.source import open_raster
from nirlora.self_training.balance import class_probabilities
from nirlora.self_training.draws import Batch, SourceSampler, TargetSampler
from nirlora.self_training.options import STABILISERS
from nirlora.self_training.players import Cast, Rates, build_players, make_optimizers, set_rates
from nirlora.self_training.pseudo import predict_scene
from nirlora.self_training.scenes import Scene, choose_scenes
from nirlora.self_training.state import pack_weights, unpack_players
from nirlora.self_training.step import StepConfig, iteration
from nirlora.self_training.student import Student
from nirlora.self_training.target import about_the_same
from nirlora.training.accelerator import make_accelerator
from nirlora.training.augment import AugmentConfig
from nirlora.training.chips import ChipLayer, ChipSampler, ChipSpec
from nirlora.training.schedule import warmup_cosine
from nirlora.vector.labels import open_labels

STILL = AugmentConfig(orientation=False, gain=0.0, offset=0.0)


def segmenter(adapter: str) -> Segmenter:
    """As if its backbone had been pretrained: what nobody trains is not stored."""
    built = build_segmenter(ModelConfig("vit-demo", pretrained=False, adapter=adapter, num_classes=3))
    built.backbone_sha256 = "known"
    return built


def players_of(stabiliser: str, **changes):
    adapter, teacher = STABILISERS[stabiliser]
    accelerator = make_accelerator(torch.device("cpu"))
    cast = replace(Cast(num_classes=3, teacher=teacher), **changes)
    made = build_players(segmenter("lora" if adapter else "full"), cast, accelerator)
    make_optimizers(made, Rates(1e-3, 1e-3, 1e-3), accelerator)
    return made, accelerator


def batch(seed: int, labelled: bool = True) -> Batch:
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((2, 1, 32, 32)).astype(np.float32)
    labels = rng.integers(0, 3, (2, 32, 32)).astype(np.uint8) if labelled else np.full((2, 32, 32), NO_CLASS)
    return Batch(images, labels.astype(np.uint8), np.ones((2, 32, 32), bool))


def copies(module) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in module.state_dict().items()}


@pytest.mark.parametrize("pseudo", [False, True])
@pytest.mark.parametrize("stabiliser", list(STABILISERS))
def test_who_moves_in_an_iteration(stabiliser, pseudo):
    players, accelerator = players_of(stabiliser)
    nets = {"student": players.student, "align": players.align, "domain": players.domain}
    before = {name: copies(net) for name, net in nets.items()}
    players.student.train()
    loss = iteration(players, batch(0), batch(1), StepConfig(), accelerator, pseudo=pseudo)
    assert torch.isfinite(loss)
    trained = {n for n, p in players.student.named_parameters() if p.requires_grad}
    for name, value in players.student.named_parameters():
        assert name in trained or torch.equal(value, before["student"][name])
    moved = {n for n in trained if not torch.equal(players.student.get_parameter(n), before["student"][n])}
    backbone = {n for n in moved if "backbone" in n}
    assert {n for n in moved if n.startswith("segmenter.head.")}
    assert {n for n in moved if n.startswith("auxiliary.")}
    assert backbone
    assert all("lora" in n for n in backbone) == ("lora" in stabiliser)
    for name in ("align", "domain"):
        assert any(not torch.equal(v, before[name][k]) for k, v in nets[name].state_dict().items())


def test_with_lora_nothing_but_lora_heads_and_discriminators_is_kept_or_trained():
    players, _ = players_of("lora")
    assert players.teacher is None
    assert players.result is players.student
    gc.collect()
    ours = {id(p) for net in (players.student, players.align, players.domain) for p in net.parameters()}
    in_optimizers = {
        id(p) for o in (players.optimizer, players.game) for g in o.param_groups for p in g["params"]
    }
    names = {id(p): n for n, p in players.student.named_parameters()}
    assert in_optimizers <= ours
    for number in in_optimizers & names.keys():
        name = names[number]
        assert "lora" in name or name.startswith(("segmenter.head.", "auxiliary."))
    frozen = [p for p in players.student.parameters() if id(p) not in in_optimizers]
    assert frozen
    assert not any(p.requires_grad for p in frozen)


@pytest.mark.parametrize("stabiliser", ["ema", "lora+ema"])
def test_the_teacher_is_moved_by_averaging_alone(stabiliser):
    players, accelerator = players_of(stabiliser)
    before = {n: p.clone() for n, p in players.teacher.named_parameters()}
    players.student.train()
    config = StepConfig(ema_rate=0.25)
    iteration(players, batch(0), batch(1), config, accelerator, pseudo=True)
    student = dict(players.student.named_parameters())
    for name, slow in players.teacher.named_parameters():
        assert slow.grad is None or slow is student[name]
        torch.testing.assert_close(slow, 0.75 * before[name] + 0.25 * student[name], rtol=0, atol=1e-6)


def test_without_weight_there_is_no_game():
    players, accelerator = players_of("lora", adversary=False)
    assert players.align is players.domain is players.game is None
    players.student.train()
    iteration(players, batch(0), batch(1), StepConfig(), accelerator, pseudo=False)


def test_in_the_warm_up_labels_of_the_target_do_not_matter():
    results = []
    for labelled in (True, False):
        torch.manual_seed(0)
        players, accelerator = players_of("lora")
        players.student.train()
        torch.manual_seed(1)
        iteration(players, batch(0), batch(1, labelled), StepConfig(), accelerator, pseudo=False)
        results.append(copies(players.student))
    assert all(torch.equal(results[0][k], results[1][k]) for k in results[0])


def test_pixels_without_data_do_not_play():
    """A hole in the target is easily told from the source; it must not be what is told."""
    outcomes = []
    for fill in (0.0, 50.0):
        players, accelerator = players_of("none", seed=3)
        players.student.train()
        source, target = batch(0), batch(1)
        target.seen[:] = False
        target.labels[:] = NO_CLASS
        target.images[:] = fill
        torch.manual_seed(1)
        iteration(players, source, target, StepConfig(), accelerator, pseudo=False)
        outcomes.append(copies(players.align))
    assert all(torch.equal(outcomes[0][k], outcomes[1][k]) for k in outcomes[0])


@pytest.mark.parametrize("stabiliser", list(STABILISERS))
def test_weights_of_all_networks_come_back(stabiliser):
    players, accelerator = players_of(stabiliser, class_wise=True)
    start = {k: v.clone() for k, v in pack_weights(players).items()}
    assert any(k.startswith("teacher/") for k in start) == ("ema" in stabiliser)
    players.student.train()
    for step in range(2):
        iteration(players, batch(step), batch(step + 9), StepConfig(), accelerator, pseudo=True)
    later = {k: v.clone() for k, v in pack_weights(players).items()}
    unpack_players(players, start, {})
    assert all(torch.equal(v, start[k]) for k, v in pack_weights(players).items())
    unpack_players(players, later, {})
    assert all(torch.equal(v, later[k]) for k, v in pack_weights(players).items())


def test_rates_follow_their_schedules():
    players, _ = players_of("lora")
    published = Rates(1e-3, 1e-3, 1e-3, schedule="transda")
    set_rates(players, published, 0.15, 1_500)
    assert [g["lr"] for g in players.optimizer.param_groups] == pytest.approx([1e-3 * (1 - 0.048)] * 2)
    set_rates(players, published, 1.0, 10_000)
    assert players.game.param_groups[0]["lr"] == pytest.approx(1e-3 * 0.68**0.9)
    own = Rates(1e-3, 1e-3, 1e-3, backbone_warmup=0.2)
    set_rates(players, own, 0.1, 50)
    head, backbone = (g["lr"] for g in players.optimizer.param_groups)
    assert head == pytest.approx(1e-3 * warmup_cosine(0.1, 50))
    assert backbone == pytest.approx(head / 2)
    set_rates(players, own, 1.0, 100)
    assert players.optimizer.param_groups[0]["lr"] == pytest.approx(1e-5)


def spec_for(chip_px: int = 24, **changes) -> ChipSpec:
    base = ChipSpec(chip_px, chip_px, batch=4, seed=5, augment=STILL, mean=(0.5,), std=(0.25,))
    return replace(base, **changes)


@pytest.fixture
def field(tmp_path):
    made = make_field(tmp_path)
    with open_raster(str(made.raster)) as source:
        yield made, source


def layer_of(made, source) -> ChipLayer:
    labels = open_labels(made.labels, source)
    reader = ChannelReader(source, fit_transform([source]))
    return ChipLayer(reader, labels, frozenset(item.group for item in labels.items))


def test_source_batches_depend_on_the_number_alone(field):
    one, other = (SourceSampler([layer_of(*field)], spec_for(), 3) for _ in range(2))
    later = other.batch(7)
    for step in (0, 3, 7):
        again = one.batch(step)
    assert np.array_equal(again.images, later.images)
    assert np.array_equal(again.labels, later.labels)
    assert again.images.shape == (4, 1, 24, 24)
    assert (again.labels != NO_CLASS).any(axis=(1, 2)).all()
    assert not np.array_equal(one.batch(8).images, later.images)


def test_source_chips_are_those_of_any_other_training(field):
    layer = layer_of(*field)
    spec = spec_for(augment=AugmentConfig(orientation=False, gain=0.0, offset=0.0))
    for step in range(3):
        batch = SourceSampler([layer], spec, 3).batch(step)
        images, labels = ChipSampler([layer], spec, 3).batch(step)
        assert np.array_equal(batch.images, images)
        assert np.array_equal(batch.labels, labels)


def test_rare_classes_are_drawn_as_the_formula_says(tmp_path):
    """Crop everywhere, weed in one corner: chips of weed hold crop too, chips of crop hardly ever weed."""
    values = np.full((200, 200), 3000, "uint16")
    raster = make_raster(tmp_path / "r.tif", values, descriptions=("NIR",))
    crop = [
        (pixel_box(grid_transform(), c, r, 8, 8), {"class": "crop"})
        for r in range(0, 190, 20)
        for c in range(0, 190, 20)
    ]
    weed = [(pixel_box(grid_transform(), 30, 30, 6, 6), {"class": "weed"})]
    labels = make_polygons(tmp_path / "r.gpkg", crop + weed)
    with open_raster(str(raster)) as source:
        found = open_labels(labels, source)
        layer = ChipLayer(
            ChannelReader(source, fit_transform([source])), found, frozenset(i.group for i in found.items)
        )
        sampler = SourceSampler([layer], spec_for(), 2, by_rarity=True)
        number = 2_000
        near_weed = 0
        for sample in range(number):
            _, window = sampler.place(sample)
            near_weed += window.intersection(Window(30, 30, 6, 6)) is not None
    share = np.array([number, near_weed]) / (number + near_weed)  # crop is in every chip
    expected = class_probabilities((share * 1e6).astype(np.int64), np.ones(2, bool))[1]
    assert near_weed / number == pytest.approx(expected, abs=0.06)


def target_scene(tmp_path, rows: int = 40, cols: int = 60) -> Scene:
    values = np.arange(rows * cols, dtype="uint16").reshape(rows, cols) + 1000
    values[:10, :20] = 0
    raster = make_raster(tmp_path / "t.tif", values, descriptions=("NIR",), nodata=0)
    source = open_raster(str(raster))
    (scene,), _ = choose_scenes([ChannelReader(source, fit_transform([source]))], 24, seed=0)
    return scene


def test_target_chips_carry_the_labels_of_their_own_pixels(tmp_path):
    """Every pixel's value tells where it lies, so a label in the wrong place would show."""
    scene = target_scene(tmp_path)
    where = np.arange(40 * 60).reshape(40, 60) % 7
    scene.labels = scene.classes = where.astype(np.uint8)
    turned = AugmentConfig(orientation=True, gain=0.0, offset=0.0)
    drawn = TargetSampler([scene], spec_for(augment=turned)).batch(3)
    (channel,) = scene.reader.transform.channels
    unit = drawn.images[:, 0] * channel.std + channel.mean
    values = unit * (channel.high - channel.low) + channel.low
    inside = drawn.seen & (values > channel.low) & (values < channel.high)
    number = np.rint(values).astype(int) - 1000
    assert inside.any()
    assert (drawn.labels[inside] == number[inside] % 7).all()
    assert (drawn.labels[~drawn.seen] == NO_CLASS).all()
    scene.reader.source.close()


def test_a_scene_smaller_than_a_chip_is_framed_by_nothing(tmp_path):
    scene = target_scene(tmp_path, rows=16, cols=60)
    scene.labels = np.zeros(scene.window.shape, np.uint8)
    drawn = TargetSampler([scene], spec_for()).batch(0)
    assert drawn.images.shape == (4, 1, 24, 24)
    assert (drawn.labels[:, :4] == NO_CLASS).all()
    assert not drawn.seen[:, -4:].any()
    scene.reader.source.close()


def test_of_a_huge_target_a_sample_is_looked_at(tmp_path):
    values = np.zeros((400, 400), "uint16")
    values[:, 200:] = 500
    raster = make_raster(tmp_path / "huge.tif", values, descriptions=("NIR",), nodata=0)
    with open_raster(str(raster)) as source:
        reader = ChannelReader(source, fit_transform([source]))
        scenes, parts = choose_scenes([reader], 10, seed=0, max_pixels=20_000)
        assert parts == 100
        assert len(scenes) == 12  # of 1,600 pixels each
        assert all(scene.window.col_off >= 200 for scene in scenes)
        again, _ = choose_scenes([reader], 10, seed=0, max_pixels=20_000)
        assert [s.window for s in again] == [s.window for s in scenes]
        with pytest.raises(RasterError, match="No valid pixel"):
            choose_scenes([ReaderOfNothing(reader)], 10, seed=0)


class ReaderOfNothing:
    def __init__(self, reader):
        self.source = reader.source

    def read(self, window):
        return None, np.zeros(window.shape, bool)


def test_a_scene_is_labelled_where_it_has_pixels(tmp_path):
    scene = target_scene(tmp_path)
    accelerator = make_accelerator(torch.device("cpu"))
    torch.manual_seed(0)
    net = Student(segmenter("lora"), 3)
    classes, confidence = predict_scene(net, scene, spec_for(), accelerator)
    assert ((classes == NO_CLASS) == ~scene.seen).all()
    assert (confidence[scene.seen] >= 1 / 3 - 1e-6).all()
    assert confidence.max() <= 1
    scene.reader.source.close()


def test_the_targets_own_range_replaces_the_sources(tmp_path, field):
    _, source = field
    transform = fit_transform([source])
    with open_raster(
        str(
            make_raster(
                tmp_path / "o.tif", np.arange(10_000, dtype="uint16").reshape(100, 100), descriptions=("NIR",)
            )
        )
    ) as other:
        used = refit_transform([ChannelReader(other, transform)])
        (channel,), (was,) = used.channels, transform.channels
        assert (channel.name, channel.role, channel.mean, channel.std) == (
            was.name,
            was.role,
            was.mean,
            was.std,
        )
        assert (channel.low, channel.high) == pytest.approx(np.percentile(np.arange(10_000), (2, 98)), abs=1)
        assert ChannelReader(other, used).check() == []


def test_ranges_are_about_the_same_within_half_the_sources(field):
    _, source = field
    transform = fit_transform([source])
    (was,) = transform.channels
    width = was.high - was.low

    def moved(low: float, high: float):
        return replace(transform, channels=(replace(was, low=was.low + low, high=was.high + high),))

    assert about_the_same(transform, transform)
    assert about_the_same(moved(0.4 * width, -0.4 * width), transform)
    assert not about_the_same(moved(0.6 * width, 0), transform)
    assert not about_the_same(moved(0, -0.6 * width), transform)
    assert not about_the_same(replace(transform, kind="reflectance"), transform)


def test_reflectance_stays_reflectance_only_where_both_tell_it(tmp_path):
    data = (np.random.default_rng(0).random((50, 50)) * 0.5 + 0.05).astype("float32")
    told = make_raster(tmp_path / "told.tif", data, descriptions=("NIR",))
    plain = make_raster(tmp_path / "plain.tif", (data * 200).astype("uint8"), descriptions=("NIR",))
    with open_raster(str(told)) as first, open_raster(str(plain)) as second:
        transform = fit_transform([first])
        assert transform.kind == "reflectance"
        assert refit_transform([ChannelReader(first, transform)]).kind == "reflectance"
        used = refit_transform([ChannelReader(second, transform)])
        assert used.kind == "range"
        assert used.channels[0].high > 50


def test_swin_gives_its_four_stages_and_joins_them_as_before():
    torch.manual_seed(0)
    net = build_backbone("swin-tiny").eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        stages = net.stages(x)
        assert [tuple(s.shape[1:]) for s in stages] == [(96, 16, 16), (192, 8, 8), (384, 4, 4), (768, 2, 2)]
        assert net.stage_dims == (96, 192, 384, 768)
        assert torch.equal(net.join(stages), net(x))
