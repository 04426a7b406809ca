"""``nirlora serve``: the backend process by hand, for a script or a second tool."""

from __future__ import annotations

import contextlib
import secrets
from typing import Annotated

from typer import Option

from .options import RUN


def serve(
    port: Annotated[
        int, Option(help="Where to listen, on this machine alone. 0: any free port.", min=0, max=65535)
    ] = 8765,
    warm: Annotated[
        bool,
        Option("--warm/--no-warm", help="Load torch at once, or with the first job.", rich_help_panel=RUN),
    ] = True,
) -> None:
    """Run jobs for other programs on this machine, over HTTP; Ctrl-C ends it."""
    from nirlora.server.serve import Serving
    from nirlora.server.serve import serve as serve_until_stopped

    token = secrets.token_urlsafe(32)

    def show(listening: int) -> None:
        print(f"listening on http://127.0.0.1:{listening}")
        print(f"token: {token}")
        example = f"http://127.0.0.1:{listening}/v1/health"
        print(f'try:   curl -H "Authorization: Bearer {token}" {example}', flush=True)

    with contextlib.suppress(KeyboardInterrupt):  # the server has tidied up by then
        serve_until_stopped(Serving(token, port, warm), show)
