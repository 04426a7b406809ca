from __future__ import annotations

import json
import os
import sys
import threading
import zipfile
from dataclasses import replace

import pytest

from fake_python import needs_posix
from fake_uv import fake_uv
from nir_lora_plugin import paths
from nir_lora_plugin.backend_process import install as install_module
from nir_lora_plugin.backend_process import steps, uv
from nir_lora_plugin.backend_process.home import Home
from nir_lora_plugin.backend_process.install import bundled, install, install_environment, remove
from nir_lora_plugin.backend_process.processes import run as run_program
from nir_lora_plugin.backend_process.self_test import Identity, Passed
from nir_lora_plugin.backend_process.state import BackendState, read_marker, read_state
from nir_lora_plugin.backend_process.steps import InstallOptions
from nir_lora_plugin.errors import Cancelled, SetupError

pytestmark = needs_posix
PASSED = Passed(Identity("1.0.0", 1, "3.11.2"), "cpu: 4 threads", (), {"torch": "2"})


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def uv_folder(tmp_path, monkeypatch):
    program = fake_uv(tmp_path / "uv")
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(steps, "self_test", lambda *a, **k: PASSED)
    monkeypatch.setattr(install_module, "find_gpus", list)
    return program.parent


@pytest.fixture
def options(tmp_path):
    wheel = tmp_path / "nirlora-1.0.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    return InstallOptions(wheel, "1.0.0", paths.sha256_of(wheel))


@pytest.fixture
def run(home, options):
    lines = []

    def go(is_cancelled=lambda: False, **changes):
        lines.clear()
        return install(
            home, replace(options, **changes), lambda f, line: lines.append((f, line)), is_cancelled
        )

    go.lines = lines
    return go


def calls(folder):
    """Arguments of uv's calls, without questions for its version."""
    lines = (folder / "calls").read_text().splitlines()
    found = [json.loads(line)["arguments"] for line in lines]
    (folder / "calls").unlink()
    return [arguments for arguments in found if arguments != ["--version"]]


def state(home, options):
    return read_state(home.root, options.version, options.sha256)[0]


def test_from_nothing_to_ready(run, home, options, uv_folder):
    stamp = run()
    assert (stamp.version, stamp.device, stamp.build) == ("1.0.0", "cpu: 4 threads", "auto")
    assert state(home, options) is BackendState.READY
    assert not home.marker.exists()
    made, installed = calls(uv_folder)
    assert made[:2] == ["venv", "--clear"]
    assert installed[-1] == str(options.wheel)
    assert installed[installed.index("--python") + 1] == str(home.python)
    fractions = [fraction for fraction, _ in run.lines]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert "Prepared 2 packages" in home.install_log.read_text()


def test_it_is_installing_while_it_runs_and_another_is_refused(run, home, options, uv_folder):
    (uv_folder / "install.py").write_text("time.sleep(600)")
    stop = threading.Event()
    seen = []

    def go():
        with pytest.raises(Cancelled):
            run(stop.is_set)
        seen.append("stopped")

    thread = threading.Thread(target=go)
    thread.start()
    while not any("Downloading torch" in line for _, line in list(run.lines)):
        assert thread.is_alive()
    assert state(home, options) is BackendState.INSTALLING
    with pytest.raises(SetupError, match="another QGIS"):
        install(home, options, lambda f, line: None, lambda: False)
    stop.set()
    thread.join(60)
    assert seen == ["stopped"]
    assert state(home, options) is BackendState.INCOMPLETE


def test_what_was_done_is_not_done_again(run, home, options, uv_folder):
    (uv_folder / "install.py").write_text("sys.exit('error: error sending request for url (x) dns error')")
    with pytest.raises(SetupError) as caught:
        run()
    assert caught.value.info.code == "network"
    assert "Then resume" in caught.value.info.hint
    assert read_marker(home).done == ("tool", "environment")
    calls(uv_folder)
    (uv_folder / "install.py").unlink()
    run()
    assert [arguments[0] for arguments in calls(uv_folder)] == ["pip"]
    assert state(home, options) is BackendState.READY


