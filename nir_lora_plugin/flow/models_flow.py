"""The list of models at work: what lies beside the raster and in the library; import, export, remove."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import List

from qgis.PyQt.QtCore import QObject
from qgis.PyQt.QtWidgets import QFileDialog, QMessageBox

from nir_lora_plugin.protocol import ErrorInfo, ModelInfo
from nir_lora_plugin.settings import Settings
from nir_lora_plugin.ui.model_list import ModelList

from .files import SUFFIX, import_model, model_folders
from .session import Session, call


class ModelsFlow(QObject):
    """Keeps the list of models true."""

    def __init__(self, session: Session, models: ModelList) -> None:
        super().__init__(session)
        self._session, self._models = session, models
        self._folders: List[str] = []
        models.import_wanted.connect(self._import)
        models.export_wanted.connect(self._export)
        models.remove_wanted.connect(self._remove)
        session.layer_changed.connect(self._on_layer)
        session.backend_ready.connect(self.refresh)

    def refresh(self, choose: str = "") -> None:
        """Read the folders again and choose the model at path ``choose``."""
        if not self._session.backend or not self._session.ref:
            self._folders = []  # what is made meanwhile is looked for with the next layer
            return
        self._folders = model_folders(Path(self._session.ref.path))
        folders, wanted = self._folders, choose or self._remembered()
        call(
            self,
            self.tr("Looking for models"),
            lambda client: client.models(folders),
            lambda models: self._models.show_models(_newest_first(models), wanted),
            self._session.messages.error,
        )

    def _on_layer(self) -> None:
        ref = self._session.ref
        if ref is not None and model_folders(Path(ref.path)) != self._folders:
            self.refresh()

    def _remembered(self) -> str:
        return "" if self._models.current() else str(Settings.SEGMENT_MODEL.get())

    def _import(self) -> None:
        kinds = self.tr("NIR-LoRA models") + f" (*{SUFFIX})"
        path, _ = QFileDialog.getOpenFileName(self._models, self.tr("Import a model"), "", kinds)
        if not path:
            return
        try:
            self.refresh(str(import_model(Path(path))))
        except OSError as error:
            self._failed(self.tr("The model was not imported: {}").format(error))

    def _export(self) -> None:
        info = self._models.current()
        if info is None:
            return
        kinds = self.tr("NIR-LoRA models") + f" (*{SUFFIX})"
        name = Path(info.path).name
        path, _ = QFileDialog.getSaveFileName(self._models, self.tr("Export the model"), name, kinds)
        if not path:
            return
        target = Path(path if path.endswith(SUFFIX) else path + SUFFIX)
        try:
            if target.resolve() != Path(info.path).resolve():
                shutil.copyfile(info.path, target)
        except OSError as error:
            self._failed(self.tr("The model was not exported: {}").format(error))
            return
        self._session.messages.good(self.tr("The model was saved as {}.").format(target))

    def _remove(self) -> None:
        info = self._models.current()
        if info is None:
            return
        answer = QMessageBox.question(
            self._models,
            self.tr("Remove the model"),
            self.tr("Delete the file {}? This cannot be undone.").format(info.path),
        )
        if answer != QMessageBox.StandardButton.Yes:
            return
        try:
            Path(info.path).unlink()
        except OSError as error:
            self._failed(self.tr("The model was not removed: {}").format(error))
        self.refresh()

    def _failed(self, words: str) -> None:
        self._session.messages.error(ErrorInfo("output", words))


def _newest_first(models: List[ModelInfo]) -> List[ModelInfo]:
    return sorted(models, key=lambda info: (not info.problem, info.date), reverse=True)
