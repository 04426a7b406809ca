from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from fake_python import fake_python, needs_posix
from nir_lora_plugin.backend_process.manager import BackendManager, Choice
from nir_lora_plugin.backend_process.state import BackendState
from nir_lora_plugin.errors import BackendGone, SetupError

pytestmark = needs_posix


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("NIRLORA_HOME", "NIRLORA_PYTHON", "NIRLORA_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def manager(tmp_path):
    choice = Choice(str(tmp_path / "home"), str(fake_python(tmp_path / "bin")))
    made = BackendManager(lambda: choice)
    yield made
    made.stop()


def test_nothing_installed_is_an_error_that_says_where_to_install(tmp_path):
    manager = BackendManager(lambda: Choice(str(tmp_path)))
    assert manager.state()[0] is BackendState.NOT_INSTALLED
    with pytest.raises(SetupError, match="set-up installs") as caught:
        manager.client()
    assert caught.value.info.code == "not_installed"


def test_one_backend_serves_all(manager):
    assert manager.state()[0] is BackendState.READY
    first, second = manager.client(), manager.client()
    assert first is second
    assert manager.state() == (BackendState.RUNNING, "Version 9.9 is running.")


def test_a_killed_backend_is_started_again_by_the_next_client(manager):
    old = manager.client()
    pid = old.health().pid
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(BackendGone):
        old.health()
    assert manager.state()[0] is BackendState.READY
    assert manager.client().health().pid != pid


def test_after_stop_there_is_a_new_one(manager):
    pid = manager.client().health().pid
    manager.stop()
    assert not manager.is_running
    assert manager.client().health().pid != pid


def test_a_wish_that_waited_while_it_was_stopped_does_not_start_it_again(manager):
    before = manager.stops
    assert manager.client(before) is manager.client()
    manager.stop()
    with pytest.raises(BackendGone, match="was stopped") as caught:
        manager.client(before)
    assert caught.value.info.code == "backend_stopped"
    assert not manager.is_running
    manager.client(manager.stops)  # a later one does
    assert manager.client(before).health().pid  # and then it runs: no reason to refuse


def test_after_close_there_is_none_ever(manager):
    manager.client()
    manager.close()
    with pytest.raises(BackendGone, match="unloaded"):
        manager.client()
    assert not manager.is_running


def test_a_chosen_python_that_is_gone_is_said(tmp_path):
    manager = BackendManager(lambda: Choice(str(tmp_path), str(tmp_path / "gone")))
    assert manager.state()[0] is BackendState.BROKEN
    with pytest.raises(SetupError, match="not there"):
        manager.client()


def test_variables_win_over_settings(manager, monkeypatch, tmp_path):
    monkeypatch.setenv("NIRLORA_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("NIRLORA_PYTHON", "/some/python")
    assert manager.home.root == tmp_path / "other"
    assert manager.foreign_python == Path("/some/python")


def test_the_real_backend(tmp_path):
    pytest.importorskip("nirlora.server")
    manager = BackendManager(lambda: Choice(str(tmp_path), sys.executable))
    try:
        health = manager.client().health()
        assert health.version
        assert manager.client().jobs() == []
    finally:
        manager.stop()
    assert not manager.is_running
