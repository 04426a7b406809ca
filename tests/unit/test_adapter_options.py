"""Options of adapters: read from text and JSON alike, refused with a sentence, stored whole in models."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from nirlora.adapters import ADAPTERS, AdapterOptions, adapter_spec, own_options, read_options
from nirlora.errors import OptionError
from nirlora.models.config import ModelConfig
from nirlora.models.segmenter import build_segmenter, parameter_counts
from nirlora.protocol import from_dict, to_dict
from nirlora.protocol.codec import as_text
from support import ROOT


def read(adapter: str, **values):
    return read_options(adapter_spec(adapter), AdapterOptions(), values)


def test_text_and_json_are_read_alike():
    text = read("mufa", rates="8,16", placement="serial", scale="0.5", bias="false", dropout="0")
    assert text == read("mufa", rates=[8, 16], placement="serial", scale=0.5, bias=False, dropout=0)
    assert (text.rates, text.placement, text.scale, text.bias, text.dropout) == (
        (8, 16),
        "serial",
        0.5,
        False,
        0.0,
    )
    assert read("vpt-deep", prompts="50").prompts == 50
    assert read("mufa", rates="8").rates == (8,)


def test_rank_alpha_and_blocks_are_the_commands():
    common = AdapterOptions(rank=8, alpha=2.0, blocks="last:2")
    options = read_options(adapter_spec("convpass"), common, {"width": 4})
    assert (options.rank, options.alpha, options.blocks, options.width) == (8, 2.0, "last:2", 4)


@pytest.mark.parametrize("spec", ADAPTERS, ids=lambda s: s.name)
def test_what_is_stored_is_read_back(spec):
    stored = own_options(spec.defaults)
    assert set(stored) == {f.name for f in fields(spec.defaults)} - {"rank", "alpha", "blocks"}
    assert read_options(spec, AdapterOptions(), stored) == replace(spec.defaults, rank=4)
    texts = {name: as_text(value) for name, value in stored.items()}
    assert read_options(spec, AdapterOptions(), texts) == replace(spec.defaults, rank=4)


@pytest.mark.parametrize(
    ("adapter", "values", "message"),
    [
        ("lora", {"width": 3}, "Adapter lora has no option 'width'."),
        ("mufa", {"rate": "8"}, "Adapter mufa has no option 'rate'."),
        ("mufa", {"rank": 8}, "Adapter mufa has no option 'rank'."),
        ("mufa", {"rates": "8,x"}, "option rates of adapter mufa is 'x', expected a whole number"),
        ("mufa", {"rates": []}, r"option rates of adapter mufa is \[\], expected whole numbers"),
        ("mufa", {"rates": 8}, "option rates of adapter mufa is 8, expected whole numbers"),
        ("mufa", {"rates": "0"}, "option rates of adapter mufa is 0, expected 1 to 1024"),
        ("mufa", {"rates": [8] * 17}, "expected 16 numbers at most"),
        ("mufa", {"placement": "above"}, "is 'above', expected one of parallel, serial"),
        ("mufa", {"bias": "maybe"}, "option bias of adapter mufa is 'maybe', expected true or false"),
        ("mufa", {"bias": 1}, "option bias of adapter mufa is 1, expected true or false"),
        ("mufa", {"dropout": "0.95"}, "option dropout of adapter mufa is 0.95, expected 0 to 0.9"),
        ("mufa", {"scale": "nan"}, "option scale of adapter mufa is 'nan', expected a number"),
        ("mufa", {"scale": True}, "option scale of adapter mufa is True, expected a number"),
        ("vpt-deep", {"prompts": 2.5}, "option prompts of adapter vpt-deep is 2.5, expected a whole number"),
        (
            "vpt-deep",
            {"prompts": 10**9},
            "is 1000000000, expected 1 to 1024",
        ),
        (
            "adapter",
            {"width": {"a": 1}},
            "is {'a': 1}, expected a whole number",
        ),
    ],
)
def test_refusals(adapter, values, message):
    with pytest.raises(OptionError, match=message) as caught:
        read(adapter, **values)
    assert caught.value.hint


def test_an_unknown_option_names_the_known_ones():
    with pytest.raises(OptionError) as caught:
        read("vpt-deep", prompt=3)
    assert caught.value.hint == "Its options, with their defaults: prompts=10, dropout=0.0."
    with pytest.raises(OptionError) as caught:
        read("lora", r=3)
    assert "rank, alpha and blocks are options of the command" in caught.value.hint


def test_a_model_says_all_its_options_and_an_older_one_has_the_defaults():
    config = ModelConfig(
        backbone="vit-demo", adapter="vpt-deep", adapter_options={"prompts": "3"}, pretrained=False
    )
    built = build_segmenter(config).config
    assert built.adapter_options == {"prompts": 3, "dropout": 0.0}
    assert from_dict(ModelConfig, to_dict(built)) == built
    assert parameter_counts(built)["adapter"] == 4 * 3 * 128
    before = {k: v for k, v in to_dict(ModelConfig()).items() if k != "adapter_options"}
    assert from_dict(ModelConfig, before) == ModelConfig()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"rates": [256]}, "rates of adapter mufa is .256,., but the tokens are only 128 wide"),
     ({"fusion": "concat", "scale_mode": "per-branch"}, "needs fusion=sum")],
)  # fmt: skip
def test_options_that_do_not_fit_together_or_the_network(options, message):
    with pytest.raises(OptionError, match=message):
        parameter_counts(ModelConfig(backbone="vit-demo", adapter="mufa", adapter_options=options))


def test_words_for_people():
    assert ModelConfig(rank=8).adapter_words == "lora, rank 8, all blocks"
    assert ModelConfig(adapter="frozen").adapter_words == "frozen"
    mufa = ModelConfig(adapter="mufa", blocks="last:2", adapter_options={"rates": [8, 16], "bias": True})
    assert mufa.adapter_words == "mufa, last:2 blocks, rates=8,16, bias=true"


@pytest.mark.parametrize("spec", ADAPTERS, ids=lambda s: s.name)
def test_the_documentation_names_every_adapter_and_option(spec):
    lines = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8").splitlines()
    (row,) = [line for line in lines if line.startswith(f"| `{spec.name}` |")]
    missing = [name for name in own_options(spec.defaults) if f"`{name}`" not in row]
    assert missing == []
