"""What there is already: backbones to choose from, in the backend's table and in files, and earlier jobs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Sequence

from qgis.PyQt.QtCore import QObject, pyqtSignal

from nir_lora_plugin.client import Client
from nir_lora_plugin.protocol import ErrorInfo

from .files import BACKBONE_SUFFIX, library, model_folders
from .session import Session, call


class KnownFlow(QObject):
    """Asks the backend when it is up, and about files again when there may be others."""

    backbones = pyqtSignal(object)  # records, adapted ones first
    jobs = pyqtSignal(object)  # JobRecords, newest first

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._folders: List[str] = []
        session.backend_ready.connect(self._on_backend)
        session.layer_changed.connect(self._on_layer)

    def refresh(self) -> None:
        """Look for backbones again."""
        self._ask(with_jobs=False)

    def _on_backend(self) -> None:
        self._ask(with_jobs=True)

    def _on_layer(self) -> None:
        """Ask for another raster, which may have backbones beside it; not for none, as when QGIS ends."""
        if self._session.ref is not None and self._folders and self._wanted() != self._folders:
            self.refresh()

    def _wanted(self) -> List[str]:
        ref = self._session.ref
        return model_folders(Path(ref.path)) if ref is not None else [str(library())]

    def _ask(self, with_jobs: bool) -> None:
        self._folders = self._wanted()
        question = partial(_known, self._folders, with_jobs)
        title = self.tr("Looking for backbones")
        call(self, title, question, self._on_known, self._on_unknown)

    def _on_known(self, known: Dict[str, List[Any]]) -> None:
        self.backbones.emit(known["backbones"])
        if known["jobs"]:
            self.jobs.emit(known["jobs"])

    def _on_unknown(self, error: ErrorInfo) -> None:
        self._session.messages.warning(error.message, error.hint)


def _known(folders: Sequence[str], with_jobs: bool, client: Client) -> Dict[str, List[Any]]:
    found = [
        {"name": str(path), "title": path.stem, "description": str(path)}
        for folder in folders
        for path in sorted(Path(folder).glob("*" + BACKBONE_SUFFIX))
    ]
    return {"backbones": [*found, *client.backbones()], "jobs": client.jobs() if with_jobs else []}
