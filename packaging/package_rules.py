"""What the plugin site asks of a plugin's zip, and what we ask: every rule that needs nothing but the zip."""

from __future__ import annotations

import configparser
import hashlib
import io
import json
import re
import zipfile
from pathlib import Path

NAME = "nir_lora_plugin"
MAX_BYTES = 25_000_000
REQUIRED = ("name", "description", "about", "version", "qgisMinimumVersion", "author")
# A project has these when it has a public place; the site refuses a plugin without them.
PUBLIC = ("email", "tracker", "repository")
# The site calls these critical wherever they lie.
FORBIDDEN = (
    ".exe", ".dll", ".so", ".dylib", ".bat", ".sh", ".ps1", ".cmd",
    ".pyc", ".pyo", ".pyd", ".whl.part", ".onnx", ".safetensors", ".nirlora",
)  # fmt: skip
WEIGHTS = ".nirlora-backbone"  # a zip of JSON and safetensors: numbers, nothing that runs
FORBIDDEN_FOLDERS = {"__MACOSX", "__pycache__", ".git"}
SECRETS = {
    "private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "name and password in an address": re.compile(rb"://[^/\s:'\"{}<>]+:[^/\s@'\"{}<>]+@"),
    "access key": re.compile(
        rb"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{36}|glpat-[\w-]{20}|hf_[A-Za-z]{34}"
        rb"|pypi-[\w-]{40}|sk-[0-9A-Za-z]{32}|xox[abp]-[\w-]{10})"
    ),
    "JSON web token": re.compile(rb"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}"),
}


def problems(content: bytes, versions: dict[str, str], release: bool = False) -> list[str]:
    """Every broken rule of the plugin's zip ``content``, in words; empty if all is well."""
    wrong = []
    if len(content) > MAX_BYTES:
        wrong.append(f"{len(content)} bytes; the site takes {MAX_BYTES}")
    if len(set(versions.values())) != 1 or not re.fullmatch(r"\d+\.\d+\.\d+", next(iter(versions.values()))):
        wrong.append(f"the version must be one, numeric, of three parts; got {versions}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
        wrong += [f"{info.filename}: is executable" for info in archive.infolist() if _is_executable(info)]
    if {name.split("/")[0] for name in files} != {NAME}:
        wrong.append(f"everything must lie in one folder, {NAME}")
    wrong += [f"{name} is missing" for name in _needed() if name not in files]
    wrong += [text for name, data in files.items() for text in _file_problems(name, data)]
    wrong += _metadata_problems(files.get(f"{NAME}/metadata.txt", b"[general]"), files, release)
    return wrong + _wheel_problems(files, versions)


def read_versions(root: Path) -> dict[str, str]:
    """The version of every file of the checkout that says one."""
    places = {
        "metadata.txt": (root / "metadata.txt", r"^version=(.+)$"),
        "pyproject.toml": (root / "pyproject.toml", r'^version = "(.+)"$'),
        "nirlora": (root / "backend/nirlora/__init__.py", r'^__version__ = "(.+)"$'),
    }
    found = {}
    for name, (path, pattern) in places.items():
        match = re.search(pattern, path.read_text(encoding="utf-8"), re.M)
        found[name] = match[1] if match else ""
    return found


def _needed() -> list[str]:
    return [f"{NAME}/{name}" for name in ("__init__.py", "metadata.txt", "LICENSE", "wheel/wheel.json")]


def _is_executable(info: zipfile.ZipInfo) -> bool:
    return bool(info.external_attr >> 16 & 0o111)


def _file_problems(name: str, data: bytes) -> list[str]:
    parts = name.split("/")
    wrong = []
    if name.lower().endswith(FORBIDDEN) or FORBIDDEN_FOLDERS & set(parts):
        wrong.append(f"{name}: the site forbids this kind of file")
    if ".." in parts or name.startswith("/") or any(part.startswith(".") for part in parts):
        wrong.append(f"{name}: hidden, or a path out of the folder")
    if data.startswith((b"\x7fELF", b"MZ\x90", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")):
        wrong.append(f"{name}: a compiled binary")
    wrong += [f"{name}: {what}" for what, pattern in SECRETS.items() if pattern.search(data)]
    if name.endswith(".whl"):
        with zipfile.ZipFile(io.BytesIO(data)) as wheel:
            inner = {f"{name}!{inner}": wheel.read(inner) for inner in wheel.namelist()}
        for path, content in inner.items():
            wrong += _file_problems(path, content)
            if b"\0" in content and not path.endswith(WEIGHTS):
                wrong.append(f"{path}: the wheel must hold text only, and the weights of a backbone")
    return wrong


def _metadata_problems(text: bytes, files: dict[str, bytes], release: bool) -> list[str]:
    parser = configparser.ConfigParser()  # the site's own parser too stumbles over a lone per cent sign
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # keys keep their case
    parser.read_string(text.decode())
    try:
        general = dict(parser["general"])
    except configparser.InterpolationError as error:
        return [f"metadata.txt: {error}"]
    wrong = [f"metadata.txt: {key} is empty" for key in REQUIRED if not general.get(key)]
    wrong += [f"metadata.txt: there is no key {key}" for key in PUBLIC if key not in general]
    if release:
        wrong += [
            f"metadata.txt: {key} is empty; the site asks for it" for key in PUBLIC if not general.get(key)
        ]
    if general.get("hasProcessingProvider") != "yes":
        wrong.append("metadata.txt: without hasProcessingProvider=yes, qgis_process does not load the plugin")
    if "plugin" in general.get("name", "").lower():
        wrong.append("metadata.txt: the name of a plugin does not say that it is one")
    if f"{NAME}/{general.get('icon')}" not in files:
        wrong.append("metadata.txt: the icon is not in the package")
    return wrong


def _wheel_problems(files: dict[str, bytes], versions: dict[str, str]) -> list[str]:
    wheels = [name for name in files if name.endswith(".whl")]
    if len(wheels) != 1:
        return [f"expected one wheel, got {len(wheels)}"]
    facts = json.loads(files.get(f"{NAME}/wheel/wheel.json", b"{}"))
    expected = {
        "file": wheels[0].rpartition("/")[2],
        "sha256": hashlib.sha256(files[wheels[0]]).hexdigest(),
        "version": versions["metadata.txt"],
    }
    if facts != expected or not wheels[0].endswith("-py3-none-any.whl"):
        return [f"wheel.json says {facts}, the wheel is {expected}"]
    return []
