"""How often classes are said: biases that match the source's labels, and the warning when a class is lost."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nirlora.models.config import ModelConfig
from nirlora.models.heads import HEADS
from nirlora.models.logits import class_logits
from nirlora.models.segmenter import build_segmenter
from nirlora.self_training.shares import (
    add_biases,
    agreed_biases,
    collapsed,
    keeping_biases,
    matching_biases,
    shares_said,
)


def drawn(counts: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a network that half knows the classes, and that was trained on all of them alike."""
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.uint8)
    noise = np.random.default_rng(seed).normal(size=(len(labels), len(counts)))
    return (noise + np.eye(len(counts))[labels]).astype(np.float32), labels


def said(logits: np.ndarray, labels: np.ndarray, shares: tuple[float, ...]) -> np.ndarray:
    """Share of each class that is said, were the classes so common; class by class, without weights."""
    rows = [np.bincount(logits[labels == k].argmax(1), minlength=len(shares)) for k in range(len(shares))]
    return np.asarray(shares) @ np.array([row / row.sum() for row in rows])


def test_each_class_is_said_as_often_as_its_share():
    shares = (0.9, 0.07, 0.03)
    logits, labels = drawn((4000, 4000, 4000))
    assert said(logits, labels, shares)[0] < 0.6  # without biases the rare ones are said far too often
    biases = matching_biases(logits, labels, shares)
    assert said(logits + biases, labels, shares) == pytest.approx(shares, abs=0.003)
    assert biases.sum() == pytest.approx(0)
    assert biases[0] > biases[1] > biases[2]


def test_how_often_classes_are_among_the_chips_does_not_matter():
    logits, labels = drawn((2000, 1000, 500))
    rare = labels == 2
    more = np.concatenate([logits, *[logits[rare]] * 7]), np.concatenate([labels, *[labels[rare]] * 7])
    shares = (70.0, 20.0, 10.0)
    assert matching_biases(*more, shares) == pytest.approx(matching_biases(logits, labels, shares), abs=1e-6)


def test_classes_without_pixels_or_share_are_left_alone():
    logits, labels = drawn((1000, 0, 1000, 1000))
    biases = matching_biases(logits, labels, (8.0, 5.0, 2.0, 0.0))
    assert biases[1] == biases[3] == 0
    assert biases[0] > 0 > biases[2]
    assert not matching_biases(logits[:1000], labels[:1000], (1.0, 0.0, 0.0, 0.0)).any()
    assert not matching_biases(logits[:0], labels[:0], (1.0, 1.0, 1.0, 1.0)).any()


def test_the_target_must_need_it_too():
    shares = (0.9, 0.07, 0.03)
    logits, labels = drawn((4000, 4000, 4000))
    known = matching_biases(logits, labels, shares)
    same, _ = drawn((9000, 700, 300), seed=1)
    assert np.abs(known).max() > 0.6
    assert agreed_biases(logits, labels, same, shares) == pytest.approx(known.clip(-0.5, 0.5), abs=0.1)
    bare = logits + np.array([2 * (known[0] - known[1]), 0, 0], np.float32)  # nearly all is of class 0
    assert agreed_biases(logits, labels, bare, shares)[0] == 0
    half = logits + known.astype(np.float32) / 2
    found = agreed_biases(logits, labels, half[labels == 0], shares)
    assert (np.abs(found) <= np.abs(known)).all()
    assert (np.abs(found) <= 0.5).all()
    assert not agreed_biases(logits, labels, same[:0], shares).any()


def test_a_round_keeps_how_often_classes_are_said():
    logits, _ = drawn((3000, 2000, 500))
    was = shares_said(logits, np.zeros(3))
    assert sum(was) == pytest.approx(1)
    drifted = logits + np.array([-0.8, 0.1, 0.7], np.float32)
    assert shares_said(drifted, np.zeros(3))[0] < was[0] - 0.2
    assert shares_said(drifted, keeping_biases(drifted, was)) == pytest.approx(was, abs=0.003)
    assert keeping_biases(drifted, (0.6, 0.4, 0.0))[2] == 0  # a class that was not said is left alone


def test_a_network_that_says_them_rightly_gets_no_biases():
    labels = np.repeat([0, 1], 100).astype(np.uint8)
    logits = np.eye(2, dtype=np.float32)[labels]
    assert matching_biases(logits, labels, (3.0, 1.0)).tolist() == [0, 0]
    logits[:4] = logits[-1]  # 4 % of the one class are taken for the other
    assert matching_biases(logits, labels, (1.0, 1.0)).tolist() == [0, 0]
    logits[:12] = logits[-1] * 0.5  # 12 % of it, and half as surely: 6 % of all
    biases = matching_biases(logits, labels, (1.0, 1.0))
    assert said(logits + biases, labels, (0.5, 0.5))[0] > 0.47


def test_a_network_that_knows_nothing_keeps_finite_biases():
    logits = np.zeros((100, 2), np.float32)
    biases = matching_biases(logits, np.repeat([0, 1], 50).astype(np.uint8), (0.99, 0.01))
    assert np.isfinite(biases).all()
    assert np.abs(biases).max() <= 12


@pytest.mark.parametrize("num_classes", [1, 3])
@pytest.mark.parametrize("head", [spec.name for spec in HEADS])
def test_biases_are_folded_into_every_head(head, num_classes):
    torch.manual_seed(0)
    model = build_segmenter(ModelConfig("vit-demo", pretrained=False, head=head, num_classes=num_classes))
    model.eval()
    image = torch.randn(1, 1, 32, 32)
    biases = np.array([0.5, -0.25, -0.25] if num_classes == 3 else [0.25, -0.25])
    with torch.no_grad():
        before = class_logits(model(image))
        add_biases(model.head, biases)
        after = class_logits(model(image))
    added = torch.tensor(biases if num_classes == 3 else [0.0, -0.5], dtype=torch.float32)
    torch.testing.assert_close(after, before + added[:, None, None], rtol=0, atol=1e-5)


def test_a_class_that_vanishes_or_floods_is_named():
    names = ("soil", "crop", "weed", "path", "pond")
    before, after = (0.5, 0.4, 0.05, 0.0499, 0.0001), (0.6, 0.15, 0.0124, 0.24, 0.0009)
    assert collapsed(before, after, names) == ["weed", "path"]
    assert collapsed(before, before, names) == []
