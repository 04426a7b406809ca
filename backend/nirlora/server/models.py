"""Lists of models, from their cards alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nirlora.errors import InputError, NirLoraError
from nirlora.models.card import SEGMENTATION, ModelCard, check_task, read_card
from nirlora.protocol import ModelInfo


def list_models(folders: Iterable[str]) -> list[ModelInfo]:
    """Every model file in these folders (not below them), by name; unusable ones say their problem.

    Raises:
        InputError: A folder is not there, or is no absolute path.
    """
    found: dict[Path, ModelInfo] = {}
    for folder in map(Path, folders):
        if not folder.is_absolute() or not folder.is_dir():
            raise InputError(f"There is no folder {folder}.", hint="Give absolute paths of folders.")
        for path in sorted(folder.glob("*.nirlora")):
            if path.is_file():
                found[path.resolve()] = model_info(path)
    return list(found.values())


def model_info(path: Path) -> ModelInfo:
    """What a list shows of one model file."""
    size = path.stat().st_size
    try:
        card = read_card(path)
        check_task(path, card, SEGMENTATION)
        return _from_card(path, size, card)
    except NirLoraError as error:
        return ModelInfo(str(path), path.stem, size_bytes=size, problem=error.message)


def _from_card(path: Path, size: int, card: ModelCard) -> ModelInfo:
    resolution, miou = card.transform.get("resolution_m"), card.metrics.get("miou")
    told = card.training.get("adaptation")
    target = told.get("target", ()) if isinstance(told, dict) else ()
    return ModelInfo(
        path=str(path),
        name=path.stem,
        classes=tuple(info.name for info in card.classes),
        channels=tuple(str(channel.get("name", "")) for channel in card.transform.get("channels", ())),
        backbone=card.model.backbone,
        adapter=card.model.adapter,
        date=str(card.training.get("date", "")),
        miou=float(miou) if isinstance(miou, (int, float)) else None,
        miou_of=str(card.metrics.get("of", "")),
        carried_to=tuple(str(layer.get("path", "")) for layer in target),
        resolution_m=float(resolution) if isinstance(resolution, (int, float)) else None,
        size_bytes=size,
    )
