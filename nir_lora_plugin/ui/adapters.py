"""The adapters that the expert settings offer, in a sentence each. Which there are, the backend decides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Dict, Tuple

from nir_lora_plugin.translation import translate

_tr = partial(translate, "Adapters")


@dataclass(frozen=True)
class Adapter:
    """A row of the list.

    Attributes:
        name: As a request has it.
        title: For people.
        tip: What it trains, as a sentence.
        options: Its main options with their defaults, as they are written; "" where there are none.
    """

    name: str
    title: str
    tip: str
    options: str = ""


def adapters() -> Tuple[Adapter, ...]:
    """All of them, the one to begin with first; in the user's language."""
    return (
        Adapter("lora", "LoRA", _tr("Small additions to the attention of every block: a good first choice.")),
        Adapter(
            "frozen",
            _tr("Only the head"),
            _tr("The backbone stays as it is, only the head is trained: fast, for a first look."),
        ),
        Adapter(
            "full",
            _tr("Everything"),
            _tr("The whole backbone is trained: for many polygons, and it makes large model files."),
        ),
        Adapter("layernorm", "LayerNorm", _tr("Only the normalisations of the backbone: very few numbers.")),
        Adapter(
            "bitfit", "BitFit", _tr("Only the constant terms (biases) of the backbone: very few numbers.")
        ),
        Adapter(
            "adapter",
            _tr("Adapter, in series"),
            _tr("A small network behind each half of every block."),
            "width=0; sites=both",
        ),
        Adapter(
            "adaptformer",
            "AdaptFormer",
            _tr("A small network beside the second half of every block."),
            "width=64; scale=0.1",
        ),
        Adapter(
            "convpass",
            "Convpass",
            _tr("Small convolutions beside every block, which see what lies next to each other."),
            "width=8; scale=10",
        ),
        Adapter(
            "lorand",
            "LoRand",
            _tr("Small networks behind each half of every block, made of products of still smaller ones."),
            "branches=2; kernel=8",
        ),
        Adapter(
            "vpt-shallow",
            "VPT-shallow",
            _tr("A few learnt tokens that enter before the first block; not for Swin."),
            "prompts=10",
        ),
        Adapter("vpt-deep", "VPT-deep", _tr("A few learnt tokens for every block."), "prompts=10"),
        Adapter(
            "ivpt",
            "IVPT",
            _tr("Learnt tokens whose changes a learnt gate lets in, block by block; not for Swin."),
            "prompts=100; gate_start=5",
        ),
        Adapter(
            "e2vpt",
            "E2VPT",
            _tr("Learnt tokens, keys and values for every block."),
            "prompts=10; kv_prompts=5",
        ),
        Adapter(
            "mufa",
            "MuFA",
            _tr("Small networks of several widths, added together, beside the second half of every block."),
            "rates=8,16,32; placement=parallel",
        ),
    )


def options_of(text: str) -> Dict[str, str]:
    """``name=value; name=value`` as a request has it; what is wrong in it is for the backend to say."""
    parts = [part.partition("=") for part in text.split(";") if part.strip()]
    return {name.strip(): value.strip() for name, _, value in parts}
