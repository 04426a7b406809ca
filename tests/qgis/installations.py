"""Which QGIS versions this machine has for tests: Debian's own, and a newer one unpacked beside it.

Debian 12 has QGIS 3.22, and 3.40 in its backports. The packages of the latter are not installed: they are
downloaded (apt's own settings, a private apt state) and unpacked into the cache, which needs no root and
changes nothing on the machine. They link the same Python, Qt and GDAL.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SYSTEM_PYTHON = "/usr/bin/python3"  # QGIS's own, on Debian and its kin
_PACKAGES = ("qgis", "python3-qgis", "qgis-providers")
_RELEASE, _NEWER = "bookworm", "bookworm-backports"


@dataclass(frozen=True)
class Installation:
    """One QGIS: ``version`` such as "3.22", its programs, and what their environment needs."""

    version: str
    desktop: str
    process: str
    environment: dict[str, str] = field(default_factory=dict)


def cache_folder() -> Path:
    """Where test tools are kept between runs; ``NIRLORA_TEST_CACHE`` moves it."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("NIRLORA_TEST_CACHE") or base / "nirlora-tests")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Keep other test runs out while something in the cache is made."""
    import fcntl  # not on Windows, where these tests are skipped

    with (cache_folder() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def installations() -> list[Installation]:
    """The QGIS versions that can be started here, oldest first; nothing is downloaded."""
    found = [_system(), _unpacked(newer_folder())]
    return [one for one in found if one is not None]


def what_is_missing() -> str:
    """Why the desktop cannot be tested here, or ""."""
    if platform.system() != "Linux":
        return "QGIS's desktop is tested on Linux only"
    if not installations():
        return "QGIS is not installed (apt install qgis python3-qgis xvfb, or tests/qgis/install.py)"
    return "" if shutil.which("Xvfb") else "Xvfb is not installed (apt install xvfb)"


def newer_folder() -> Path:
    """Where the newer QGIS is unpacked; ``NIRLORA_QGIS340`` names another folder (with ``usr`` in it)."""
    return Path(os.environ.get("NIRLORA_QGIS340") or cache_folder() / "qgis-3.40")


def _version(libraries: Iterable[Path]) -> str:
    names = [re.search(r"\.so\.(\d+\.\d+)\.\d+$", path.name) for path in libraries]
    return next((match[1] for match in names if match), "")


def _system() -> Installation | None:
    libraries = [*Path("/usr/lib").glob("libqgis_core.so.*"), *Path("/usr/lib").glob("*/libqgis_core.so.*")]
    version = _version(libraries)
    if not version or not Path("/usr/bin/qgis.bin").exists():
        return None
    return Installation(version, "/usr/bin/qgis.bin", "/usr/bin/qgis_process.bin")


def _unpacked(root: Path) -> Installation | None:
    usr = root / "usr"
    version = _version((usr / "lib").glob("libqgis_core.so.*"))
    if not version:
        return None
    machine = usr / "lib" / f"{platform.machine()}-linux-gnu"
    environment = {
        "LD_LIBRARY_PATH": f"{usr}/lib:{machine}:{machine}/pulseaudio",
        "PYTHONPATH": f"{usr}/share/qgis/python:{usr}/lib/python3/dist-packages",
        "QGIS_PREFIX_PATH": str(usr),
    }
    return Installation(version, f"{usr}/bin/qgis.bin", f"{usr}/bin/qgis_process.bin", environment)


def unpack_newer() -> str:
    """Download and unpack the newer QGIS; return why that was not possible, or ""."""
    with locked("qgis"):
        target = newer_folder()
        if _unpacked(target):
            return ""
        if _release() != _RELEASE or _system() is None:
            return f"a second QGIS is tested on Debian {_RELEASE} with its own QGIS installed only"
        part = target.with_name(target.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        try:
            _download(part)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
            return f"the newer QGIS could not be downloaded: {error} {getattr(error, 'stderr', '') or ''}"
        for package in (part / "debs").glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, part], check=True)
        shutil.rmtree(part / "debs")
        part.rename(target)
    return ""


def _release() -> str:
    path = Path("/etc/os-release")
    match = re.search(r"^VERSION_CODENAME=(\w+)", path.read_text() if path.exists() else "", re.M)
    return match[1] if match else ""


def _download(part: Path) -> None:
    """Fetch the packages that the machine lacks for the newer QGIS into ``part/debs``."""
    debs = part / "debs"
    apt = _private_apt(part / "apt")
    debs.mkdir(parents=True)

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=debs, check=True, capture_output=True, text=True, timeout=600)
        return done.stdout

    run("apt-get", *apt, "update", "-q")
    plan = run("apt-get", *apt, "-s", "install", "-t", _NEWER, "--no-install-recommends", *_PACKAGES)
    names = re.findall(r"^Inst (\S+)", plan, re.M)
    wanted = [f"{name}/{_NEWER}" if "qgis" in name else name for name in names]
    run("apt-get", *apt, "download", "-q", *wanted)
    shutil.rmtree(part / "apt")


def _private_apt(folder: Path) -> list[str]:
    """Options for an apt that knows the backports too and leaves the machine's own state alone."""
    for sub in ("lists/partial", "cache/archives/partial"):
        (folder / sub).mkdir(parents=True)
    places = Path("/etc/apt/sources.list.d/debian.sources").read_text()
    site = re.findall(r"^URIs:\s*(\S+)", places, re.M)[0]
    key = re.findall(r"^Signed-By:\s*(\S+)", places, re.M)[0]
    sources = "".join(f"deb [signed-by={key}] {site} {suite} main\n" for suite in (_RELEASE, _NEWER))
    (folder / "sources.list").write_text(sources)
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
    }
    return [text for key, value in settings.items() for text in ("-o", f"{key}={value}")]
