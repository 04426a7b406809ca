"""The algorithms in the desktop: parameters, layers that are no files, styles, cancelling, batch."""

import dataclasses
import json
import time
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import processing
import pytest
from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
from qgis.core import (
    QgsApplication,
    QgsFeature,
    QgsGeometry,
    QgsPalettedRasterRenderer,
    QgsProcessingAlgorithm,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingFeedback,
    QgsProcessingParameterDefinition,
    QgsProject,
    QgsRasterDataProvider,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt import sip
from rasters import read, write_tiff

from nir_lora_plugin.processing.provider import ALGORITHMS

LEVELS = (1000, 5000, 9000)
NAMES = ("a_low", "b_middle", "c_high")
TINY = {
    "BACKBONE": "vit-demo",
    "PRETRAINED": False,
    "ADAPTER": "full",
    "CHIP_PX": 32,
    "BATCH": 4,
    "EPOCHS": 4,
    "STEPS_PER_EPOCH": 25,
    "VAL_FRACTION": 0.3,
    "DEVICE": "cpu",
}
# Fields of requests that are layers and files, and so parameters of other names.
NOT_OPTIONS = {
    "train": {"layers", "out", "report", "target_layers"},
    "adapt": {"layers", "out", "report"},
    "segment": {"layer", "model", "out", "confidence", "probabilities", "polygons", "aoi"},
    "evaluate": {"layer", "model"},
    "export": {"layer", "model", "out"},
}


def algorithm(kind):
    return QgsApplication.processingRegistry().createAlgorithmById(f"nirlora:{kind}")


def stripes(path, seed=0):
    """A raster of three classes in stripes; returns the truth (rows, cols)."""
    truth = (np.arange(144) // 16 % 3)[None, :].repeat(96, 0)
    noise = np.random.default_rng(seed).normal(0, 200, truth.shape)
    write_tiff(path, (np.array(LEVELS)[truth] + noise).clip(1).astype("uint16")[None], pixel=1, names=["NIR"])
    return truth


def labels(name="labels"):
    """Polygons of the stripes in a layer that is no file: it lives in memory."""
    layer = QgsVectorLayer("Polygon?crs=EPSG:32633&field=class:string(20)", name, "memory")
    features = []
    for stripe in range(9):
        for row in (5, 37, 69):
            feature = QgsFeature(layer.fields())
            left, top = 500_000 + 16 * stripe + 3, 5_000_000 - row
            feature.setGeometry(QgsGeometry.fromRect(QgsRectangle(left, top - 9, left + 9, top)))
            feature.setAttribute("class", NAMES[stripe % 3])
            features.append(feature)
    assert layer.dataProvider().addFeatures(features)[0]
    return layer


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """(raster path, truth, model path): trained by the algorithm, once."""
    folder = tmp_path_factory.mktemp("field")
    truth = stripes(folder / "field.tif")
    parameters = {"INPUT": [str(folder / "field.tif")], "LABELS": [labels()], **TINY}
    results = processing.run("nirlora:train", {**parameters, "OUTPUT": str(folder / "m.nirlora")})
    assert results["MIOU"] > 0.9
    assert results["CLASSES"] == ",".join(NAMES)
    return folder / "field.tif", truth, results["OUTPUT"]


def test_ids_never_change():
    provider = QgsApplication.processingRegistry().providerById("nirlora")
    names = {found.name() for found in provider.algorithms()}
    assert names == {"train", "adapt", "segment", "evaluate", "export"} == {cls.kind for cls in ALGORITHMS}
    assert not provider.supportsNonFileBasedOutput()
    assert not provider.icon().isNull()


@pytest.mark.parametrize("kind", sorted(NOT_OPTIONS))
def test_every_field_of_a_request_is_a_parameter(kind):
    found = algorithm(kind)
    parameters = {parameter.name() for parameter in found.parameterDefinitions()}
    fields = {field.name for field in dataclasses.fields(type(found).request_type)}
    missing = {name for name in fields - NOT_OPTIONS[kind] if name.upper() not in parameters}
    assert not missing
    assert fields >= NOT_OPTIONS[kind]


@pytest.mark.parametrize("kind", sorted(NOT_OPTIONS))
def test_says_what_it_is(kind):
    """Description, help text, help page with a part of its own, icon; units; few parameters to begin with."""
    found = algorithm(kind)
    assert found.shortDescription().endswith(".")
    assert len(found.shortHelpString()) > 150
    url = urlparse(found.helpUrl())
    page = Path(url2pathname(url.path)).read_text(encoding="utf-8")
    assert f'id="{url.fragment}"' in page
    assert found.displayName() in page
    assert not found.icon().isNull()
    advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    basic = [parameter for parameter in found.parameterDefinitions() if not parameter.flags() & advanced]
    assert len(basic) <= 11
    for name in ("MAX_SECONDS", "MIN_AREA_M2", "TILE_PX"):
        parameter = found.parameterDefinition(name)
        assert parameter is None or parameter.description().endswith("]")
    flags = QgsProcessingAlgorithm.Flag
    assert found.flags() & flags.FlagSupportsBatch
    assert found.flags() & flags.FlagCanCancel
    assert not found.flags() & flags.FlagNoThreading


def test_defaults_are_the_requests_own():
    found = algorithm("train")
    for field in dataclasses.fields(type(found).request_type):
        parameter = found.parameterDefinition(field.name.upper())
        if parameter is not None and field.name not in NOT_OPTIONS["train"]:
            default = "" if field.default is dataclasses.MISSING else field.default
            expected = ",".join(map(str, default)) if isinstance(default, tuple) else default
            assert parameter.defaultValue() == expected, field.name


def test_a_model_is_carried_to_a_raster_without_labels(field, tmp_path):
    raster, _, _ = field
    other = tmp_path / "other.tif"
    stripes(other, seed=2)
    parameters = {"INPUT": [str(raster)], "LABELS": [labels()], **TINY, "ADAPTER": "lora"}
    parameters |= {"TARGET_LAYERS": [str(other)], "ROUNDS": 1, "EPOCHS": 1, "STEPS_PER_EPOCH": 2}
    results = processing.run("nirlora:train", {**parameters, "OUTPUT": str(tmp_path / "m.nirlora")})
    assert Path(results["OUTPUT"]).is_file()


@pytest.mark.parametrize(
    ("options", "said"), [("width=8; dance=1", "dance"), ("width", "NAME=VALUE"), ("a=1;a=2", "once")]
)
def test_options_of_the_adapter_are_checked(field, tmp_path, options, said):
    raster, _, _ = field
    parameters = {"INPUT": [str(raster)], "LABELS": [labels()], **TINY, "ADAPTER": "adaptformer"}
    parameters |= {"ADAPTER_OPTIONS": options, "OUTPUT": str(tmp_path / "m.nirlora")}
    feedback = Words()
    with pytest.raises(QgsProcessingException) as caught:
        processing.run("nirlora:train", parameters, feedback=feedback)
    assert said in f"{caught.value} {feedback.told}"


def test_results_are_loaded_with_their_styles(field, tmp_path):
    raster, truth, model = field
    outputs = {"OUTPUT": str(tmp_path / "map.tif"), "CONFIDENCE": str(tmp_path / "sure.tif")}
    outputs["POLYGONS"] = str(tmp_path / "polygons.gpkg")
    parameters = {"INPUT": str(raster), "MODEL": model, "DEVICE": "cpu", **outputs}
    processing.runAndLoadResults("nirlora:segment", parameters)
    layers = {
        Path(layer.source().split("|")[0]).name: layer for layer in QgsProject.instance().mapLayers().values()
    }
    assert set(layers) == {"map.tif", "sure.tif", "polygons.gpkg"}
    renderer = layers["map.tif"].renderer()
    assert isinstance(renderer, QgsPalettedRasterRenderer)
    assert [entry.label for entry in renderer.classes()] == list(NAMES)
    assert layers["polygons.gpkg"].renderer().type() == "categorizedSymbol"
    drawn, file = read(outputs["OUTPUT"])
    source = read(raster)[1]
    assert (file.GetGeoTransform(), file.GetProjection()) == (
        source.GetGeoTransform(),
        source.GetProjection(),
    )
    assert (drawn[0] == truth).mean() > 0.9


def test_temporary_outputs_and_selected_polygons(field):
    """The area is the selected polygon of a layer in memory."""
    raster, _, model = field
    area = labels("area")
    area.select([1])
    QgsProject.instance().addMapLayer(area)
    parameters = {"INPUT": str(raster), "MODEL": model, "DEVICE": "cpu", "OUTPUT": "TEMPORARY_OUTPUT"}
    parameters["AOI"] = QgsProcessingFeatureSourceDefinition(area.id(), True)
    results = processing.run("nirlora:segment", parameters)
    drawn = read(results["OUTPUT"])[0][0]
    expected = np.full(drawn.shape, False)
    expected[5:14, 3:12] = True
    assert ((drawn != 255) == expected).all()
    assert results["VALID_PIXELS"] == 81
    assert json.loads(results["AREA_TABLE"])["a_low"] == pytest.approx(0.0081, rel=2e-3)


def test_a_layer_that_is_no_file_is_written_first(field, tmp_path):
    """A virtual raster of QGIS: the map lies on its grid."""
    raster, truth, model = field
    source = QgsRasterLayer(str(raster), "field")
    QgsProject.instance().addMapLayer(source)
    virtual = QgsRasterDataProvider.VirtualRasterParameters()
    virtual.crs, virtual.extent = source.crs(), source.extent()
    virtual.width, virtual.height = source.width(), source.height()
    virtual.formula = '"field@1" + 0'
    item = QgsRasterDataProvider.VirtualRasterInputLayers()
    item.name, item.provider, item.uri = "field", "gdal", str(raster)
    virtual.rInputLayers = [item]
    uri = QgsRasterDataProvider.encodeVirtualRasterProviderUri(virtual)
    layer = QgsRasterLayer(uri, "virtual", "virtualraster")
    assert layer.isValid()
    QgsProject.instance().addMapLayer(layer)
    parameters = {"INPUT": layer, "MODEL": model, "DEVICE": "cpu", "OUTPUT": str(tmp_path / "map.tif")}
    parameters["BANDS"] = "nir=1"
    results = processing.run("nirlora:segment", parameters)
    drawn, file = read(results["OUTPUT"])
    assert file.GetGeoTransform() == read(raster)[1].GetGeoTransform()
    assert (drawn[0] == truth).mean() > 0.9


def test_unsaved_edits_are_not_passed_over(field, tmp_path):
    raster, _, model = field
    layer = labels()
    layer.startEditing()
    layer.deleteFeature(1)
    parameters = {"INPUT": [str(raster)], "LABELS": [layer], "OUTPUT": str(tmp_path / "m.nirlora"), **TINY}
    feedback = Words()
    with pytest.raises(QgsProcessingException):
        processing.run("nirlora:train", parameters, feedback=feedback)
    assert "not saved" in " ".join(feedback.told)
    feedback.told.clear()
    parameters = {"INPUT": str(raster), "MODEL": model, "AOI": layer, "OUTPUT": str(tmp_path / "m.tif")}
    with pytest.raises(QgsProcessingException):
        processing.run("nirlora:segment", parameters, feedback=feedback)
    assert "not saved" in " ".join(feedback.told)
    layer.rollBack()


class Words(QgsProcessingFeedback):
    """Keeps what it is told."""

    def __init__(self):
        super().__init__()
        self.told = []

    def setProgressText(self, text):
        self.told.append(text)

    def reportError(self, error, fatalError=False):
        self.told.append(error)


def test_cancel_stops_the_training_and_leaves_nothing(field, tmp_path, qtbot):
    """As the dialog does it: in a thread of QGIS, cancelled from the main thread."""
    raster, _, _ = field
    parameters = {"INPUT": [str(raster)], "LABELS": [labels()], **TINY, "EPOCHS": 100_000}
    parameters["OUTPUT"] = str(tmp_path / "m.nirlora")
    context, feedback, ended = QgsProcessingContext(), Words(), []
    context.setProject(QgsProject.instance())
    task = QgsProcessingAlgRunnerTask(algorithm("train"), parameters, context, feedback)
    task.executed.connect(lambda successful, results: ended.append((successful, results)))
    QgsApplication.taskManager().addTask(task)
    qtbot.waitUntil(lambda: "train" in feedback.told and feedback.progress() > 0, timeout=120_000)
    began = time.monotonic()
    feedback.cancel()
    qtbot.waitUntil(lambda: bool(ended), timeout=60_000)
    print(f"cancelled after {time.monotonic() - began:.2f} s")
    assert not (tmp_path / "m.nirlora").exists()
    assert not list(tmp_path.iterdir())


def test_a_mistake_is_said_with_its_remedy(field, tmp_path):
    raster, _, model = field
    parameters = {"INPUT": str(raster), "MODEL": model, "DEVICE": "cuda:7", "OUTPUT": str(tmp_path / "m.tif")}
    with pytest.raises(QgsProcessingException) as caught:
        processing.run("nirlora:segment", parameters)
    assert "cuda" in str(caught.value)
    assert "\n" in str(caught.value), "the hint stands on a line of its own"


def set_cell(panel, row, name, value):
    """Enter a value into the table of a batch dialog."""
    column = panel.parameter_to_column[name]
    wrapper = panel.wrappers[row][column]
    if wrapper is None:  # an output
        panel.tblParameters.cellWidget(row + 1, column).setValue(value)
    else:
        wrapper.setParameterValue(value, QgsProcessingContext())


def test_batch(field, tmp_path, iface, qtbot):
    """Two rasters through the batch dialog of the toolbox."""
    raster, _, model = field
    other = tmp_path / "other.tif"
    stripes(other, seed=1)
    outputs = [tmp_path / "one.tif", tmp_path / "two.tif"]
    dialog = BatchAlgorithmDialog(algorithm("segment"), iface.mainWindow())
    panel = dialog.mainWidget()
    while panel.batchRowCount() < 2:
        panel.addRow()
    for row, (source, out) in enumerate(zip((raster, other), outputs, strict=True)):
        wanted = {"INPUT": str(source), "MODEL": model, "OUTPUT": str(out), "DEVICE": "cpu"}
        for name, value in wanted.items():
            set_cell(panel, row, name, value)
    dialog.runButton().click()
    qtbot.waitUntil(lambda: all(path.exists() for path in outputs), timeout=120_000)
    # Newer versions close the dialog by themselves.
    qtbot.waitUntil(lambda: sip.isdeleted(dialog) or dialog.runButton().isEnabled(), timeout=60_000)
    if not sip.isdeleted(dialog):
        dialog.close()
        dialog.deleteLater()  # else QGIS 3.40 crashes over it when it quits
    for path in outputs:
        assert len(np.unique(read(path)[0])) == 3
