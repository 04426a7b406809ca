from __future__ import annotations

import os

import pytest

from nir_lora_plugin.backend_process import pip_config
from nir_lora_plugin.backend_process.pip_config import PipConfig, config_files, without_credentials


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A configuration of one file, without this machine's own."""
    file = tmp_path / "pip.conf"
    monkeypatch.setattr(pip_config, "config_files", lambda environment: [file])

    def write(text, **variables):
        file.write_text(text, encoding="utf-8")
        return PipConfig(variables)

    return write


def test_everything_that_uv_can_be_told(config):
    pip = config(
        "[global]\nindex-url = https://mirror.example/simple\nextra-index-url =\n  https://a.example\n"
        "  https://b.example\nproxy = http://proxy.example:8080\ntrusted-host = mirror.example a.example\n"
        "[install]\nfind-links = /wheels /more\n"
    )
    assert pip.uv_variables() == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "https://a.example https://b.example",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels,/more",
        "HTTPS_PROXY": "http://proxy.example:8080",
        "HTTP_PROXY": "http://proxy.example:8080",
        "UV_INSECURE_HOST": "mirror.example a.example",
    }
    assert pip.has_own_index


def test_variables_win_and_what_uv_has_is_left_alone(config):
    pip = config(
        "[global]\nindex-url = https://file.example\ncert = /ca.pem\n",
        PIP_INDEX_URL="https://variable.example",
        SSL_CERT_FILE="/own.pem",
    )
    assert pip.uv_variables() == {"UV_DEFAULT_INDEX": "https://variable.example"}


def test_no_index(config):
    assert config("[global]\nno-index = true\nfind-links = /wheels").uv_variables()["UV_NO_INDEX"] == "1"


def test_a_damaged_file_does_not_stop_anything(config):
    assert config("index-url = without a section\n").uv_variables() == {}


def test_where_pip_looks(tmp_path):
    named = tmp_path / "own.conf"
    assert config_files({"PIP_CONFIG_FILE": str(named)})[-1] == named
    assert len(config_files({})) > 2


def test_pip_told_to_read_no_file():
    assert config_files({"PIP_CONFIG_FILE": os.devnull}) == []


def test_diagnostics_hold_no_password(config):
    pip = config("[global]\nindex-url = https://me:secret@mirror.example/simple\n")
    assert pip.describe() == {"index-url": "https://***@mirror.example/simple"}
    assert without_credentials("a https://tok@x/ b http://u:p@y") == "a https://***@x/ b http://***@y"
