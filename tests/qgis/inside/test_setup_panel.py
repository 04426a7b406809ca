"""The set-up panel and the settings, with an installer that obeys the test."""

import os
import sys
from pathlib import Path

import pytest
from qgis.core import QgsSettings
from qgis.PyQt.QtWidgets import QApplication

sys.path.append(str(Path(__file__).parents[2]))

from fake_uv import fake_uv
from nir_lora_plugin import paths
from nir_lora_plugin.backend_process import install as install_module
from nir_lora_plugin.backend_process import steps
from nir_lora_plugin.backend_process.home import Home
from nir_lora_plugin.backend_process.lock import InstallLock
from nir_lora_plugin.backend_process.manager import manager
from nir_lora_plugin.backend_process.proxy import qgis_proxy
from nir_lora_plugin.backend_process.self_test import Identity, Passed
from nir_lora_plugin.backend_process.state import BackendState, Marker, read_state, write_record
from nir_lora_plugin.backend_process.steps import InstallOptions
from nir_lora_plugin.errors import SetupError
from nir_lora_plugin.settings import PREFIX, Settings
from nir_lora_plugin.ui import setup_work
from nir_lora_plugin.ui.setup_panel import SetupPanel
from nir_lora_plugin.ui.style import stylesheet

LONG_MS = 60_000
PASSED = Passed(Identity(paths.plugin_version(), 1, "3.11.2"), "cpu: 4 threads", (), {})


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty place for the backend, a uv and a self-test that obey, settings left as they were."""
    manager().stop()  # that of another test would be shown as running
    monkeypatch.delenv("NIRLORA_PYTHON")
    monkeypatch.delenv("NIRLORA_STATE_DIR")
    monkeypatch.delenv("NIRLORA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{fake_uv(tmp_path / 'uv').parent}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(steps, "self_test", lambda *a, **k: PASSED)
    monkeypatch.setattr(setup_work, "self_test", lambda *a, **k: PASSED)
    monkeypatch.setattr(install_module, "find_gpus", list)
    wheel = tmp_path / "nirlora-9-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    digest = paths.sha256_of(wheel)
    monkeypatch.setattr(
        setup_work,
        "bundled",
        lambda build, proxy, fresh: InstallOptions(
            wheel, PASSED.identity.version, digest, build, proxy, fresh
        ),
    )
    monkeypatch.setattr(paths, "wheel_sha256", lambda: digest)
    Settings.HOME.set(str(tmp_path / "home"))
    yield Home(tmp_path / "home")
    for setting in (Settings.HOME, Settings.PYTHON, Settings.BUILD):
        setting.reset()


@pytest.fixture
def panel(home, qtbot):
    def make():
        made = SetupPanel()
        made.setStyleSheet(stylesheet())  # the dock's
        made.resize(380, 420)
        qtbot.addWidget(made)
        made.show()
        return made

    return make


def finished(shown, qtbot):
    qtbot.waitUntil(lambda: shown._task is None and setup_work.current_work() is None, timeout=LONG_MS)


def test_one_button_installs_and_says_when_it_is_ready(panel, home, qtbot, screenshot):
    shown = panel()
    assert "not installed" in shown.notice.text()
    assert shown.action_button.text() == "Install the backend"
    qtbot.wait(50)
    screenshot("setup_not_installed", shown)
    with qtbot.waitSignal(shown.ready, timeout=LONG_MS):
        shown.action_button.click()
        assert not shown.action_button.isVisible()
        assert shown.work_box.isVisible()
    finished(shown, qtbot)
    assert "Prepared 2 packages" in shown.lines.toPlainText()
    assert "cpu: 4 threads" in shown.outcome.text()
    assert not shown.action_button.isVisible()
    assert manager().state()[0] is BackendState.READY
    qtbot.wait(50)
    screenshot("setup_ready", shown)


def test_cancel_then_resume(panel, home, qtbot, tmp_path, screenshot):
    hang = tmp_path / "uv" / "install.py"
    hang.write_text("time.sleep(600)")
    shown = panel()
    shown.action_button.click()
    qtbot.waitUntil(lambda: "Downloading torch" in shown.lines.toPlainText(), timeout=LONG_MS)
    qtbot.wait(50)
    screenshot("setup_installing", shown)
    shown.cancel_button.click()
    finished(shown, qtbot)
    assert "stopped" in shown.outcome.text()
    assert shown.action_button.text() == "Resume the installation"
    hang.unlink()
    with qtbot.waitSignal(shown.ready, timeout=LONG_MS):
        shown.action_button.click()


def test_a_failure_shows_what_to_do_and_can_be_resumed(panel, home, qtbot, tmp_path, screenshot):
    (tmp_path / "uv" / "install.py").write_text("sys.exit('error: No space left on device (os error 28)')")
    shown = panel()
    shown.action_button.click()
    finished(shown, qtbot)
    assert "The disk is full" in shown.outcome.text()
    assert "Free some space" in shown.outcome.text()
    assert shown.action_button.isVisible()
    qtbot.wait(50)
    screenshot("setup_failed", shown)


def test_a_closed_panel_does_not_stop_the_installation_and_a_new_one_shows_it(panel, home, qtbot, tmp_path):
    go = tmp_path / "go"
    script = f"while not os.path.exists({str(go)!r}): time.sleep(0.02)"
    (tmp_path / "uv" / "install.py").write_text(script)
    first = panel()
    first.action_button.click()
    qtbot.waitUntil(lambda: "Downloading torch" in first.lines.toPlainText(), timeout=LONG_MS)
    first.setParent(None)
    first.deleteLater()
    QApplication.processEvents()
    second = panel()
    assert second.work_box.isVisible()
    with qtbot.waitSignal(second.ready, timeout=LONG_MS):
        go.touch()


def test_an_installation_by_another_qgis_is_shown_and_waited_for(panel, home, qtbot):
    home.root.mkdir()
    with InstallLock(home.lock):
        shown = panel()
        assert "being installed" in shown.notice.text()
        assert not shown.action_button.isVisible()
    qtbot.waitUntil(lambda: shown.action_button.isVisible(), timeout=LONG_MS)


@pytest.mark.parametrize(
    ("make", "button"),
    [
        (lambda home: write_record(home.marker, Marker("", "", "")), "Resume the installation"),
        (lambda home: (home.root.mkdir(), home.stamp.write_text("{")), "Repair the backend"),
    ],
)
def test_the_button_says_what_the_state_asks_for(panel, home, make, button):
    make(home)
    assert panel().action_button.text() == button


def test_a_python_of_the_user_is_used_if_it_passes_and_only_then(panel, home, qtbot, monkeypatch):
    def fails(*_, **__):
        raise SetupError("/x has no nirlora.", hint="Install it there.", code="no_nirlora")

    shown = panel()
    monkeypatch.setattr(setup_work, "self_test", fails)
    shown.adopt(sys.executable)
    finished(shown, qtbot)
    assert "has no nirlora" in shown.outcome.text()
    assert Settings.PYTHON.get() == ""
    monkeypatch.setattr(setup_work, "self_test", lambda *a, **k: PASSED)
    with qtbot.waitSignal(shown.ready, timeout=LONG_MS):
        shown.adopt("/usr/bin/python3")
    assert Settings.PYTHON.get() == "/usr/bin/python3"
    assert manager().foreign_python == Path("/usr/bin/python3")
    assert not shown.action_button.isVisible()
    shown.use_own()
    assert manager().foreign_python is None
    assert shown.action_button.text() == "Install the backend"


def test_remove(panel, home, qtbot):
    shown = panel()
    with qtbot.waitSignal(shown.ready, timeout=LONG_MS):
        shown.install()
    finished(shown, qtbot)
    shown.remove()
    finished(shown, qtbot)
    assert read_state(home.root)[0] is BackendState.NOT_INSTALLED
    assert shown.action_button.text() == "Install the backend"


def test_another_folder_gets_one_of_its_own_unless_it_is_empty(panel, home, tmp_path):
    shown = panel()
    full, empty = tmp_path / "full", tmp_path / "empty"
    for folder in (full, empty):
        folder.mkdir()
    (full / "letter.txt").write_text("dear")
    shown.set_folder(str(full))
    assert manager().home.root == full / "nirlora"
    shown.set_folder(str(empty))
    assert manager().home.root == empty


def test_diagnostics_are_copied_and_hold_no_password(panel, home, qtbot, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:secret@mirror.example/simple")
    shown = panel()
    shown.copy_button.click()
    qtbot.waitUntil(lambda: "clipboard" in shown.outcome.text(), timeout=LONG_MS)
    text = QApplication.clipboard().text()
    for expected in ("NIR-LoRA", "QGIS: 3.", "not installed", "mirror.example", "free disk"):
        assert expected in text
    assert "secret" not in text


def test_settings_keep_their_type_and_refuse_another():
    assert len({setting.key for setting in Settings}) == len(Settings)
    for setting in Settings:
        before = setting.get()
        assert type(before) is type(setting.default)
        changed = not before if isinstance(before, bool) else type(before)(7)
        setting.set(changed)
        QgsSettings().sync()
        assert setting.get() == changed
        with pytest.raises(TypeError):
            setting.set(None)
        setting.reset()
        assert setting.get() == setting.default
        assert not QgsSettings().contains(setting.key)
        setting.set(before)
        assert setting.key.startswith(PREFIX)


def test_the_proxy_of_qgis():
    values = {
        "proxyEnabled": True, "proxyType": "HttpProxy", "proxyHost": "p.example", "proxyPort": "8080",
        "proxyUser": "me", "proxyPassword": "a/b@c",
    }  # fmt: skip
    assert qgis_proxy() == ""
    try:
        for name, value in values.items():
            QgsSettings().setValue(f"proxy/{name}", value)
        assert qgis_proxy() == "http://me:a%2Fb%40c@p.example:8080"
        QgsSettings().setValue("proxy/proxyType", "DefaultProxy")
        assert qgis_proxy() == ""
    finally:
        for name in values:
            QgsSettings().remove(f"proxy/{name}")
