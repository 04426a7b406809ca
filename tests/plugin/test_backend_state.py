from __future__ import annotations

import json

import pytest

from nir_lora_plugin.backend_process.home import Home, find_home
from nir_lora_plugin.backend_process.lock import InstallLock
from nir_lora_plugin.backend_process.state import BackendState, Marker, Stamp, read_state, write_record
from nir_lora_plugin.errors import SetupError

STAMP = Stamp("1.0.0", "abc", "3.11.2", "auto", "cpu: 4 threads", 60.0, "2026-01-01T00:00:00+00:00")


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.fixture
def installed(home):
    home.python.parent.mkdir(parents=True)
    home.python.write_text("")
    write_record(home.stamp, STAMP)
    return home


def state(home, version="1.0.0", sha256="abc"):
    return read_state(home.root, version, sha256)[0]


def test_nothing_there(home):
    assert state(home) is BackendState.NOT_INSTALLED
    assert state(Home(home.root / "no" / "such" / "folder")) is BackendState.NOT_INSTALLED


def test_installed(installed):
    assert read_state(installed.root, "1.0.0", "abc") == (
        BackendState.READY,
        "Version 1.0.0, cpu: 4 threads.",
    )
    assert state(installed, "", "") is BackendState.READY


@pytest.mark.parametrize(("version", "sha256"), [("1.0.1", "abc"), ("0.9.0", "abc"), ("1.0.0", "def")])
def test_another_version_or_build_is_outdated(installed, version, sha256):
    assert state(installed, version, sha256) is BackendState.OUTDATED


def test_a_marker_means_incomplete_whatever_else_is_there(installed):
    write_record(installed.marker, Marker("1.0.0", "abc", "auto", ("tool",)))
    assert state(installed) is BackendState.INCOMPLETE
    installed.marker.write_text("{ half")
    assert state(installed) is BackendState.INCOMPLETE


def test_installing_while_somebody_holds_the_lock(installed):
    with InstallLock(installed.lock):
        assert state(installed) is BackendState.INSTALLING
        with pytest.raises(SetupError) as caught, InstallLock(installed.lock, wait_s=0.1):
            pass
        assert caught.value.info.code == "busy"
    assert state(installed) is BackendState.READY


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"version": 1}), "\x00"])
def test_a_damaged_record_is_broken(installed, text):
    installed.stamp.write_text(text)
    assert state(installed) is BackendState.BROKEN


def test_a_python_that_went_with_a_system_update_is_broken(installed):
    installed.python.unlink()
    installed.python.symlink_to("/usr/bin/python2.4")
    assert state(installed) is BackendState.BROKEN


def test_an_environment_of_somebody_else_is_not_ours(home):
    home.env.mkdir()
    assert state(home) is BackendState.BROKEN


def test_where_the_home_is(monkeypatch, tmp_path):
    monkeypatch.delenv("NIRLORA_HOME", raising=False)
    assert find_home(str(tmp_path)).root == tmp_path
    assert find_home().root.name == "nirlora"
    monkeypatch.setenv("NIRLORA_HOME", str(tmp_path / "named"))
    assert find_home("chosen").root == tmp_path / "named"
