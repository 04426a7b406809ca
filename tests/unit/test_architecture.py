"""The rules of ARCHITECTURE.md that a machine can check: who may import whom."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import nirlora
from support import ROOT

HOMES = {
    "nirlora": ROOT / "backend" / "nirlora",
    "nirlora.protocol": ROOT / "nir_lora_plugin" / "protocol",
    "nirlora_train": ROOT / "training_cli" / "nirlora_train",
}
_BASE = {"protocol", "errors", "versions"}
_DATA = _BASE | {"raster", "bands", "vector"}
_NETS = _BASE | {"metrics", "backbones", "adapters", "models"}
_JOBS = {"training", "adaptation", "self_training", "classification", "inference", "onnx_export"}
# What each layer may import of nirlora; a layer is a package or a module right below nirlora, and the
# backbones, on which both adapters and models stand.
LAYERS: dict[str, set[str]] = {
    "protocol": set(),
    "errors": set(),
    "versions": set(),
    "metrics": {"errors", "protocol"},
    "raster": _BASE,
    "bands": _BASE | {"raster"},
    "vector": _BASE | {"raster"},
    "backbones": _BASE,
    "adapters": _BASE | {"backbones"},
    "models": _BASE | {"backbones", "adapters"},
    "inference": _DATA | _NETS,
    "training": _DATA | _NETS | {"inference"},  # its report shows a map
    "adaptation": _DATA | _NETS | {"inference", "training"},  # the same chips, checkpoints, report
    "self_training": _DATA | _NETS | {"inference", "training"},
    "classification": _DATA | _NETS | {"inference", "training"},
    "comparison": _DATA | _NETS | {"inference", "training"},
    "recipes": _DATA | _NETS | (_JOBS - {"onnx_export"}) | {"comparison"},  # records are kept alike
    "onnx_export": _DATA | _NETS | {"inference"},
    "doctor": _BASE,
    "demo_scene": _BASE,
    "demo_field": _BASE | {"raster", "demo_scene"},
    "info": _DATA | _NETS | {"training"},
    "api": _DATA | _NETS | _JOBS | {"comparison", "recipes"},
    "jobs": _DATA | _NETS | _JOBS | {"info", "api"},
    "server": _DATA | {"models", "info", "jobs"},  # of the models the torch-free card alone
}
HEAVY = {"torch", "torchvision", "timm", "peft", "accelerate", "torchmetrics", "matplotlib", "safetensors"}
HEAVY |= {"onnx", "onnxruntime", "onnxscript"}
_TORCH_LAYERS = {"backbones", "adapters", "models", "inference", "training", "adaptation", "onnx_export"}
_TORCH_LAYERS |= {"self_training", "classification", "comparison", "recipes"}
HEAVY_LAYERS = _TORCH_LAYERS | {"metrics", "doctor"}
HEAVY_MODULES = {"nirlora.jobs.execute", "nirlora.jobs.warm"}  # of the worker process alone
NEVER = {"qgis", "PyQt5", "PyQt6", "osgeo", "nir_lora_plugin", "pickle", "requests"}


def modules() -> dict[str, Path]:
    """Dotted name -> file of every module of ours."""
    found = {}
    for package, home in HOMES.items():
        for path in sorted(home.rglob("*.py")):
            parts = path.relative_to(home).with_suffix("").parts
            found[".".join((package, *(p for p in parts if p != "__init__")))] = path
    return found


MODULES = modules()


def imports(name: str) -> Iterator[tuple[str, bool]]:
    """Absolute names that module ``name`` imports, and whether at module level at run time."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    at_top = {id(node) for node in top_level(tree)}
    for node in ast.walk(tree):
        top = id(node) in at_top
        if isinstance(node, ast.Import):
            yield from ((alias.name, top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            origin = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield (inner if inner in MODULES else origin), top


def top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run on import: not in functions, not under ``if TYPE_CHECKING``."""
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        yield node
        for block in ("body", "orelse", "finalbody", "handlers"):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                todo += getattr(node, block, [])


def layer(name: str) -> str:
    parts = name.split(".")
    if name.startswith("nirlora.models.backbones"):
        return "backbones"
    return parts[1] if parts[0] == "nirlora" and len(parts) > 1 else ""


OURS = sorted(name for name in MODULES if name.split(".")[0] == "nirlora")


@pytest.mark.parametrize("name", OURS)
def test_arrows_only_go_down(name):
    if name == "nirlora":
        return
    assert layer(name) in LAYERS, f"{layer(name)} is no known layer: add it to ARCHITECTURE.md and here"
    wrong = {
        target
        for target, _ in imports(name)
        if layer(target) and layer(target) != layer(name) and layer(target) not in LAYERS[layer(name)]
    }
    assert not wrong


@pytest.mark.parametrize("name", sorted(MODULES))
def test_banned_packages(name):
    assert not {target for target, _ in imports(name) if target.split(".")[0] in NEVER}


@pytest.mark.parametrize("name", OURS)
def test_light_layers_stay_light(name):
    roots = {target.split(".")[0] for target, _ in imports(name)} & HEAVY
    assert not roots or layer(name) in HEAVY_LAYERS or name in HEAVY_MODULES
    if layer(name) == "doctor":
        assert not {target for target, top in imports(name) if top and target.split(".")[0] in HEAVY}


def test_the_layer_table_has_no_cycle():
    list(TopologicalSorter(LAYERS).static_order())


def test_no_import_cycles():
    graph = {name: {t for t, top in imports(name) if top and t in MODULES and t != name} for name in MODULES}
    list(TopologicalSorter(graph).static_order())  # raises CycleError with the cycle


@pytest.mark.parametrize("name", [n for n in MODULES if n.startswith("nirlora.protocol")])
def test_protocol_is_plain_python_39(name):
    ast.parse(MODULES[name].read_text(encoding="utf-8"), feature_version=(3, 9))
    roots = {t.split(".")[0] for t, _ in imports(name)} - {"nirlora"}
    assert roots <= sys.stdlib_module_names
    assert not roots & {"os", "pathlib", "io", "socket", "subprocess", "tomllib", "shutil"}


def test_protocol_annotations_evaluate_on_python_39():
    """``X | Y`` and ``list[...]`` in annotations parse on 3.9 but fail when the codec resolves them."""
    for name in (n for n in MODULES if n.startswith("nirlora.protocol")):
        tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            note = getattr(node, "annotation", None) or getattr(node, "returns", None)
            if note is not None:
                assert not any(isinstance(n, ast.BinOp) for n in ast.walk(note)), f"{name}:{node.lineno}"


@pytest.mark.parametrize("name", [n for n in MODULES if n.startswith("nirlora_train")])
def test_the_command_line_is_thin(name):
    inside = {t for t, _ in imports(name) if layer(t)}
    assert {layer(t) for t in inside} <= {"protocol", "errors", "info", "doctor", "demo_field", "server"}


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement", ["import nirlora", "import nirlora.doctor", "import nirlora_train.main"]
)
def test_cheap_imports(statement):
    assert not loaded_after(statement) & (HEAVY | {"rasterio", "numpy", "scipy", "jinja2"})


def test_the_server_needs_no_torch():
    """Listening must not wait for it, and only the worker may hold the device."""
    serving = [n for n in OURS if layer(n) == "server" and not n.endswith("__main__")]
    assert not loaded_after(f"import {', '.join(serving)}") & (HEAVY)


def test_a_map_waits_for_no_import_that_it_does_not_need():
    """The first map of a session waits for the worker's imports; what scores and plots is slow to import."""
    loaded = loaded_after("import nirlora.jobs.execute, nirlora; nirlora.segment")
    assert "torch" in loaded
    assert not loaded & {"matplotlib", "torchmetrics"}


def test_rasters_and_labels_without_torch():
    names = ", ".join(n for n in OURS if layer(n) in ("raster", "bands", "vector"))
    assert "torch" not in loaded_after(f"import {names}")


@pytest.mark.parametrize("name", OURS)
def test_torch_files_are_read_without_running_what_is_in_them(name):
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "torch.load"]
    for call in calls:
        assert "weights_only=True" in [ast.unparse(keyword) for keyword in call.keywords]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_files_stay_readable(name):
    lines = MODULES[name].read_text(encoding="utf-8").count("\n")
    assert lines <= 400, f"{lines} lines: split it"


def test_versions_agree():
    metadata = configparser.ConfigParser(interpolation=None)
    metadata.read(ROOT / "metadata.txt", encoding="utf-8")
    general = metadata["general"]
    declared = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert declared
    assert general["version"] == declared[1] == nirlora.__version__
    assert (general["qgisMinimumVersion"], general["qgisMaximumVersion"]) == ("3.22", "4.99")
    required = "name description about author email repository tracker license icon"
    assert set(required.split()) <= {key for key in general if key == key.lower()}
    assert (ROOT / general["icon"]).is_file()
    assert f"## [{declared[1]}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_package_is_in_the_wheel():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    declared = set(re.findall(r'^  "(nirlora[\w.]*)",$', text, re.M))
    data = {"nirlora.pretrained"}  # a folder of resources
    assert declared - data == {name for name, path in MODULES.items() if path.name == "__init__.py"}
