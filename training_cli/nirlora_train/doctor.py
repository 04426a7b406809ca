"""``nirlora doctor``: does this installation work?"""

from __future__ import annotations

from .options import Debug, Json
from .run import Failure, emit_json, execute
from .show import show_doctor


def doctor(json: Json = False, debug: Debug = False) -> None:
    """Check the installation: versions, a real small operation on each device, and known problems."""
    from nirlora.doctor import examine

    report = execute(lambda progress: examine(), debug=debug, silent=True)
    emit_json(report.to_dict()) if json else show_doctor(report)
    if not report.usable:
        raise Failure(1)
