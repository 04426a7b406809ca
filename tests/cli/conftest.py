from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

import pytest

from nirlora_train.main import build_app, build_train_app
from nirlora_train.run import run_app


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line of stdout; nothing else may be there."""
        (line,) = self.out.splitlines()
        return json.loads(line)


@pytest.fixture
def cli():
    """Run the command line in this process, as a shell would see it."""

    def run(*words: str, name: str = "nirlora") -> Done:
        app = build_app() if name == "nirlora" else build_train_app()
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run_app(app, list(words), name)
        return Done(code, out.getvalue(), err.getvalue())

    return run
