"""make_plugin.py [--release | --wheel] [--out FOLDER]: builds the zip that QGIS installs.

The zip holds one folder, ``nir_lora_plugin``: the package, metadata.txt, LICENSE, resources, docs/qgis.md as
a page for the help button, and in ``wheel`` the backend as a wheel with its sha256. That wheel is Python
source in a zip and nothing compiled; it travels along so that plugin and backend are always of one version
and no index has to know the backend. Built twice from the same sources, the zip is the same to the byte:
order, dates and modes are fixed.

``--release`` also asks for what only a public place has (a tracker, a repository, an address). ``--wheel``
only puts the wheel and its sha256 into build/wheel, where a plugin that is linked from a checkout finds it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from guide import guide
from package_rules import NAME, problems, read_versions
from qm import compile_ts

ROOT = Path(__file__).resolve().parents[1]
WHEEL_SOURCES = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "backend",
    "training_cli",
    "nir_lora_plugin/protocol",
    "resources/pretrained",
)
# All that may lie in the package and in resources; another kind of file is a mistake until it is added here.
SUFFIXES = {".py", ".svg", ".png", ".qml", ".qm", ".json", ".html", ".txt"}
CACHES = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")


def make_plugin(out: Path, release: bool = False) -> Path:
    """Build the zip in folder ``out`` and return its path.

    Raises:
        ValueError: The zip breaks a rule (every broken one is named); nothing is left in ``out``.
    """
    files = package_files() | {f"wheel/{name}": data for name, data in wheel_files().items()}
    content = write_zip({f"{NAME}/{name}": data for name, data in files.items()}, zipfile.ZIP_DEFLATED)
    wrong = problems(content, read_versions(ROOT), release)
    if wrong:
        raise ValueError("the package breaks rules:\n" + "\n".join(f"  - {text}" for text in wrong))
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{NAME}-{read_versions(ROOT)['metadata.txt']}.zip"
    target.write_bytes(content)
    return target


def package_files() -> dict[str, bytes]:
    """Name inside the plugin's folder -> content, of everything but the wheel.

    Raises:
        ValueError: A file is of a kind that does not belong into the package.
    """
    pretrained = ROOT / "resources" / "pretrained"  # travels in the wheel
    found = {name: (ROOT / name).read_bytes() for name in ("metadata.txt", "LICENSE")}
    for folder, prefix in ((ROOT / NAME, ""), (ROOT / "resources", "resources/")):
        for path in folder.rglob("*"):
            if pretrained in path.parents:
                continue
            if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".ts", ".qm"):
                found[prefix + path.relative_to(folder).as_posix()] = path.read_bytes()
    for path in (ROOT / "resources").rglob("*.ts"):  # translators' files go as what Qt loads
        name = path.with_suffix(".qm").relative_to(ROOT).as_posix()
        found[name] = compile_ts(path.read_bytes())
    found |= {f"resources/help/{name}": data for name, data in guide(ROOT / "docs" / "qgis.md").items()}
    strange = [name for name in found if Path(name).suffix not in SUFFIXES and name != "LICENSE"]
    if strange:
        raise ValueError(f"{strange[0]} is no kind of file that belongs into the plugin; see SUFFIXES")
    return found


def wheel_files() -> dict[str, bytes]:
    """The backend's wheel, and ``wheel.json`` with its name, version and sha256."""
    name, wheel = build_wheel()
    facts = {"file": name, "sha256": hashlib.sha256(wheel).hexdigest(), "version": name.split("-")[1]}
    return {name: wheel, "wheel.json": (json.dumps(facts, indent=2) + "\n").encode()}


def write_wheel(folder: Path) -> None:
    """Put ``wheel_files`` into ``folder``, in place of an older wheel."""
    files = wheel_files()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)


def build_wheel() -> tuple[str, bytes]:
    """Name and content of the backend's wheel, built in a clean copy of its sources.

    The files inside are stored uncompressed, so that the text can be read in place; the outer zip compresses.

    Raises:
        ValueError: The build failed; the message is what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "sources"
        for name in WHEEL_SOURCES:
            source, target = ROOT / name, copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=CACHES)
            else:
                shutil.copyfile(source, target)
        code = f"from setuptools import build_meta; build_meta.build_wheel({folder!r})"
        done = subprocess.run([sys.executable, "-c", code], cwd=copy, capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"the wheel of the backend cannot be built:\n{done.stderr.strip()}")
        (built,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(built) as wheel:
            content = {info.filename: wheel.read(info) for info in wheel.infolist() if not info.is_dir()}
        return built.name, write_zip(content, zipfile.ZIP_STORED)


def write_zip(files: dict[str, bytes], compression: int) -> bytes:
    """A zip of ``files`` that depends on nothing but their names and contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name in sorted(files, key=lambda n: (n.endswith("RECORD"), n)):  # a wheel's RECORD stands last
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            info.compress_type = compression
            archive.writestr(info, files[name])
    return buffer.getvalue()


def main() -> int:
    """Build what the command line asks for."""
    parser = argparse.ArgumentParser(description="Build the zip that QGIS installs.")
    parser.add_argument("--out", type=Path, help="folder of the zip (default: dist)")
    parser.add_argument("--wheel", action="store_true", help="only the backend's wheel, into build/wheel")
    parser.add_argument("--release", action="store_true", help="also ask for what the plugin site asks for")
    options = parser.parse_args()
    try:
        if options.wheel:
            write_wheel(options.out or ROOT / "build" / "wheel")
            return 0
        target = make_plugin(options.out or ROOT / "dist", options.release)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        f"{target}  {target.stat().st_size / 1e6:.2f} MB  {hashlib.sha256(target.read_bytes()).hexdigest()}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
