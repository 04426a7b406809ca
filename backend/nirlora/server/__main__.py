"""``python -I -m nirlora.server``: the backend process of a program.

The program writes one line ``{"token": "..."}`` to stdin and reads one line, a ``protocol.Handshake``, from
stdout. From then on it speaks HTTP. When it ends, or closes stdin, this process and its worker end as well.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from nirlora.errors import NirLoraError, OptionError
from nirlora.protocol import PROTOCOL, Handshake, to_dict
from nirlora.versions import versions


def main() -> int:
    """Serve the parent process; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m nirlora.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--no-warm", action="store_true", help="import torch with the first job only")
    options = parser.parse_args()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # stdout is for the handshake alone

    def shake(port: int) -> None:
        hello = Handshake(port, os.getpid(), PROTOCOL, versions()["nirlora"])
        print(json.dumps(to_dict(hello)), file=out, flush=True)

    try:
        token = _token(sys.stdin.buffer.readline())
        from nirlora.server.serve import Serving, serve

        serve(Serving(token, options.port, not options.no_warm, sys.stdin.fileno()), shake)
    except NirLoraError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr, flush=True)
        return 1
    return 0


def _token(line: bytes) -> str:
    try:
        token = json.loads(line)["token"]
    except (ValueError, KeyError, TypeError):
        token = ""
    if not isinstance(token, str) or len(token) < 16 or not token.isascii():
        raise OptionError(
            "The first line on stdin must be a JSON object with a token of at least 16 characters.",
            hint="By hand, use nirlora serve.",
        )
    return token


if __name__ == "__main__":
    sys.exit(main())
