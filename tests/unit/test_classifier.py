"""The network of scene classification, its file, and files of one task opened for the other."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import pytest
import torch

from nirlora.errors import ModelError
from nirlora.models.bundle import load_classifier, load_segmenter, read_bundle, write_bundle
from nirlora.models.card import CLASSIFICATION, SEGMENTATION, ModelCard, read_card
from nirlora.models.classifier import POOLED, Classifier, PooledHead, build_classifier
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import build_segmenter, parameter_counts
from nirlora.protocol import ClassInfo
from nirlora.server.models import model_info

DEMO = ModelConfig(backbone="vit-demo", pretrained=False, num_classes=3, head=POOLED)
CLASSES = tuple(ClassInfo(i, f"c{i}", "#aabbcc") for i in range(3))


def card(config: ModelConfig, task: str) -> ModelCard:
    return ModelCard(classes=CLASSES, model=config, task=task)


@pytest.mark.parametrize("backbone", ["vit-base", "swin-tiny"])
@pytest.mark.parametrize(("classes", "expected"), [(21, 16_149), (45, 34_605)])
def test_heads_of_uc_merced_and_resisc45(backbone, classes, expected):
    config = ModelConfig(backbone=backbone, adapter="frozen", head=POOLED, num_classes=classes)
    counts = parameter_counts(config, Classifier)
    assert counts["head"] == counts["trainable"] == expected


@pytest.mark.parametrize(("backbone", "side"), [("vit-demo", 40), ("swin-tiny", 64)])
def test_the_mean_of_the_tokens_meets_one_linear_layer(backbone, side):
    network = build_classifier(replace(DEMO, backbone=backbone, num_channels=2)).eval()
    x = torch.randn(2, 2, side, side)
    with torch.no_grad():
        tokens = network.backbone.stages(x)[-1]
        expected = tokens.mean((2, 3)) @ network.head.classifier.weight.T + network.head.classifier.bias
        torch.testing.assert_close(network(x), expected, rtol=1e-5, atol=1e-5)
        assert network(x).shape == (2, 3)


def test_features_are_standardised_by_the_samples_shown():
    head = PooledHead(4, 2)
    features = 7 + 0.01 * torch.randn(50, 4, 3, 3)
    features[:, 3] = 5.0  # a feature that never changes
    weight = torch.rand(50, 3, 3)
    pooled = head.pool(features, weight)
    head.fix_scale(pooled)
    seen = (pooled - head.mean) / head.std
    torch.testing.assert_close(seen.mean(0), torch.zeros(4), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen[:, :3].std(0, correction=0), torch.ones(3), atol=1e-3, rtol=0)
    assert torch.isfinite(seen).all()
    torch.testing.assert_close(head(features, weight), head.classifier(seen))
    assert sum(p.numel() for p in head.parameters()) == 2 * 5


def test_weights_say_which_tokens_count():
    head = PooledHead(4, 2)
    features = torch.randn(3, 4, 2, 2)
    weight = torch.zeros(3, 2, 2)
    weight[0, 0, 1] = 0.25
    weight[1, 1, :] = torch.tensor([0.5, 1.0])
    out = head(features, weight)
    torch.testing.assert_close(out[0], head.classifier(features[0, :, 0, 1]))
    mean = (0.5 * features[1, :, 1, 0] + features[1, :, 1, 1]) / 1.5
    torch.testing.assert_close(out[1], head.classifier(mean))
    torch.testing.assert_close(out[2], head.classifier(features[2].mean((1, 2))))  # nothing counts: all do


def test_a_finer_or_coarser_grid_of_weights_is_brought_to_the_tokens():
    head, features = PooledHead(4, 2), torch.randn(1, 4, 2, 2)
    weight = torch.zeros(1, 4, 4)
    weight[:, :2, :2] = 1.0
    torch.testing.assert_close(head(features, weight)[0], head.classifier(features[0, :, 0, 0]))


def test_a_frozen_backbone_gets_no_gradient_and_lora_does():
    for adapter, moves in (("frozen", False), ("lora", True)):
        network = build_classifier(replace(DEMO, adapter=adapter))
        network(torch.randn(1, 1, 32, 32)).sum().backward()
        assert any(p.grad is not None for p in network.backbone.parameters()) == moves
        assert all(p.grad is not None for p in network.head.parameters())


def test_file_and_merge_keep_the_outputs(tmp_path):
    config = replace(DEMO, adapter="lora", seed=3)
    network = build_classifier(config).eval()
    with torch.no_grad():
        for p in network.adapter_parameters():
            p.copy_(torch.randn_like(p) * 0.1)
        network.head.fix_scale(3 + 2 * torch.randn(9, 128))
    path = write_bundle(
        tmp_path / "c.nirlora", card(network.config, CLASSIFICATION), network.trainable_state()
    )
    loaded, got = load_classifier(path)
    assert got.task == CLASSIFICATION
    x, weight = torch.randn(2, 1, 48, 48), torch.rand(2, 6, 6)
    with torch.no_grad():
        assert torch.equal(loaded(x, weight), network(x, weight))
        torch.testing.assert_close(loaded.merge()(x, weight), network(x, weight), rtol=1e-4, atol=1e-4)


@pytest.fixture
def files(tmp_path):
    """A model of each task: (segmentation, classification)."""
    maps = build_segmenter(replace(DEMO, head="linear"))
    pooled = build_classifier(DEMO)
    return (
        write_bundle(tmp_path / "map.nirlora", card(maps.config, SEGMENTATION), maps.trainable_state()),
        write_bundle(
            tmp_path / "class.nirlora", card(pooled.config, CLASSIFICATION), pooled.trainable_state()
        ),
    )


def test_each_task_refuses_the_others_file(files):
    maps, classes = files
    with pytest.raises(ModelError, match="a model that draws maps was expected") as caught:
        load_segmenter(classes)
    assert "nirlora classify predict" in caught.value.hint
    with pytest.raises(ModelError, match="a model that classifies images or parcels was expected") as caught:
        load_classifier(maps)
    assert "nirlora segment" in caught.value.hint
    assert read_card(classes).task == CLASSIFICATION
    with pytest.raises(ModelError, match="draws maps"):
        read_card(maps, CLASSIFICATION)


def test_the_list_of_models_for_maps_says_why_not(files):
    maps, classes = files
    assert model_info(maps).problem == ""
    assert "one class to a whole image or parcel" in model_info(classes).problem


def test_older_programs_read_files_for_maps(files):
    """They know no field ``task``, and refuse fields that they do not know."""
    with zipfile.ZipFile(files[0]) as archive:
        assert "task" not in json.loads(archive.read("card.json"))
    with zipfile.ZipFile(files[1]) as archive:
        assert json.loads(archive.read("card.json"))["task"] == "classification"


def test_an_unknown_task_is_refused(files, tmp_path):
    path, state = files[1], read_bundle(files[1])[1]
    other = write_bundle(tmp_path / "x.nirlora", replace(read_card(path), task="detection"), state)
    with pytest.raises(ModelError, match="its task is 'detection'"):
        read_card(other)
