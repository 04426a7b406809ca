"""The server's life: socket, handshake, serving, end."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nirlora.errors import OptionError
from nirlora.jobs.queue import JobQueue
from nirlora.jobs.store import JobStore
from nirlora.jobs.supervisor import Supervisor
from nirlora.server.logs import start_log
from nirlora.server.state_folder import state_folder

_log = logging.getLogger(__name__)
_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Serving:
    """How to serve.

    Attributes:
        token: That every request must show.
        port: 0: any free one.
        warm: Import torch at once, not with the first job.
        parent: Descriptor of a pipe from the process that this one belongs to; both end together.
    """

    token: str
    port: int = 0
    warm: bool = True
    parent: int | None = None


def serve(serving: Serving, listening: Callable[[int], None]) -> None:
    """Serve until told to stop: by a signal, by the shutdown route or by the parent's end.

    Args:
        serving: How.
        listening: Called with the port as soon as connections are taken.

    Raises:
        OptionError: The port is taken.
        OutputError: The state folder cannot be used.
    """
    folder = state_folder()
    log_path = start_log(folder)
    with _socket(serving.port) as listener:
        store = JobStore(folder)
        supervisor = Supervisor(JobQueue(store), folder, store.temporary, log_path, warm=serving.warm)
        supervisor.start()
        try:
            _run(serving, supervisor, listener, log_path, listening)
        finally:
            supervisor.stop()
            store.close()


def _run(
    serving: Serving,
    supervisor: Supervisor,
    listener: socket.socket,
    log_path: Path,
    listening: Callable[[int], None],
) -> None:
    """Take requests until told to stop."""
    if serving.parent is not None:
        watch = (serving.parent, supervisor.kill_worker)
        threading.Thread(target=_end_with, args=watch, name="parent", daemon=True).start()
    import uvicorn  # here, while the worker imports torch: both take a while

    from nirlora.server.app import Service, create_app

    port = listener.getsockname()[1]
    app = create_app(Service(supervisor, serving.token, port, log_path, lambda: stop()))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,  # streams of events never end by themselves
            timeout_keep_alive=30,
            ws="none",
            lifespan="on",
        )
    )

    def stop() -> None:
        server.should_exit = True

    _log.info("listening on port %d, python %s", port, sys.executable)
    listening(port)
    server.run([listener])


@contextlib.contextmanager
def _socket(port: int) -> Iterator[socket.socket]:
    # Without its protocol named, asyncio leaves Nagle's algorithm on, which costs 40 ms an answer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        if sys.platform != "win32":  # there it would let two programs share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
        except OSError as error:
            raise OptionError(
                f"Port {port} cannot be used: {error}.", hint="Choose another port, or 0."
            ) from error
        listener.listen(128)
        yield listener


def _end_with(parent: int, last: Callable[[], None]) -> None:
    """Wait for the end of ``parent``, do the ``last`` thing, and end this process whatever it does.

    Not through ``sys.stdin``: a thread that reads it makes Python abort when it ends in an orderly way.
    """
    while os.read(parent, 4096):
        pass
    _log.info("the parent is gone")
    last()
    os._exit(0)
