"""Each text is what a real program printed when it failed that way."""

from __future__ import annotations

import pytest

from nir_lora_plugin.backend_process.advice import KNOWN, advise, explain
from nir_lora_plugin.backend_process.gpu import room_gb, torch_sources
from nir_lora_plugin.backend_process.install_progress import InstallProgress

SAID = {
    "no_space": "error: Failed to extract archive\n  Caused by: No space left on device (os error 28)",
    "network": "error: Request failed after 3 retries\n  cause: dns error\n  cause: failed to lookup address",
    "ssl": "  Caused by: invalid peer certificate: UnknownIssuer",
    "proxy": "ERROR: ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed'))",
    "unauthorised_index": "  cause: HTTP status client error (401 Unauthorized) for url (https://x/simple/)",
    "hash": "THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
    "no_venv": "The virtual environment was not created successfully because ensurepip is not available.",
    "managed_python": "error: externally-managed-environment",
    "no_python": "error: No interpreter found for Python >=3.10 in managed installations or search path",
    "no_match": "  × No solution found when resolving dependencies:\n  ╰─▶ Because torch has no wheels",
    "blocked": "PermissionError: [WinError 5] Access is denied: 'C:\\\\env\\\\Lib\\\\torch.dll'",
    "permission": "error: Failed to create `/opt/x`\n  Caused by: Permission denied (os error 13)",
    "long_path": "OSError: [WinError 206] The filename or extension is too long",
    "torchvision": "RuntimeError: operator torchvision::nms does not exist",
}


def test_every_known_failure_has_an_example():
    assert set(SAID) == {known.code for known in KNOWN}


@pytest.mark.parametrize("code", SAID)
def test_known_failures(code):
    info = explain(SAID[code], 2)
    assert info.code == code
    assert info.hint


def test_a_killed_installer_and_an_unknown_failure():
    assert advise("Downloading torch", -9).code == "killed"
    unknown = explain("line one\nerror: the moon is full\nbye", 1)
    assert unknown.code == "install_failed"
    assert "the moon is full" in unknown.message


@pytest.mark.parametrize(
    ("build", "has_gpu", "own_index", "system", "expected"),
    [
        ("auto", False, False, "Linux", ("cpu", "")),
        ("auto", True, False, "Windows", ("auto", "")),
        ("auto", True, True, "Linux", ("", "auto")),
        ("cpu", True, True, "Linux", ("cpu", "")),
        ("cuda", False, False, "Linux", ("auto", "")),
        ("auto", False, False, "Darwin", ("",)),
    ],
)
def test_where_torch_comes_from(build, has_gpu, own_index, system, expected):
    assert torch_sources(build, has_gpu, own_index, system) == expected


def test_a_gpu_build_needs_more_room():
    assert room_gb("auto", True) == room_gb("cuda", False) > room_gb("cpu", True) == room_gb("auto", False)


def test_progress_follows_the_megabytes_and_never_falls():
    told = []
    progress = InstallProgress(told.append)
    for line in (
        "Resolved 95 packages in 1.43s",
        "Downloading torch (600.0MiB)",
        "Downloading scipy (100.0MiB)",
        " Downloaded scipy",
        "Downloading late (900.0MiB)",
        " Downloaded torch",
        "Prepared 3 packages in 2m",
        "Installed 3 packages in 1s",
    ):
        progress.feed(line)
    assert told == sorted(told)
    assert told[3] == pytest.approx(0.02 + 0.83 / 7)
    assert told[-1] == 1.0
