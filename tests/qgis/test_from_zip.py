"""The zip of ``make plugin`` in real QGIS: installed, enabled for qgis_process, set up by its button."""

from __future__ import annotations

import json
import subprocess
import zipfile

import pytest
from training_field import make_field

import make_plugin
from desktop import HERE, qgis_environment, run_inside
from installations import installations, what_is_missing

pytestmark = pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing())
VERSIONS = {qgis.version: qgis for qgis in installations()}
TESTS = str(HERE / "from_zip")
INSTALL_S = 3600


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The zip."""
    return make_plugin.make_plugin(tmp_path_factory.mktemp("dist"))


def check(outcome, passed):
    problems = [case.problem for case in outcome.cases if case.problem]
    assert not problems, "\n\n".join(problems)
    assert outcome.code == 0, outcome.log[-6000:]
    assert sum(not case.skipped for case in outcome.cases) == passed
    assert len(outcome.cases) == 3


@pytest.mark.parametrize("version", [*VERSIONS] or ["none"])
def test_qgis_installs_it(built, version):
    extra = {"NIRLORA_ZIP": str(built)}
    check(run_inside(VERSIONS[version], [TESTS], timeout_s=240, linked=False, extra=extra), passed=2)


@pytest.mark.parametrize("version", [*VERSIONS] or ["none"])
def test_qgis_process_enables_it(built, version, tmp_path):
    plugins = tmp_path / "config" / "profiles" / "default" / "python" / "plugins"
    with zipfile.ZipFile(built) as archive:
        archive.extractall(plugins)
    qgis = VERSIONS[version]
    extra = {"QT_QPA_PLATFORM": "offscreen", "QGIS_CUSTOM_CONFIG_PATH": str(tmp_path / "config")}
    environment = qgis_environment(qgis, tmp_path, extra)

    def say(*words):
        done = subprocess.run(
            [qgis.process, *words], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "nirlora:train" not in say("list")
    say("plugins", "enable", make_plugin.NAME)
    listed = json.loads(say("--json", "list"))["providers"]["nirlora"]["algorithms"]
    assert set(listed) == {f"nirlora:{name}" for name in ("train", "adapt", "segment", "evaluate", "export")}


@pytest.mark.slow
@pytest.mark.timeout(INSTALL_S + 120)
def test_its_button_installs_the_backend(built, tmp_path):
    """Minutes and gigabytes: uv, packages, self-test, once stopped and resumed, and a training with it."""
    field = make_field(tmp_path)
    extra = {"NIRLORA_ZIP": str(built), "NIRLORA_FIELD": str(field.raster)}
    qgis = next(iter(VERSIONS.values()))
    check(run_inside(qgis, [TESTS], timeout_s=INSTALL_S, linked=False, extra=extra), passed=3)
