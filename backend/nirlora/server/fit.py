"""Does a model fit a raster? From the model's card and a sample of the raster, without loading weights."""

from __future__ import annotations

from nirlora.bands import ChannelReader, InputTransform, check_reader
from nirlora.errors import NirLoraError
from nirlora.models.card import read_card
from nirlora.protocol import SegmentRequest
from nirlora.raster.source import open_raster


def check_fit(request: SegmentRequest) -> tuple[list[NirLoraError], list[str]]:
    """Problems that segmenting would fail with, and warnings it would give."""
    try:
        card = read_card(request.model)
        with open_raster(request.layer) as source:
            reader = ChannelReader(
                source,
                InputTransform.from_dict(card.transform),
                request.bands,
                scale=request.reflectance_scale,
                offset=request.reflectance_offset,
            )
            return [], check_reader(reader, allow_mismatch=request.allow_mismatch)
    except NirLoraError as error:
        return [error], []
