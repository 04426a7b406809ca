"""What a person is told of a model's worth: never more than the held-out labels bear."""

from __future__ import annotations

import numpy as np
import pytest

from nirlora.metrics import summarise
from nirlora.training.verdict import verdict

NAMES = ("crop", "weed", "soil")


def scores(confusion=((90, 5, 5), (10, 60, 30), (0, 0, 100))):
    return summarise(np.array(confusion), NAMES)


@pytest.mark.parametrize(
    ("miou", "words"),
    [(0.9, ": very good."), (0.7, ": good."), (0.5, ": usable with care."), (0.1, ": not usable yet.")],
)
def test_many_polygons_get_a_plain_grade(miou, words):
    said = verdict(scores() | {"miou": miou}, {"crop": 10, "weed": 10, "soil": 10})
    assert said.startswith(f"Mean IoU {miou:.2f} on 30 held-out polygons{words}")
    assert "weak evidence" not in said


@pytest.mark.parametrize("counts", [(10, 2, 17), (1, 1, 1), (5, 1, 0)])
def test_few_polygons_are_called_weak_evidence_with_the_class_that_has_fewest(counts):
    said = verdict(scores(), dict(zip(NAMES, counts, strict=True)))
    fewest = min(NAMES, key=lambda n: counts[NAMES.index(n)])
    assert f"on only {sum(counts)} held-out polygons ({fewest}: {min(counts)})" in said
    assert "fewer than some tens are weak evidence" in said


def test_a_single_polygon_is_one():
    said = verdict(scores(((9, 1, 0), (0, 0, 0), (0, 0, 0))), {"crop": 1, "weed": 0, "soil": 0})
    assert "on only 1 held-out polygon: very good on these, but" in said


def test_drawn_polygons_flatter_and_dense_labels_do_not():
    counts = dict.fromkeys(NAMES, 400)
    assert "Polygons drawn inside clear areas flatter" in verdict(scores(), counts)
    dense = verdict(scores(), counts, dense=True)
    assert "flatter" not in dense
    assert "on 1200 held-out blocks of labels" in dense


def test_the_weakest_and_the_unscored_are_named():
    said = verdict(scores(((90, 10, 0), (40, 60, 0), (0, 0, 0))), dict.fromkeys(NAMES, 20))
    assert "Weakest class: weed, IoU 0.55." in said
    assert "Not scored, for want of held-out labels: soil." in said
    assert "on 40 held-out polygons" in said  # those of a class that is not scored prove nothing


def test_without_held_out_labels_nothing_is_claimed():
    assert "nothing is known" in verdict({}, {})
    assert "nothing is known" in verdict(summarise(np.zeros((3, 3), np.int64), NAMES), {})
