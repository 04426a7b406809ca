import pytest
import torch
import torch.nn.functional as F

from nirlora.models.logits import class_logits
from nirlora.training.losses import segmentation_loss


def test_unlabelled_pixels_change_neither_loss_nor_gradient():
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    labels = torch.full((1, 4, 4), 255, dtype=torch.uint8)
    labels[0, 0, :2] = torch.tensor([1, 2])
    loss = segmentation_loss(logits, labels)
    loss.backward()
    assert logits.grad[..., 1:, :].abs().sum() == 0
    changed = logits.detach().clone()
    changed[..., 1:, :] += 7
    assert segmentation_loss(changed, labels) == pytest.approx(loss.item())


def test_without_dice_it_is_cross_entropy_over_labelled_pixels():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, 5, 5), torch.randint(0, 3, (2, 5, 5))
    labels[0] = 255
    expected = F.cross_entropy(logits[1:], labels[1:])
    assert segmentation_loss(logits, labels, 0.0) == pytest.approx(expected.item(), rel=1e-6)


def test_dice_of_a_perfect_map_vanishes_and_of_a_wrong_one_does_not():
    labels = torch.tensor([[[0, 1], [1, 0]]]).repeat_interleave(8, 1).repeat_interleave(8, 2)
    good = F.one_hot(labels, 2).permute(0, 3, 1, 2).float() * 40
    assert segmentation_loss(good, labels) < 1e-6
    assert segmentation_loss(good.flip(1), labels) > 40


def test_no_labelled_pixel_gives_zero_that_can_be_differentiated():
    logits = torch.randn(1, 2, 3, 3, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 3, 3), 255))
    loss.backward()
    assert loss.item() == 0


def test_a_single_logit_is_binary_cross_entropy():
    torch.manual_seed(0)
    logit, labels = torch.randn(2, 1, 4, 4), torch.randint(0, 2, (2, 4, 4))
    expected = F.binary_cross_entropy_with_logits(logit[:, 0], labels.float())
    assert segmentation_loss(class_logits(logit), labels, 0.0) == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(class_logits(logit).softmax(1)[:, 1:], logit.sigmoid())


def test_class_weights_weigh_the_mean_of_labelled_pixels():
    torch.manual_seed(0)
    logits, labels = torch.randn(1, 3, 5, 5), torch.randint(0, 3, (1, 5, 5))
    labels[0, 0] = 255
    weights = torch.tensor([0.5, 1.0, 4.0])
    expected = F.cross_entropy(logits, labels, weights, ignore_index=255)
    assert segmentation_loss(logits, labels, 0.0, weights) == pytest.approx(expected.item(), rel=1e-6)
