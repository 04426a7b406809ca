"""What an adaptation works on, decided before the first step, and the network it trains."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from nirlora.adaptation import explora
from nirlora.adaptation.batches import Batch, DinoBatches, MaeBatches
from nirlora.adaptation.chips import ChipSource, ViewSpec
from nirlora.adaptation.config import AdaptRecipe, BackboneSize, make_recipe
from nirlora.adaptation.decoder_file import load_decoder
from nirlora.adaptation.dino import DinoObjective, Teaching
from nirlora.adaptation.explora import ExploraOptions
from nirlora.adaptation.heads import DinoHead
from nirlora.adaptation.limits import check_request
from nirlora.adaptation.mae import MaeDecoder, MaeObjective
from nirlora.adaptation.objective import Objective
from nirlora.adaptation.paths import raster_layers
from nirlora.adaptation.rasters import RasterPool, Unlabelled, look_at
from nirlora.errors import OptionError
from nirlora.models import stem
from nirlora.models.backbones import Backbone, backbone_spec, build_backbone
from nirlora.models.weights import (
    BackboneInput,
    LoadedWeights,
    backbone_input,
    load_backbone_weights,
    read_state,
    resolve_backbone,
    state_sha256,
)
from nirlora.protocol import AdaptRequest, to_dict
from nirlora.training.chips import Batches
from nirlora.training.run import DEFAULT_BACKBONE


@dataclass(frozen=True)
class Setup:
    """Everything that is decided before the first step.

    Attributes:
        request: What was asked for.
        data: The rasters; their transform standardises as the backbone expects.
        backbone: Name in the backbone table, with options.
        source: File or folder of the weights, resolved; empty: the hub.
        pretrained: Whether there are any weights to start from.
        known: What these expect.
        options: What trains.
        recipe: Sizes, rates, length.
        warnings: Everything the user should know.
    """

    request: AdaptRequest
    data: Unlabelled
    backbone: str
    source: str
    pretrained: bool
    known: BackboneInput
    options: ExploraOptions
    recipe: AdaptRecipe
    warnings: tuple[str, ...]


def prepare(request: AdaptRequest) -> Setup:
    """Look at the rasters and decide what is trained how; reads no weights and writes nothing.

    Raises:
        NirLoraError: The data or an option cannot be used.
    """
    check_request(request)
    name, source = resolve_backbone(request.backbone or DEFAULT_BACKBONE)
    pretrained = request.pretrained and (backbone_spec(name).pretrained or bool(source))
    known = backbone_input(name, source if pretrained else "")
    with torch.device("meta"):
        plain = build_backbone(name)
    explora.check_family(plain)
    unfreeze = request.unfreeze or ("last" if pretrained else "all")
    whole = explora.unfrozen_blocks(unfreeze, len(plain.net.blocks))
    if unfreeze == "all" and request.patch_embedding == "freeze":
        raise OptionError(
            "--unfreeze all (the default with random weights) trains every parameter, which forbids "
            "--patch-embedding freeze.",
            hint="Leave --patch-embedding out, or use --unfreeze last.",
        )
    data = look_at(raster_layers(request), request)
    roles = data.transform.roles
    mean, std = stem.normalisation(request.stem, roles, known.mean, known.std, known.roles)
    data = replace(data, transform=data.transform.with_normalisation(mean, std))
    new_channels = stem.resolve_stem(request.stem, roles, known.roles) not in ("rgb", "own")
    auto = new_channels or unfreeze == "all"
    patch_embedding = {"auto": auto, "train": True, "freeze": False}[request.patch_embedding]
    rank = request.rank if len(whole) < len(plain.net.blocks) else 0  # no block is left for LoRA
    size = BackboneSize(plain.patch, plain.token_width, len(plain.net.blocks), plain.spec.token_px)
    notes = []
    if not pretrained and unfreeze != "all":
        notes.append(
            f"The backbone starts from random weights, and --unfreeze {unfreeze} leaves most of them so."
        )
    return Setup(
        request=request,
        data=data,
        backbone=name,
        source=str(Path(source).resolve()) if source else "",
        pretrained=pretrained,
        known=known,
        options=ExploraOptions(unfreeze, rank, request.alpha if rank else 0.0, patch_embedding),
        recipe=make_recipe(request, size, data.valid_px, pretrained),
        warnings=(*data.warnings, *notes),
    )


def build_objective(setup: Setup) -> tuple[Objective, LoadedWeights]:
    """The network with its weights loaded, LoRA at its start, heads random from the seed.

    Raises:
        WeightsUnavailable, ModelError: The weights cannot be had or used.
    """
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # timm and peft warn of their own internals
        torch.manual_seed(setup.request.seed)
        backbone = build_backbone(setup.backbone)
        loaded = LoadedWeights("", "")
        if setup.pretrained:
            loaded = load_backbone_weights(backbone, setup.source)
        return assemble(setup, backbone), loaded


def assemble(setup: Setup, backbone: Backbone) -> Objective:
    """Give ``backbone`` the channels of the rasters, choose what trains, and put the objective around it."""
    transform, request, recipe = setup.data.transform, setup.request, setup.recipe
    conv = stem.adapt_conv(backbone.patch_conv, request.stem, transform.roles, backbone.roles)
    backbone.set_patch_conv(conv)
    backbone.roles = transform.roles
    backbone.mean = tuple(c.mean for c in transform.channels)
    backbone.std = tuple(c.std for c in transform.channels)
    explora.apply(backbone, setup.options)
    width = int(backbone.net.embed_dim)
    if request.objective == "dino":
        head = DinoHead(width, *recipe.head)
        return DinoObjective(backbone, head, Teaching(request.centering))
    if not request.decoder:
        depth, dim, heads = recipe.decoder
        outputs = backbone.patch**2 * len(transform.channels)
        return MaeObjective(backbone, MaeDecoder(width, dim, depth, heads, outputs))
    decoder, new_outputs = load_decoder(request.decoder, width, backbone.patch, transform.roles)
    train_outputs = new_outputs or setup.options.patch_embedding
    explora.apply_decoder(decoder, request.decoder_rank, request.alpha, train_outputs=train_outputs)
    return MaeObjective(backbone, decoder, fresh=new_outputs)


def make_batches(setup: Setup, pool: RasterPool, patch: int) -> Batches[Batch]:
    """Where the objective's batches come from."""
    request, recipe, channels = setup.request, setup.recipe, setup.data.transform.channels
    chips = ChipSource(pool, recipe.chip_px)
    mean, std = tuple(c.mean for c in channels), tuple(c.std for c in channels)
    spec = ViewSpec(recipe.input_px, recipe.scale, recipe.augment, mean, std)
    if request.objective == "mae":
        return MaeBatches(chips, spec, patch, request.mask_ratio, request.batch, request.seed)
    near = replace(spec, side_px=recipe.local_px, scale=recipe.local_scale)
    return DinoBatches(chips, spec, near, request.local_crops, patch, request.batch, request.seed)


def fingerprint(setup: Setup, weights_sha256: str) -> str:
    """Hash of everything that a resumed run must share with the run it goes on with."""
    request = replace(
        setup.request, resume=False, device="", report=True, overwrite=True, max_seconds=0.0, out=""
    )
    content = {
        "request": to_dict(request),
        "weights": weights_sha256,
        "transform": setup.data.transform.to_dict(),
        "recipe": asdict(setup.recipe),
        "rasters": [[*c.size, len(c.cells)] for c in setup.data.coverage],
    }
    if request.decoder:
        content["decoder"] = state_sha256(read_state(Path(request.decoder)))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
