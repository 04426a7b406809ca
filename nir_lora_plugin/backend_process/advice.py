"""Known failures of an installation and what to do about them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Tuple

from nir_lora_plugin.protocol import ErrorInfo
from nir_lora_plugin.translation import noted, translate

_tr = partial(translate, "Setup")


@dataclass(frozen=True)
class Advice:
    """A failure known by a pattern in what programs printed. ``retry``: another source of torch may work."""

    code: str
    pattern: str
    message: str
    hint: str
    retry: bool = False


# The first that matches wins, so the special ones stand before the general ones.
KNOWN: Tuple[Advice, ...] = (
    Advice(
        "no_space",
        r"No space left on device|os error 28\b|Errno 28\b|os error 112\b|not enough space on the disk"
        r"|Disk quota exceeded|os error 122\b",
        noted("The disk is full."),
        noted("Free some space, or choose another folder for the backend, and resume."),
    ),
    Advice(
        "long_path",
        r"os error 206\b|WinError 206|filename or extension is too long|File name too long",
        noted("A path is too long for this system."),
        noted("Choose a folder with a short path for the backend (such as C:\\nirlora)."),
    ),
    Advice(
        "proxy",
        r"407 Proxy Authentication|Proxy Authentication Required|ProxyError|proxy (?:connect|tunnel)"
        r"|tunnel error|Cannot connect to proxy",
        noted("The proxy refused the connection."),
        noted("Check the proxy in QGIS (Settings > Options > Network) or in pip's configuration."),
        retry=True,
    ),
    Advice(
        "ssl",
        r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer|certificate verify failed|SSLError"
        r"|self.signed certificate|CaUsedAsEndEntity",
        noted("The server's certificate is not trusted, as behind a proxy that reads encrypted traffic."),
        noted(
            "Name your organisation's certificate file with `pip config set global.cert FILE`, and resume."
        ),
        retry=True,
    ),
    Advice(
        "unauthorised_index",
        r"\b401 Unauthorized|\b403 Forbidden|status code 40[13]\b|HTTP Error 40[13]",
        noted("The package index refused access."),
        noted("Check name and password of the index in pip's configuration."),
        retry=True,
    ),
    Advice(
        "hash",
        r"Hash mismatch|HASHES? (?:DO NOT|FROM)|DO NOT MATCH THE HASHES",
        noted("A downloaded file is not the one that was asked for."),
        noted(
            "Try again; if it stays so, the package index or a proxy changes files: tell its administrator."
        ),
    ),
    Advice(
        "no_venv",
        r"ensurepip is not available|No module named '?(?:ensurepip|venv)|python3(?:\.\d+)?-venv",
        noted("This Python cannot make environments."),
        noted("On Debian and Ubuntu: sudo apt install python3-venv. Then try again."),
    ),
    Advice(
        "managed_python",
        r"externally-managed-environment|externally managed",
        noted("The system's Python does not allow installing into it."),
        noted("Nothing was changed. On Debian and Ubuntu: sudo apt install python3-venv. Then try again."),
    ),
    Advice(
        "no_python",
        r"No interpreter found|No Python at|Could not find (?:a )?(?:suitable )?Python"
        r"|No download found for request|python(?:\.exe)?: No such file",
        noted("There is no Python 3.10 or newer that can be used, and none could be downloaded."),
        noted("Install Python 3.12 from your system or from its makers, and try again."),
        retry=True,
    ),
    Advice(
        "blocked",
        r"Access is denied|os error 5\b|WinError 5\b|being used by another process|os error 32\b"
        r"|WinError 32\b|because the file contains a virus|WinError 225",
        noted("Another program holds or blocks files of the backend."),
        noted(
            "Close other QGIS windows; where a virus scanner is the reason, make an exception for the folder."
        ),
    ),
    Advice(
        "permission",
        r"Permission denied|os error 13\b|Errno 13\b|Read-only file system|os error 30\b|Errno 30\b"
        r"|Operation not permitted",
        noted("The backend's folder cannot be written to."),
        noted("Choose another folder for the backend, or mend the rights of this one."),
    ),
    Advice(
        "network",
        r"dns error|Name or service not known|getaddrinfo failed|Temporary failure in name resolution"
        r"|nodename nor servname|error sending request|Connection refused|timed out|ConnectionError"
        r"|NewConnectionError|Network is unreachable|Failed to fetch|connection reset|Connection broken",
        noted("The package index cannot be reached."),
        noted(
            "Check the network; behind a proxy or with a mirror, set it in pip's configuration (pip config "
            "set global.proxy / global.index-url). Then resume: what is downloaded stays."
        ),
        retry=True,
    ),
    Advice(
        "no_match",
        r"No solution found|no wheels with a matching|No matching distribution|Could not find a version"
        r"|not a supported wheel|is not compatible with|requires a different Python|does not satisfy Python",
        noted("There is no package for this Python or system."),
        noted(
            "The backend needs 64-bit Windows, Linux or macOS and a Python between 3.10 and 3.14; install "
            "Python 3.12 and try again, or choose a Python that has nirlora."
        ),
        retry=True,
    ),
    Advice(
        "torchvision",
        r"torchvision::nms does not exist|libc10_cuda",
        noted("The installed torch and torchvision come from different builds."),
        noted("Remove the backend and install it again with the other build (CPU or GPU)."),
    ),
)
_KILLED = Advice(
    "killed",
    "",
    noted("The installer was ended from outside: by the system for lack of memory, or by a virus scanner."),
    noted("Close other programs and resume."),
)
_UNKNOWN = Advice(
    "install_failed",
    "",
    noted("The installation failed."),
    noted("Resume it; if that does not help, copy the diagnostics and ask with them."),
)


def advise(output: str, code: int) -> Advice:
    """The advice for a program that ended with exit ``code`` after printing ``output``."""
    for known in KNOWN:
        if re.search(known.pattern, output, re.IGNORECASE):
            return known
    return _KILLED if code in (-9, -15, 137, 143) else _UNKNOWN


def explain(output: str, code: int) -> ErrorInfo:
    """The same as an error: what happened, in the program's own last words, and what to do."""
    advice = advise(output, code)
    message = f"{_tr(advice.message)} {_essence(output)}".strip()
    return ErrorInfo(advice.code, message, _tr(advice.hint))


def _essence(output: str) -> str:
    """The line that says most: the last that speaks of an error, else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|failed|cannot|denied|cause", line, re.IGNORECASE)]
    line = (telling or lines or [""])[-1]
    return f"({line[:300]})" if line else ""
