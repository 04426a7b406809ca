"""Adapting to rasters without labels as an algorithm: its file trains, a cancelled run leaves nothing."""

from __future__ import annotations

from pathlib import Path

import processing
import pytest
from cards import card
from flow_tools import LONG_MS, files_in
from qgis.core import (
    QgsApplication,
    QgsProcessing,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterMultipleLayers,
    QgsProject,
)

from test_processing import TINY, Words, algorithm, labels, stripes

SMALL = {"BACKBONE": "vit-demo", "CHIP_PX": 32, "BATCH": 2, "DEVICE": "cpu"}


@pytest.fixture
def raster(tmp_path):
    stripes(tmp_path / "field.tif")
    return tmp_path / "field.tif"


def test_the_backbone_that_comes_out_is_trained_on(raster):
    out = raster.with_name("farm.nirlora-backbone")
    parameters = {"INPUT": [str(raster)], **SMALL, "STEPS": 6, "OUTPUT": str(out)}
    report = raster.with_name("r.html")
    results = processing.run("nirlora:adapt", {**parameters, "REPORT": str(report)})
    assert (results["OUTPUT"], results["REPORT"], results["STEPS"]) == (str(out), str(report), 6)
    assert "<html" in report.read_text(encoding="utf-8").lower()
    assert 0 < results["LAST_LOSS"] < 10
    assert results["FIRST_LOSS"] > 0
    trained = {"INPUT": [str(raster)], "LABELS": [labels()], **TINY, "PRETRAINED": True, "EPOCHS": 1}
    trained |= {
        "BACKBONE": results["OUTPUT"],
        "ADAPTER": "lora",
        "OUTPUT": str(raster.with_name("m.nirlora")),
    }
    model = processing.run("nirlora:train", trained)["OUTPUT"]
    network = card(model)["model"]
    assert network["backbone_source"] == str(out)
    assert network["backbone_roles"] == ["nir"]


def test_a_temporary_backbone_has_its_suffix(raster):
    parameters = {"INPUT": [str(raster)], **SMALL, "STEPS": 1, "OUTPUT": "TEMPORARY_OUTPUT"}
    made = Path(processing.run("nirlora:adapt", parameters)["OUTPUT"])
    assert made.is_file()
    assert made.name.endswith(".nirlora-backbone")
    assert ".nirlora." not in made.name


def test_cancelling_leaves_nothing(raster, qtbot):
    before = files_in(raster.parent)
    out = raster.with_name("farm.nirlora-backbone")
    parameters = {"INPUT": [str(raster)], **SMALL, "STEPS": 1_000_000, "OUTPUT": str(out)}
    context, feedback, ended = QgsProcessingContext(), Words(), []
    context.setProject(QgsProject.instance())
    task = QgsProcessingAlgRunnerTask(algorithm("adapt"), parameters, context, feedback)
    task.executed.connect(lambda successful, results: ended.append(successful))
    QgsApplication.taskManager().addTask(task)
    qtbot.waitUntil(lambda: "adapt" in feedback.told and feedback.progress() > 0, timeout=LONG_MS)
    feedback.cancel()
    qtbot.waitUntil(lambda: bool(ended), timeout=LONG_MS)
    assert files_in(raster.parent) == before


def test_mistakes_name_the_parameter(raster):
    parameters = {"INPUT": [str(raster)], **SMALL, "OBJECTIVE": "dino", "BATCH": 1}
    with pytest.raises(QgsProcessingException) as caught:
        processing.run("nirlora:adapt", {**parameters, "OUTPUT": "TEMPORARY_OUTPUT"})
    assert "OBJECTIVE dino" in str(caught.value)
    assert "BATCH 2" in str(caught.value)


def test_the_command_line_finds_the_same_parameters(raster):
    """A raster that is no list, as qgis_process and the model designer pass it."""
    parameters = {"INPUT": str(raster), **SMALL, "STEPS": 1}
    out = str(raster.with_name("one.nirlora-backbone"))
    assert processing.run("nirlora:adapt", {**parameters, "OUTPUT": out})["OUTPUT"] == out
    assert card(out)["history"][0]["steps"] == 1


def test_a_model_of_the_designer_adapts_and_trains(raster):
    """The file that one step makes is the backbone of the next."""
    out, project_layer = str(raster.with_name("m.nirlora")), labels()
    QgsProject.instance().addMapLayer(project_layer)
    model = QgsProcessingModelAlgorithm("adapt and train", "tests")
    rasters = QgsProcessingParameterMultipleLayers("RASTERS", "rasters", QgsProcessing.TypeRaster)
    model.addModelParameter(rasters, QgsProcessingModelParameter("RASTERS"))
    given, fixed = (
        QgsProcessingModelChildParameterSource,
        QgsProcessingModelChildParameterSource.fromStaticValue,
    )

    def step(name, values, **sources):
        child = QgsProcessingModelChildAlgorithm(f"nirlora:{name}")
        child.setChildId(name)
        for parameter, value in values.items():
            child.addParameterSources(parameter, [fixed(value)])
        for parameter, source in sources.items():
            child.addParameterSources(parameter, [source])
        return child

    every = given.fromModelParameter("RASTERS")
    model.addChildAlgorithm(step("adapt", {**SMALL, "STEPS": 2}, INPUT=every))
    tiny = {**TINY, "PRETRAINED": True, "EPOCHS": 1, "ADAPTER": "lora", "LABELS": [project_layer.id()]}
    tiny.pop("BACKBONE")
    train = step("train", tiny, INPUT=every, BACKBONE=given.fromChildOutput("adapt", "OUTPUT"))
    result = QgsProcessingModelOutput("MODEL", "model")
    result.setChildOutputName("OUTPUT")
    train.setModelOutputs({"MODEL": result})
    model.addChildAlgorithm(train)
    (name,) = (one.name() for one in model.parameterDefinitions() if one.isDestination())  # differs
    assert processing.run(model, {"RASTERS": [str(raster)], name: out})[name] == out
    assert card(out)["model"]["backbone_source"].endswith(".nirlora-backbone")
    assert card(out)["model"]["backbone_roles"] == ["nir"]
