"""The backbone table. A new backbone is a spec in one of the family modules, nothing else."""

from __future__ import annotations

from nirlora.errors import OptionError
from nirlora.models.backbones import galileo, sam, swin, vit
from nirlora.models.backbones.base import Backbone, BackboneSpec

BACKBONES: tuple[BackboneSpec, ...] = (*vit.SPECS, *sam.SPECS, *swin.SPECS, *galileo.SPECS)

_BY_NAME = {spec.name: spec for spec in BACKBONES}
if len(_BY_NAME) != len(BACKBONES):
    raise RuntimeError("two backbones have the same name")


def backbone_spec(name: str) -> BackboneSpec:
    """The spec of ``name``; options after a colon are allowed and ignored.

    Raises:
        OptionError: No backbone has that name.
    """
    spec = _BY_NAME.get(name.split(":")[0])
    if spec is None:
        raise OptionError(
            f"There is no backbone {name!r}.",
            hint=f"Known are {', '.join(_BY_NAME)}, or a file or folder of weights.",
        )
    return spec


def build_backbone(name: str) -> Backbone:
    """The network of ``name`` (with options, ``galileo-nano:p8``) with random weights and 3 channels.

    Raises:
        OptionError: No such name or option.
    """
    spec, options = backbone_spec(name), tuple(name.split(":")[1:])
    if options and not spec.options:
        raise OptionError(f"Backbone {spec.name} has no options, got {':'.join(options)!r}.")
    return spec.build(spec, options)


__all__ = ["BACKBONES", "Backbone", "BackboneSpec", "backbone_spec", "build_backbone"]