def test_a_full_disk_is_said_and_no_other_source_is_tried(run, uv_folder):
    (uv_folder / "install.py").write_text("sys.exit('error: No space left on device (os error 28)')")
    with pytest.raises(SetupError, match=r"The disk is full.*Free some space"):
        run()
    assert len([arguments for arguments in calls(uv_folder) if arguments[0] == "pip"]) == 1


def test_torch_comes_from_the_index_when_its_own_builds_cannot_be_reached(run, uv_folder):
    script = "if any('torch-backend' in a for a in arguments): sys.exit('error: dns error')"
    (uv_folder / "install.py").write_text(script)
    run(build="cpu")
    sources = [[a for a in arguments if "torch-backend" in a] for arguments in calls(uv_folder)[1:]]
    assert sources == [["--torch-backend=cpu"], []]


def test_a_killed_installer_leaves_incomplete(run, home, options, uv_folder):
    (uv_folder / "install.py").write_text("os.kill(os.getpid(), 9)")
    with pytest.raises(SetupError, match="ended from outside"):
        run()
    assert state(home, options) is BackendState.INCOMPLETE


def test_a_failed_self_test_is_not_ready(run, home, options, uv_folder, monkeypatch):
    def fails(*_, **__):
        raise SetupError("torch is broken", code="self_test")

    monkeypatch.setattr(steps, "self_test", fails)
    with pytest.raises(SetupError, match="torch is broken"):
        run()
    assert state(home, options) is BackendState.INCOMPLETE


def test_an_update_keeps_the_environment_and_a_fresh_one_does_not(run, home, options, uv_folder):
    run()
    calls(uv_folder)
    newer = options.wheel.with_name("nirlora-1.1.0-py3-none-any.whl")
    newer.write_bytes(b"newer")
    changes = {"wheel": newer, "version": "1.1.0", "sha256": paths.sha256_of(newer)}
    assert state(home, replace(options, **changes)) is BackendState.OUTDATED
    run(**changes)
    assert [arguments[0] for arguments in calls(uv_folder)] == ["pip"]
    assert state(home, replace(options, **changes)) is BackendState.READY
    run(fresh=True, **changes)
    assert [arguments[0] for arguments in calls(uv_folder)] == ["venv", "pip"]


def test_a_broken_python_is_made_anew(run, home, options, uv_folder):
    run()
    calls(uv_folder)
    home.python.unlink()
    home.python.symlink_to("/nowhere/python")
    assert state(home, options) is BackendState.BROKEN
    run()
    assert [arguments[0] for arguments in calls(uv_folder)] == ["venv", "pip"]
    assert state(home, options) is BackendState.READY


def test_a_damaged_wheel_is_not_installed(run, options, uv_folder):
    options.wheel.write_bytes(b"other")
    with pytest.raises(SetupError, match="damaged"):
        run()
    assert [arguments[0] for arguments in calls(uv_folder)] == ["venv"]


def test_a_folder_of_somebody_else_is_left_alone(run, home, uv_folder):
    home.env.mkdir(parents=True)
    (home.env / "thesis.txt").write_text("years of work")
    for action in (run, lambda: remove(home)):
        with pytest.raises(SetupError, match="not made by this plugin"):
            action()
    assert (home.env / "thesis.txt").exists()


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(run, home, uv_folder, monkeypatch):
    monkeypatch.setattr(install_module, "room_gb", lambda build, has_gpu: 1e9)
    with pytest.raises(SetupError, match="free space"):
        run()
    assert not home.marker.exists()


def test_a_home_that_cannot_be_made_is_an_error_in_words(options, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError):
        install(Home(tmp_path / "file" / "home"), options, lambda f, line: None, lambda: False)


def test_remove_leaves_jobs_and_logs(run, home, options, uv_folder):
    run()
    home.state.mkdir()
    (home.state / "jobs.sqlite").write_text("")
    remove(home)
    assert state(home, options) is BackendState.NOT_INSTALLED
    assert (home.state / "jobs.sqlite").exists()
    assert not home.env.exists()


