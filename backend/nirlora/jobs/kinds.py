"""The kinds of jobs: what each is asked with, what it writes, and what can be refused before it is queued.

Nothing here needs torch: mistakes are answered at once, not when the job's turn comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from nirlora.adaptation.limits import check_request
from nirlora.adaptation.paths import output_paths as adaptation_paths
from nirlora.adaptation.paths import raster_layers
from nirlora.errors import LabelsError, OptionError
from nirlora.inference.outputs import map_outputs, side_outputs
from nirlora.jobs.footprint import Outputs
from nirlora.models.card import SEGMENTATION, read_card
from nirlora.onnx_export.paths import check_numbers, output_path
from nirlora.protocol import (
    AdaptRequest,
    EvaluateRequest,
    ExportRequest,
    LayerRef,
    SegmentRequest,
    TrainRequest,
    from_dict,
)
from nirlora.raster.outputs import check_output, with_suffix
from nirlora.raster.source import open_raster
from nirlora.self_training.options import checked
from nirlora.training.find_labels import find_labels
from nirlora.training.limits import check_limits
from nirlora.training.paths import output_paths
from nirlora.vector.reading import split_path, vector_layers


@dataclass(frozen=True)
class JobKind:
    """A kind of job.

    Attributes:
        name: One of ``protocol.JOB_KINDS``.
        verb: For titles.
        request: The request's class.
        check: Looks at the files and outputs of a request, quickly.
        outputs: What a request writes.
        subject: The file that a title names.
    """

    name: str
    verb: str
    request: type[Any]
    check: Callable[[Any], None]
    outputs: Callable[[Any], Outputs]
    subject: Callable[[Any], str]

    @property
    def resumable(self) -> bool:
        """Whether it keeps checkpoints to go on from, and what it has when it is stopped."""
        return any(field.name == "resume" for field in fields(self.request))


def job_kind(name: str) -> JobKind:
    """The kind of that name.

    Raises:
        OptionError: There is none.
    """
    if name not in _BY_NAME:
        raise OptionError(f"There is no job of the kind {name!r}.", hint=f"Choose {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]


def checked_request(kind: str, data: Mapping[str, Any]) -> Any:
    """The request of a submission, all that can be checked at once being right.

    Raises:
        ProtocolError: A field is unknown, missing or of the wrong type.
        NirLoraError: A file is not there or cannot be used, or an output cannot be written.
    """
    job = job_kind(kind)
    request: Any = from_dict(job.request, dict(data), where="request")
    job.check(request)
    return request


def title_of(kind: str, request: Any) -> str:
    """A title for a request without one."""
    job = job_kind(kind)
    return f"{job.verb} {Path(job.subject(request)).name}".strip()


def _check_train(request: TrainRequest) -> None:
    if not request.layers:
        raise OptionError("A training needs at least one layer.", hint="Give a raster with polygons.")
    check_limits(request)
    for layer in request.layers:
        _check_raster(layer)
        _check_labels(find_labels(layer))
    if request.target_layers:
        checked(request)
    for layer in request.target_layers:
        _check_raster(layer)
        if layer.labels:
            _check_labels(layer.labels)
    output_paths(request)


def _check_adapt(request: AdaptRequest) -> None:
    check_request(request)
    for layer in raster_layers(request):
        _check_raster(layer)
    adaptation_paths(request)


def _check_segment(request: SegmentRequest) -> None:
    read_card(request.model, SEGMENTATION)
    outputs = map_outputs(request)
    with ExitStack() as stack:
        source = stack.enter_context(open_raster(request.layer))
        side_outputs(request, outputs, source)
        for path in (*outputs.wanted().values(), outputs.map.with_suffix(".qml")):
            check_output(path, overwrite=request.overwrite, inputs=[source.path])
    if request.aoi:
        _check_labels(request.aoi)


def _check_evaluate(request: EvaluateRequest) -> None:
    read_card(request.model, SEGMENTATION)
    _check_raster(request.layer)
    if not request.layer.labels:
        raise LabelsError("Evaluating needs reference labels.", hint="Give polygons or a label raster.")
    _check_labels(request.layer.labels)


def _check_export(request: ExportRequest) -> None:
    read_card(request.model, SEGMENTATION)
    if request.layer is not None:
        _check_raster(request.layer)
    output_path(request)
    check_numbers(request)


def _check_raster(layer: LayerRef) -> None:
    with open_raster(layer):
        pass


def _check_labels(path: str) -> None:
    vector_layers(split_path(path)[0])


def _train_outputs(request: TrainRequest) -> Outputs:
    paths = output_paths(request)
    return Outputs((paths.model, paths.report), paths.checkpoint, request.resume)


def _adapt_outputs(request: AdaptRequest) -> Outputs:
    paths = adaptation_paths(request)
    return Outputs((paths.backbone, paths.report), paths.checkpoint, request.resume)


def _segment_outputs(request: SegmentRequest) -> Outputs:
    outputs = map_outputs(request)
    drawn = outputs.map
    beside = [with_suffix(drawn, ".aux.xml"), drawn.with_suffix(".qml")]
    beside.append(drawn.with_name(f"{drawn.stem}_areas.csv"))
    if request.polygons:
        beside.append(Path(request.polygons))
    return Outputs((*outputs.wanted().values(), *beside))


def _export_outputs(request: ExportRequest) -> Outputs:
    return Outputs((output_path(request),))


_KINDS = (
    JobKind(
        "train",
        "Train on",
        TrainRequest,
        _check_train,
        _train_outputs,
        lambda request: request.layers[0].path,
    ),
    JobKind(
        "adapt",
        "Adapt to",
        AdaptRequest,
        _check_adapt,
        _adapt_outputs,
        lambda request: request.layers[0].path,
    ),
    JobKind(
        "segment",
        "Segment",
        SegmentRequest,
        _check_segment,
        _segment_outputs,
        lambda request: request.layer.path,
    ),
    JobKind(
        "evaluate",
        "Evaluate on",
        EvaluateRequest,
        _check_evaluate,
        lambda request: Outputs(),
        lambda request: request.layer.path,
    ),
    JobKind("export", "Export", ExportRequest, _check_export, _export_outputs, lambda request: request.model),
)
_BY_NAME = {kind.name: kind for kind in _KINDS}
