"""``qgis --code`` of a QGIS that is to be killed: starts a job and tells which processes there are."""

import json
import os
import threading
import traceback
from pathlib import Path

from flow_tools import descendants, plugin
from qgis.core import QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QTimer

FOLDER = Path(os.environ["NIRLORA_VICTIM"])
KIND = os.environ["NIRLORA_VICTIM_KIND"]


def start():
    """Open the raster, then have the dock do what it is to be killed in."""
    flow = plugin().show_dock()
    layer = QgsRasterLayer(str(FOLDER / "field.tif"), "field")
    QgsProject.instance().addMapLayer(layer)
    flow.layer.choose(layer)
    timer.timeout.connect(lambda: look(flow))
    timer.start(50)


def look(flow):
    """Go on as soon as that is possible; tell once the job has got somewhere."""
    try:
        train = flow.dock.train_panel
        if KIND == "train" and flow.session.inspected and flow.session.training is None:
            flow.training._make()
            view = train.settings_view
            view.set_mode("expert")
            view.set_backbone("vit-demo")
            view.pretrained_check.setChecked(False)
        elif KIND == "train" and not started and train.train_button.isEnabled():
            started.append(KIND)
            flow.train._train()
        elif KIND == "segment" and not started and flow.session.inspected:
            started.append(KIND)
            flow.segment.segment_soon()
        panel = train if KIND == "train" else flow.dock.segment_panel
        if "px/s" in panel.job_view.numbers_label.text() or "loss" in panel.job_view.numbers_label.text():
            timer.stop()
            part = FOLDER / "processes.part"
            part.write_text(json.dumps({"qgis": os.getpid(), "backend": descendants(os.getpid())}))
            part.rename(FOLDER / "processes.json")
    except Exception:  # noqa: BLE001 - there is nobody else to tell
        traceback.print_exc()
        timer.stop()


started = []
timer = QTimer()
threading.Timer(600, os._exit, (1,)).start()  # nobody came to kill it
QTimer.singleShot(500, start)