def test_pip_and_the_proxy_reach_the_installer(home, monkeypatch, tmp_path):
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://me:secret@mirror.example/simple\ncert = /ca.pem\n")
    base = {"PIP_CONFIG_FILE": str(config), "PATH": "/bin", "PYTHONPATH": "/qgis"}
    environment = install_environment(home, "http://proxy.example:8080", base)
    assert environment["UV_DEFAULT_INDEX"] == "https://me:secret@mirror.example/simple"
    assert environment["SSL_CERT_FILE"] == "/ca.pem"
    assert environment["HTTPS_PROXY"] == "http://proxy.example:8080"
    assert environment["UV_CACHE_DIR"].startswith(str(home.root))
    assert "PYTHONPATH" not in environment
    own = install_environment(home, "http://proxy.example:8080", {**base, "https_proxy": "http://own:1"})
    assert "HTTPS_PROXY" not in own


def test_passwords_stay_out_of_the_log(run, home, uv_folder):
    (uv_folder / "install.py").write_text("print('Looking in https://me:secret@mirror.example/simple')")
    run()
    assert "secret" not in home.install_log.read_text() + str(run.lines)
    assert "***@mirror.example" in home.install_log.read_text()


def test_without_uv_and_pip_the_way_out_is_named(run, uv_folder, monkeypatch):
    monkeypatch.setattr(uv, "on_path", lambda: None)
    monkeypatch.setattr(install_module, "find_interpreters", lambda environment: [])
    with pytest.raises(SetupError, match="apt install python3-venv"):
        run()


def test_a_uv_of_another_hash_is_not_used(tmp_path):
    wheel = tmp_path / f"uv-{uv.VERSION}-py3-none-win_amd64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"uv-{uv.VERSION}.data/scripts/uv", "evil")
    with pytest.raises(SetupError, match="SHA-256"):
        uv.unpack(wheel, tmp_path / "tools")
    assert uv.unpacked(tmp_path / "tools") is None


def test_venv_and_pip_take_the_place_of_a_uv_that_cannot_be_had(home, options, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(uv, "on_path", lambda: None)
    monkeypatch.setattr(install_module, "find_gpus", list)
    monkeypatch.setattr(steps, "self_test", lambda *a, **k: PASSED)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # no uv here, and nothing else either
    wheel = tmp_path / "nirlora-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("nirlora.py", "")
        info = "nirlora-1.0.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: nirlora\nVersion: 1.0.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    lines = []
    chosen = replace(options, wheel=wheel, sha256=paths.sha256_of(wheel))
    install(home, chosen, lambda fraction, line: lines.append(line), lambda: False)
    assert any("venv and pip take its place" in line for line in lines)
    assert run_program([str(home.python), "-I", "-c", "import nirlora"], dict(os.environ)).code == 0


@pytest.mark.parametrize(
    ("line", "good"), [("uv 0.8.1", True), ("uv 1.0.0 (x)", True), ("uv 0.4.30", False), ("", False)]
)
def test_an_old_uv_on_the_path_is_not_used(line, good):
    assert uv.is_new_enough(line) is good


def test_a_checkout_has_no_wheel_and_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "plugin")
    monkeypatch.delenv("NIRLORA_WHEEL", raising=False)
    with pytest.raises(SetupError, match="No backend came with this plugin"):
        bundled()
    folder = tmp_path / "plugin" / "wheel"
    folder.mkdir(parents=True)
    (folder / "nirlora-2.0.0-py3-none-any.whl").write_bytes(b"")
    pin = {"file": "nirlora-2.0.0-py3-none-any.whl", "version": "2.0.0", "sha256": "ab"}
    (folder / "wheel.json").write_text(json.dumps(pin))
    assert bundled("cpu") == InstallOptions(folder / pin["file"], "2.0.0", "ab", "cpu")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_real_installation(home, monkeypatch, tmp_path):
    """Minutes, and gigabytes on the first run: uv, environment, wheel with torch, self-test, all real."""
    import make_plugin

    name, content = make_plugin.build_wheel()
    wheel = tmp_path / name
    wheel.write_bytes(content)
    options = InstallOptions(wheel, name.split("-")[1], paths.sha256_of(wheel))
    try:
        stamp = install(home, options, lambda fraction, line: print(f"{fraction:.2f} {line}"), lambda: False)
        assert stamp.python.split(".")[:2] == [str(v) for v in sys.version_info[:2]]
        assert state(home, options) is BackendState.READY
    finally:
        remove(home)  # gigabytes, which pytest would keep
    assert state(home, options) is BackendState.NOT_INSTALLED
