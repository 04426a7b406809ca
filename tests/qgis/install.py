"""Gets QGIS for the tests where that is possible: apt as root, and a newer version beside it in the cache.

Never fails a build: it says what is missing, and the tests that need it are skipped with the same words.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from installations import unpack_newer, what_is_missing

_PACKAGES = ("qgis", "python3-qgis", "qgis-providers", "gdal-bin", "xvfb", "python3-venv")


def install_with_apt() -> str:
    """Install Debian's QGIS and what the tests need; return why that was not possible, or ""."""
    if not shutil.which("apt-get") or not hasattr(os, "geteuid"):
        return "no apt here"
    if os.geteuid() != 0:
        return "not root; run: sudo apt-get install --no-install-recommends " + " ".join(_PACKAGES)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["install", "-y", "-q", "--no-install-recommends", *_PACKAGES]
    for arguments in (["update", "-q"], install):
        done = subprocess.run(["apt-get", *arguments], env=environment, capture_output=True, text=True)
        if done.returncode:
            return f"apt-get {arguments[0]} failed: {done.stderr.strip()[-400:]}"
    return ""


def main() -> int:
    """Install what is missing and say what stays missing."""
    if what_is_missing() and (reason := install_with_apt()):
        print(f"QGIS was not installed: {reason}")
    if missing := what_is_missing():
        print(f"The tests inside QGIS will be skipped: {missing}.")
    elif reason := unpack_newer():
        print(f"Only the installed QGIS is tested: {reason}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
