"""A uv that obeys a test: it makes an environment with a Python that runs, and installs, fails or hangs."""

from __future__ import annotations

import sys
from pathlib import Path

UV = """
import json, os, pathlib, sys, time
folder = pathlib.Path(__file__).parent
arguments = sys.argv[1:]
with (folder / "calls").open("a") as log:
    log.write(json.dumps({"arguments": arguments, "environment": dict(os.environ)}) + chr(10))
if arguments == ["--version"]:
    print("uv 99.0.0")
elif arguments[0] == "venv":
    target = pathlib.Path(arguments[-1]) / "bin"
    target.mkdir(parents=True, exist_ok=True)
    if (target / "python").is_symlink():
        (target / "python").unlink()
    (target / "python").symlink_to(PYTHON)
else:
    print("Downloading torch (500.0MiB)", flush=True)
    print("Downloading scipy (300.0MiB)", flush=True)
    script = folder / "install.py"
    if script.exists():
        exec(script.read_text())
    print(" Downloaded torch", flush=True)
    print("Prepared 2 packages in 1s", flush=True)
    print("Installed 2 packages in 1s", flush=True)
"""


def fake_uv(folder: Path) -> Path:
    """Put the fake into ``folder``, to go on the PATH; ``install.py`` there says what happens."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "uv.py").write_text(f"PYTHON = {sys.executable!r}\n{UV}", encoding="utf-8")
    program = folder / "uv"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{folder / "uv.py"}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return program
