"""Reading a request's body: JSON of a known shape, of bounded size."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from starlette.requests import Request

from nirlora.protocol import from_dict
from nirlora.server.auth import MAX_BODY_BYTES, too_large
from nirlora.server.errors import HttpError

T = TypeVar("T")


async def read_json(request: Request) -> Any:
    """The value in the body; no body is an empty object.

    Raises:
        HttpError: It is too large (whatever its header says), or no JSON.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise too_large()
    try:
        return json.loads(body or b"{}", parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise HttpError(400, f"The body is no JSON: {error}.") from error


async def read_as(request: Request, cls: type[T], where: str = "") -> T:
    """The body as a dataclass.

    Raises:
        HttpError: See :func:`read_json`.
        ProtocolError: A field is unknown, missing or of the wrong type.
    """
    return from_dict(cls, await read_json(request), where)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number in JSON")
