"""The plugin's errors; every one has the shape that the backend's errors have.

PluginError       what happened, hint (the remedy), code (for programs)
|-- BackendError  the backend answered with an error
|-- BackendGone   the backend does not answer: it ended, was killed, or did not start
|-- SetupError    there is no usable backend, or installing it failed
`-- Cancelled     the user stopped it
"""

from __future__ import annotations

from .protocol import ErrorInfo


class PluginError(Exception):
    """Base of all expected errors.

    Args:
        message: One sentence: what happened, with what came and what was expected.
        hint: What the user can do about it.
        code: Stable identifier for programs; the class's own ``code`` unless given.
    """

    code = "plugin"

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.info = ErrorInfo(code or self.code, message, hint)

    def __str__(self) -> str:
        return f"{self.info.message} {self.info.hint}".strip()


class BackendError(PluginError):
    """The backend refused or failed; ``status`` is the HTTP status."""

    code = "backend"

    def __init__(self, info: ErrorInfo, status: int) -> None:
        super().__init__(info.message, hint=info.hint, code=info.code)
        self.status = status


class BackendGone(PluginError):  # noqa: N818 - reads as the state it names
    """No answer from the backend process: it ended, was killed, or did not start."""

    code = "backend_gone"


class SetupError(PluginError):
    """There is no usable backend on this computer, or installing one failed."""

    code = "setup"


class Cancelled(PluginError):  # noqa: N818 - a wish of the user, not an error
    """The user stopped what was going on."""

    code = "cancelled"

    def __init__(self, message: str = "Stopped.") -> None:
        super().__init__(message)
