"""Who may ask: programs of this machine that know the token, and no web page."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nirlora.server.errors import HttpError

MAX_BODY_BYTES = 2**20


class Guard:
    """ASGI middleware in front of everything.

    Args:
        app: What is guarded.
        token: The bearer token.
        port: Where the server listens.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_uncached(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Cache-Control"] = "no-store"
            await send(message)

        problem = self._problem(Headers(scope=scope))
        app = self._app if problem is None else problem.response()
        await app(scope, receive, send_uncached)

    def _problem(self, headers: Headers) -> HttpError | None:
        host = headers.get("host", "")
        if host not in self._hosts:  # a web page whose name was pointed at this machine
            return HttpError(403, f"The host {host!r} is refused.", "Ask 127.0.0.1.")
        if "origin" in headers:
            return HttpError(403, "Requests of web pages are refused.", "Send no Origin header.")
        if not hmac.compare_digest(headers.get("authorization", "").encode(), self._expected):
            return HttpError(401, "The token is missing or wrong.", "Send Authorization: Bearer TOKEN.")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return too_large()
        return None


def too_large() -> HttpError:
    """The error for a body over the limit."""
    return HttpError(413, f"The body is larger than {MAX_BODY_BYTES} bytes.", "Rasters go by path.")
