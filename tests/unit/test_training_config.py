import math

import pytest

from nirlora.errors import OptionError
from nirlora.protocol import LayerRef, TrainRequest
from nirlora.training.config import apply_preset, class_weights, make_recipe, steps_per_epoch


def request(**changes):
    return TrainRequest(layers=(LayerRef("a.tif"),), **changes)


@pytest.mark.parametrize(
    ("patch", "chip", "zoom"), [(4, 96, 1.0), (8, 192, 1.0), (16, 192, 2.0), (14, 192, 1.75)]
)
def test_tokens_cover_about_eight_raster_pixels(patch, chip, zoom):
    recipe = make_recipe(request(), patch, 384)
    assert recipe.zoom == pytest.approx(zoom)
    assert recipe.chip_px == chip
    assert recipe.input_px % patch == 0
    assert recipe.chip_px * recipe.zoom == pytest.approx(recipe.input_px)


def test_a_network_made_for_tokens_of_16_px_sees_as_much_ground_unenlarged():
    recipe = make_recipe(request(), 16, 192, token_px=16)
    assert (recipe.zoom, recipe.chip_px, recipe.input_px) == (1.0, 192, 192)
    asked = make_recipe(request(zoom=2.0), 16, 192, token_px=16)
    assert (asked.zoom, asked.chip_px, asked.input_px) == (2.0, 96, 192)


def test_asked_chip_and_zoom_are_kept_up_to_whole_patches():
    recipe = make_recipe(request(chip_px=100, zoom=1.0), 16, 384)
    assert (recipe.chip_px, recipe.input_px) == (96, 96)


def test_preset_is_the_published_protocol():
    preset = apply_preset(request(preset="lora-nir", positive_class="crop"))
    assert preset.backbone == "vit-base", "the paper's, not the small one that comes along"
    named = apply_preset(request(preset="lora-nir", positive_class="crop", backbone="vit-large"))
    assert named.backbone == "vit-large"
    recipe = make_recipe(preset, 16, 1024)
    assert (preset.adapter, preset.rank, preset.alpha, preset.head) == ("lora", 4, 4.0, "aspp")
    assert (preset.epochs, preset.batch, recipe.chip_px, recipe.input_px) == (70, 8, 224, 224)
    assert (recipe.head_rate, recipe.backbone_rate, recipe.weight_decay) == (1e-4, 1e-4, 0.0)
    assert (recipe.schedule, recipe.dice_weight) == ("lora-nir", 0.0)
    assert not recipe.augment.orientation


def test_narrow_backbones_get_larger_steps():
    narrow, wide = make_recipe(request(), 16, 192), make_recipe(request(), 16, 768)
    assert narrow.backbone_rate == pytest.approx(2 * wide.backbone_rate)


@pytest.mark.parametrize(
    "changes",
    [
        {"preset": "nope"},
        {"preset": "lora-nir"},
        {"batch": 0},
        {"epochs": 0},
        {"zoom": -1.0},
        {"max_seconds": math.nan},
        {"val_fraction": 0.9},
    ],
)
def test_impossible_options_are_named_with_a_remedy(changes):
    with pytest.raises(OptionError) as caught:
        make_recipe(apply_preset(request(**changes)), 16, 384)
    assert caught.value.hint


def test_steps_follow_the_labelled_area_within_bounds():
    assert steps_per_epoch(request(), 1000, 96) == 20
    assert steps_per_epoch(request(), 96 * 96 * 4 * 10, 96) == 40
    assert steps_per_epoch(request(), 10**9, 96) == 100
    assert steps_per_epoch(request(steps_per_epoch=3), 10**9, 96) == 3


def test_rare_classes_weigh_more_and_the_paper_weighs_none():
    assert class_weights([100, 400], 0.0) == ()
    assert class_weights([100, 400], 1.0) == pytest.approx((2.5, 0.625))
    assert class_weights([100, 400], 0.5) == pytest.approx((2.5**0.5, 0.625**0.5))
    assert class_weights([100, 0], 1.0)[1] == 50
    assert make_recipe(apply_preset(request(preset="lora-nir", positive_class="a")), 16, 768).balance == 0
