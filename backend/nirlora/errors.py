"""The error tree. Every error a user can cause is one of these; nothing here knows of HTTP or exit codes.

    NirLoraError                 what happened (got and expected), hint (the remedy), code (for programs)
    |-- InputError               a file, field or option the user gave cannot be used
    |   |-- RasterError          cannot open or read a raster, or it lacks something
    |   |-- BandsError           band roles unknown or a wanted channel is missing
    |   |-- LabelsError          no usable training polygons, unknown field or class
    |   |-- DataMissing          a published data set is not there, or not as it is published
    |   `-- OptionError          an option has no such value, or two options contradict
    |-- MismatchError            the model does not fit the raster (bands, value range, resolution)
    |-- ModelError               a model file or backbone weights are damaged, hostile or not available
    |   `-- WeightsUnavailable   no network and nothing cached
    |-- OutputError              the result cannot be written where it should go
    |   `-- OutputPathError      seen from the path alone, before any work: no such folder, an input itself
    |-- DeviceError              the device does not exist or ran out of memory
    `-- JobError                 of jobs in the backend process
        |-- UnknownJob           there is no job of that id
        |-- JobFinished          what was asked needs a job that is not finished
        |-- JobRunning           what was asked needs a finished job
        `-- WorkerDied           the process that computes ended in the middle of it

``JobCancelled`` stands outside the tree: it is the user's wish, not an error.
"""

from __future__ import annotations


class NirLoraError(Exception):
    """Base of all expected errors.

    Args:
        message: One sentence: what happened, with what came and what was expected.
        hint: One sentence: what the user can do about it.
        code: Stable identifier for programs; the class's own ``code`` unless given.
    """

    code = "error"

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(NirLoraError):
    """Something the user gave cannot be used."""

    code = "bad_input"


class RasterError(InputError):
    """A raster cannot be opened or read, or lacks something."""

    code = "bad_raster"


class BandsError(InputError):
    """Band roles are unknown, or a wanted channel is not in the raster."""

    code = "bad_bands"


class LabelsError(InputError):
    """There are no usable training labels."""

    code = "bad_labels"


class DataMissing(InputError):  # noqa: N818 - reads as the state it names
    """A published data set is not where it was looked for, or not as it is published."""

    code = "no_data"


class OptionError(InputError):
    """An option has no such value, or two options contradict each other."""

    code = "bad_option"


class MismatchError(NirLoraError):
    """The model does not fit the raster: other bands, value range or resolution."""

    code = "model_mismatch"


class ModelError(NirLoraError):
    """A model file or backbone weights are damaged, hostile or of another version."""

    code = "bad_model"


class WeightsUnavailable(ModelError):  # noqa: N818 - reads as the state it names
    """Backbone weights are neither cached nor reachable."""

    code = "no_weights"


class OutputError(NirLoraError):
    """A result cannot be written where it should go."""

    code = "cannot_write"


class OutputPathError(OutputError):
    """The path that was given for a result cannot be used; nothing has been done yet."""


class DeviceError(NirLoraError):
    """A device does not exist or ran out of memory."""

    code = "device"


class JobError(NirLoraError):
    """A job in the backend process cannot do what was asked."""

    code = "job"


class UnknownJob(JobError):  # noqa: N818 - reads as the state it names
    """There is no job of that id."""

    code = "not_found"


class JobFinished(JobError):  # noqa: N818 - reads as the state it names
    """The job is over."""

    code = "job_finished"


class JobRunning(JobError):  # noqa: N818 - reads as the state it names
    """The job is not over yet."""

    code = "job_running"


class WorkerDied(JobError):  # noqa: N818 - reads as what it is
    """The process that computes ended in the middle of its work."""

    code = "worker_died"


class JobCancelled(Exception):  # noqa: N818 - a wish of the user, not an error
    """Raised by a progress callback to stop a job; the job cleans up and lets it pass.

    Args:
        keep: Whether a training writes the best model so far, or nothing at all.
    """

    def __init__(self, *, keep: bool = True) -> None:
        super().__init__()
        self.keep = keep
