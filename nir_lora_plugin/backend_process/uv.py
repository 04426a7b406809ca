"""Where uv comes from: the PATH, an earlier download, or a pinned wheel fetched by pip."""

from __future__ import annotations

import re
import shutil
import zipfile
from functools import partial
from pathlib import Path
from typing import Optional

from nir_lora_plugin.errors import SetupError
from nir_lora_plugin.paths import sha256_of
from nir_lora_plugin.translation import translate

_tr = partial(translate, "Setup")

VERSION = "0.13.9"
OLDEST = (0, 8)  # knows --torch-backend
WHEEL_SHA256 = {
    "win_amd64": "6a44b2ed8111d2f60d2b92627c5dccda3f7ed7570b18ce115e569cd68c28246b",
    "win_arm64": "eeb92051c2123b9730c46b04cc843cfa4bc7d7b0aec56df431a2215ef4cb0273",
    "macosx_11_0_arm64": "66c512266d633bef48384a1f53003f41f2a8e7b36fe6e7fbfd3e0fd52d96fa63",
    "macosx_10_12_x86_64": "c16ed11e013557536b3e60065f1b912f6407bd6518e041b961e23ef9e6b4fbf5",
    "manylinux_2_17_x86_64": "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    "manylinux_2_17_aarch64": "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
}


def program_name(windows: bool) -> str:
    """Name of uv's program."""
    return "uv.exe" if windows else "uv"


def requirement() -> str:
    """The line of a requirements file that takes this uv and no other."""
    hashes = " ".join(f"--hash=sha256:{digest}" for digest in WHEEL_SHA256.values())
    return f"uv=={VERSION} {hashes}\n"


def unpacked(tools: Path) -> Optional[Path]:
    """The uv that was downloaded before, None if there is none."""
    found = [tools / f"uv-{VERSION}" / program_name(windows) for windows in (False, True)]
    return next((path for path in found if path.is_file()), None)


def on_path() -> Optional[Path]:
    """uv on the PATH."""
    found = shutil.which("uv")
    return Path(found) if found else None


def is_new_enough(version_line: str) -> bool:
    """Whether ``uv --version`` printed a version that knows what the installer asks of it."""
    match = re.search(r"uv (\d+)\.(\d+)", version_line)
    return match is not None and (int(match[1]), int(match[2])) >= OLDEST


def unpack(wheel: Path, tools: Path) -> Path:
    """Take uv's program out of its wheel and return its path.

    Raises:
        SetupError: The wheel is not one of the pinned ones.
    """
    if sha256_of(wheel) not in WHEEL_SHA256.values():
        raise SetupError(
            _tr("{} is not the uv that was asked for: its SHA-256 differs.").format(wheel.name),
            hint=_tr("The package index or a proxy changes files: tell its administrator."),
            code="hash",
        )
    target = tools / f"uv-{VERSION}"
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        member = next(n for n in archive.namelist() if re.search(r"\.data/scripts/uv(\.exe)?$", n))
        program = target / Path(member).name
        part = program.with_name(program.name + ".part")
        part.write_bytes(archive.read(member))
    part.chmod(0o755)
    part.replace(program)
    return program
