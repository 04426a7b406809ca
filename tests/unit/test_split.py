from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nirlora.errors import OptionError
from nirlora.raster.grid import Window
from nirlora.vector.items import LabelItem
from nirlora.vector.split import split_groups

NAMES = ("crop", "tree", "weed")


def items(*rows: tuple[int, int, int]) -> list[LabelItem]:
    """Items of (class, pixels, group), spread over a 1000 pixel raster by group."""
    return [
        LabelItem(i, value, pixels, Window(97 * group % 990, 89 * group % 990, 5, 5), group)
        for i, (value, pixels, group) in enumerate(rows)
    ]


row = st.tuples(st.integers(0, 2), st.integers(1, 5000), st.integers(0, 12))
layers = st.lists(st.lists(row, max_size=25), min_size=1, max_size=3)


@settings(max_examples=200, deadline=None)
@given(layers, st.floats(0.05, 0.5), st.integers(0, 1000))
def test_sides_are_disjoint_whole_and_never_take_most_of_a_class(rows, fraction, seed):
    sets = [items(*r) for r in rows]
    split = split_groups(sets, fraction, seed, NAMES)
    assert split == split_groups(sets, fraction, seed, NAMES)
    for layer, train, val in zip(sets, split.train, split.val, strict=True):
        assert not train & val
        assert train | val == {i.group for i in layer}
    for value, count in enumerate(split.counts):
        own = [(at, i) for at, layer in enumerate(sets) for i in layer if i.class_value == value]
        groups = {(at, i.group) for at, i in own}
        out = {g for g in groups if g[1] in split.val[g[0]]}
        assert len(out) <= len(groups) / 2
        assert count.groups == len(groups)
        held = [i for at, i in own if (at, i.group) in out]
        assert (count.val_items, count.val_pixels) == (len(held), sum(i.pixels for i in held))
        assert count.train_items + count.val_items == len(own)
        assert count.train_pixels + count.val_pixels == sum(i.pixels for _, i in own)
        if own and not held:
            assert any(f"Class {count.name}" in w and "validated" in w for w in split.warnings)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5000)), max_size=30), st.integers(0, 99))
def test_classes_in_groups_of_their_own_are_validated_whenever_they_have_two(rows, seed):
    layer = items(*((value, pixels, i) for i, (value, pixels) in enumerate(rows)))
    for count in split_groups([layer], 0.2, seed, NAMES).counts:
        assert (count.val_items > 0) == (count.groups >= 2)


def test_a_fifth_of_every_class_is_held_out():
    rng = np.random.default_rng(0)
    rows = [(int(v), int(rng.integers(50, 150)), g) for g in range(300) for v in rng.choice(3, 2, False)]
    for seed in range(5):
        split = split_groups([items(*rows)], 0.2, seed, NAMES)
        for c in split.counts:
            assert 0.18 < c.val_pixels / (c.val_pixels + c.train_pixels) < 0.26
    assert len({split_groups([items(*rows)], 0.2, s, NAMES).val for s in range(5)}) == 5


def test_one_large_polygon_is_not_held_out_for_a_small_share():
    rows = [(0, 10_000, 0), *((0, 500, g) for g in range(1, 9)), (1, 100, 20), (1, 100, 21)]
    for seed in range(10):
        assert 0 not in split_groups([items(*rows)], 0.2, seed, NAMES).val[0]


def test_a_class_in_one_place_is_trained_on_and_named():
    split = split_groups(
        [items((0, 900, 0), (0, 900, 0), (0, 900, 0), (1, 500, 1), (1, 500, 2))], 0.2, 0, NAMES
    )
    assert split.counts[0].val_items == 0
    assert split.counts[1].val_items == 1
    said = [w for w in split.warnings if w.startswith("Class crop")]
    assert said == [
        "Class crop: all 3 label(s) lie in one place, so it is trained on but not validated; "
        "draw some elsewhere."
    ]
    assert any(w.startswith("Class tree has only 2 label(s) (1000 pixels)") for w in split.warnings)


def test_few_pixels_and_nothing_held_out_are_said():
    split = split_groups([items(*((v, 20, 3 * v + g) for v in range(2) for g in range(3)))], 0, 0, NAMES)
    assert split.val == (frozenset(),)
    assert any("Nothing is held out" in w for w in split.warnings)
    assert "Class crop has only 60 labelled pixels in 3 labels." in split.warnings


def test_clustered_classes_are_named():
    near = [LabelItem(i, 0, 500, Window(100 + 20 * i, 200, 10, 10), i) for i in range(5)]
    far = [LabelItem(9 + i, 1, 500, Window(200 * i, 150 * i, 10, 10), 9 + i) for i in range(5)]
    split = split_groups([near + far], 0.2, 0, NAMES, shapes=[(1000, 1000)])
    clustered = [w for w in split.warnings if "clustered" in w]
    assert len(clustered) == 1
    assert clustered[0].startswith("Class crop: all labels are clustered within 9 % of the raster's")


@pytest.mark.parametrize("fraction", [-0.1, 1, 2])
def test_fractions_out_of_range_are_refused(fraction):
    with pytest.raises(OptionError, match="expected at least 0 and below 1"):
        split_groups([items((0, 1, 0))], fraction, 0, NAMES)


def test_layers_have_groups_of_their_own():
    same = items(*((v, 100, 2 * g + v) for g in range(6) for v in (0, 1)))
    split = split_groups([same, same], 0.3, 0, NAMES)
    assert split.val[0] != split.val[1]
    assert all(k for k, _ in groupby(split.val))


def test_many_groups_are_split_near_the_fraction():
    rng = np.random.default_rng(0)
    layer = items(*((int(v), int(p), g) for g, (v, p) in enumerate(rng.integers(1, 3, (50_000, 2)))))
    split = split_groups([layer], 0.2, 0, NAMES)
    own = sum(i.pixels for i in layer if i.class_value == 1)
    assert split.counts[1].val_pixels == pytest.approx(0.2 * own, rel=0.01)
