"""QGIS's proxy, for programs that do not know QGIS."""

from __future__ import annotations

from urllib.parse import quote

from qgis.core import QgsSettings

_SCHEMES = {"HttpProxy": "http", "HttpCachingProxy": "http", "Socks5Proxy": "socks5"}


def qgis_proxy() -> str:
    """The proxy in QGIS's options as an address, "" if there is none or it is the system's."""
    settings = QgsSettings()
    scheme = _SCHEMES.get(settings.value("proxy/proxyType", "", type=str), "")
    host = settings.value("proxy/proxyHost", "", type=str).strip()
    if not settings.value("proxy/proxyEnabled", False, type=bool) or not scheme or not host:
        return ""
    port = settings.value("proxy/proxyPort", "", type=str).strip()
    user = settings.value("proxy/proxyUser", "", type=str)
    password = settings.value("proxy/proxyPassword", "", type=str)
    who = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
    return f"{scheme}://{who}{host}{f':{port}' if port else ''}"
