"""Splits of lists of patches, as the LoRA-NIR paper's data were split."""

from __future__ import annotations

import pytest

from nirlora.errors import OptionError
from nirlora.training.folds import k_fold, scene_fold


@pytest.mark.parametrize(
    ("count", "folds", "sizes"), [(5985, 5, (4310, 478, 1197)), (1778, 2, (801, 88, 889))]
)
def test_the_sizes_of_the_paper(count, folds, sizes):
    tested = []
    for fold in range(folds):
        split = k_fold(count, folds, fold)
        assert (len(split.train), len(split.val), len(split.test)) == sizes
        assert sorted(split.train + split.val + split.test) == list(range(count))
        tested += split.test
    assert sorted(tested) == list(range(count))  # each patch once


def test_the_rule_on_a_published_order():
    """Test is the run of the fold, validation the first tenth of the rest; one patch is never tested."""
    order = [7, 3, 12, 0, 20, 5, 9, 1, 18, 2, 14, 4, 11, 6, 16, 8, 19, 10, 15, 13, 17]
    split = k_fold(21, 2, 1, order=order)
    assert split.test == (14, 4, 11, 6, 16, 8, 19, 10, 15, 13)
    assert split.val == (7,)
    assert split.train == (3, 12, 0, 20, 5, 9, 1, 18, 2, 17)


def test_the_seed_draws_one_order_for_all_folds():
    assert k_fold(50, 5, 2, seed=1) == k_fold(50, 5, 2, seed=1)
    assert k_fold(50, 5, 2, seed=1) != k_fold(50, 5, 2, seed=2)
    a, b = k_fold(50, 5, 0, seed=1), k_fold(50, 5, 1, seed=1)
    assert not set(a.test) & set(b.test)


@pytest.mark.parametrize(("scenes", "folds"), [(3, 2), (5, 3), (25, 5)])
def test_no_scene_is_on_two_sides(scenes, folds):
    of = [f"scene {i % scenes}" for i in range(200)]
    for fold in range(folds):
        split = scene_fold(of, folds, fold)
        train, val, test = ({of[i] for i in side} for side in (split.train, split.val, split.test))
        assert train
        assert val
        assert len(test) == scenes // folds
        assert len(train) + len(val) + len(test) == scenes
        assert sorted(split.train + split.val + split.test) == list(range(200))


@pytest.mark.parametrize(
    "make",
    [
        lambda: k_fold(10, 1, 0),
        lambda: k_fold(10, 5, 5),
        lambda: k_fold(10, 5, -1),
        lambda: k_fold(3, 5, 0),
        lambda: k_fold(3, 2, 0, order=[0, 1, 1]),
        lambda: scene_fold(["a", "b"], 2, 0),
    ],
)
def test_impossible_splits_are_refused(make):
    with pytest.raises(OptionError) as caught:
        make()
    assert caught.value.hint
