import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score

from nirlora.metrics import Scores, soft_f1, soft_jaccard, soft_scores, summarise


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
def test_confusion_and_scores_agree_with_scikit_learn(pairs):
    reference = np.array([r for r, _ in pairs])
    prediction = np.array([p for _, p in pairs])
    scores = Scores(3)
    half = len(pairs) // 2
    for part in (slice(0, half), slice(half, None)):  # accumulated over batches
        if reference[part].size:
            scores.update(torch.tensor(prediction[part]), torch.tensor(reference[part]))
    confusion = scores.confusion()
    np.testing.assert_array_equal(confusion, confusion_matrix(reference, prediction, labels=[0, 1, 2]))
    summary = summarise(confusion, ("a", "b", "c"))
    iou = jaccard_score(reference, prediction, labels=[0, 1, 2], average=None, zero_division=0)
    f1 = f1_score(reference, prediction, labels=[0, 1, 2], average=None, zero_division=0)
    for k, name in enumerate("abc"):
        if (reference == k).any():
            assert summary["classes"][name]["iou"] == pytest.approx(iou[k])
            assert summary["classes"][name]["f1"] == pytest.approx(f1[k])
        else:
            assert summary["classes"][name]["iou"] is None


def test_rows_are_reference_and_columns_are_prediction():
    scores = Scores(2)
    scores.update(torch.tensor([1, 1, 1]), torch.tensor([0, 0, 255]))
    assert scores.confusion().tolist() == [[0, 2], [0, 0]]


def test_a_class_without_reference_pixels_is_named_and_left_out_of_the_mean():
    summary = summarise(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]), ("soil", "crop", "weed"))
    assert summary["not_scored"] == ["weed"]
    assert summary["miou"] == pytest.approx((3 / 4 + 4 / 5) / 2)


def test_nothing_scored_gives_none_and_not_nan():
    summary = summarise(Scores(2).confusion(), ("a", "b"))
    assert summary["miou"] is None
    assert summary["accuracy"] is None


def test_soft_jaccard_of_the_lora_nir_protocol():
    target = torch.tensor([1.0, 0.0, 1.0, 0.0])
    assert float(soft_jaccard(target, target)) == pytest.approx(1)
    assert float(soft_jaccard(torch.zeros(4), torch.zeros(4))) == pytest.approx(1)
    assert float(soft_jaccard(torch.full((4,), 0.5), target)) == pytest.approx(1 / 3)


def test_soft_f1_of_the_lora_nir_protocol():
    target = torch.tensor([1.0, 0.0, 1.0, 0.0])
    assert float(soft_f1(target, target)) == pytest.approx(1)
    assert float(soft_f1(torch.zeros(4), torch.zeros(4))) == pytest.approx(1)
    assert float(soft_f1(torch.full((4,), 0.5), target)) == pytest.approx(1 / 2)
    assert float(soft_f1(1 - target, target)) == 0


def test_soft_scores_are_of_patches_and_not_of_pixels():
    """One perfect patch, one missed altogether, one empty and called half full."""
    target = torch.zeros(3, 2, 2)
    target[0, 0] = target[1, 0, 0] = 1
    probability = torch.stack([target[0], torch.zeros(2, 2), torch.full((2, 2), 0.5)])
    scores = soft_scores(probability, target)
    jaccards, f1s = np.array([1, 0, 0.5]), np.array([1, 0, 2 / 3])
    assert (scores.jaccard, scores.jaccard_std) == pytest.approx((jaccards.mean(), jaccards.std()), abs=1e-6)
    assert (scores.f1, scores.f1_std) == pytest.approx((f1s.mean(), f1s.std()), abs=1e-6)
