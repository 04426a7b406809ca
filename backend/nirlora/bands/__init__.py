"""Which band is what, and how pixel values become model input. No torch here."""

from .channels import COMPUTED, Channel, parse_bands
from .check import check_reader, compare
from .detect import BandRoles, detect_roles
from .fit import fit_transform
from .reader import ChannelReader
from .refit import refit_transform
from .transform import ChannelTransform, InputTransform

__all__ = [
    "COMPUTED",
    "BandRoles",
    "Channel",
    "ChannelReader",
    "ChannelTransform",
    "InputTransform",
    "check_reader",
    "compare",
    "detect_roles",
    "fit_transform",
    "parse_bands",
    "refit_transform",
]
