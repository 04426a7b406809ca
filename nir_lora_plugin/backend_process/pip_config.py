"""pip's configuration, read without pip and told to uv, which ignores it by design."""

from __future__ import annotations

import configparser
import os
import re
import sys
from pathlib import Path
from typing import Dict, List, Mapping

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
# pip's option -> uv's variables, and what joins several values
_TRANSLATED = {
    "index-url": (("UV_DEFAULT_INDEX",), ""),
    "extra-index-url": (("UV_INDEX",), " "),
    "find-links": (("UV_FIND_LINKS",), ","),
    "cert": (("SSL_CERT_FILE",), ""),
    "proxy": (("HTTPS_PROXY", "HTTP_PROXY"), ""),
    "trusted-host": (("UV_INSECURE_HOST",), " "),
}


class PipConfig:
    """What pip would use.

    Args:
        environment: Where PIP_* variables stand; they win over the files.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._files = configparser.RawConfigParser(strict=False)
        for path in config_files(environment):
            try:
                self._files.read(path, encoding="utf-8")
            except (configparser.Error, UnicodeDecodeError):
                continue  # pip says what is wrong with it; the other files still count

    def values(self, option: str) -> List[str]:
        """Values of an option such as ``index-url``, [] if it is not set."""
        name = "PIP_" + option.upper().replace("-", "_")
        if name in self._environment:
            return self._environment[name].split()
        for section in ("install", "global"):
            if self._files.has_option(section, option):
                return self._files.get(section, option).split()
        return []

    @property
    def has_own_index(self) -> bool:
        """Whether packages are to come from another place than pip's default."""
        return bool(self.values("index-url") or self.values("no-index"))

    def uv_variables(self) -> Dict[str, str]:
        """The same for uv, as environment variables; what the environment sets already is left out."""
        found: Dict[str, str] = {}
        for option, (names, joint) in _TRANSLATED.items():
            values = self.values(option)
            if values:
                text = joint.join(values) if joint else values[0]
                found.update(dict.fromkeys(names, text))
        if "UV_INDEX" in found:  # pip takes the best version of all indexes
            found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
        if self.values("no-index"):
            found["UV_NO_INDEX"] = "1"
        present = {name.upper() for name in self._environment}
        return {name: value for name, value in found.items() if name not in present}

    def describe(self) -> Dict[str, str]:
        """The options that matter, for diagnostics: passwords are taken out."""
        options = (*_TRANSLATED, "no-index")
        return {
            name: without_credentials(" ".join(self.values(name))) for name in options if self.values(name)
        }


def config_files(environment: Mapping[str, str]) -> List[Path]:
    """pip's configuration files, the later ones winning; they need not exist."""
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:  # how pip is told to read none
        return []
    user = Path.home()
    if sys.platform == "win32":
        everyone = [Path(environment.get("PROGRAMDATA", "C:/ProgramData")) / "pip" / "pip.ini"]
        own = [user / "pip" / "pip.ini", Path(environment.get("APPDATA", user)) / "pip" / "pip.ini"]
    elif sys.platform == "darwin":
        everyone = [Path("/Library/Application Support/pip/pip.conf")]
        support = user / "Library" / "Application Support" / "pip"
        own = [user / ".pip" / "pip.conf", support / "pip.conf", user / ".config" / "pip" / "pip.conf"]
    else:
        everyone = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf")]
        config = Path(environment.get("XDG_CONFIG_HOME") or user / ".config")
        own = [user / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    return [*everyone, Path(named)] if named else [*everyone, *own]


def without_credentials(text: str) -> str:
    """``text`` with user names and passwords in addresses replaced by ``***``."""
    return _CREDENTIALS.sub("***@", text)
