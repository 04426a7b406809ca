from __future__ import annotations

import pytest
from training_field import make_field

from server.harness import Backend, tiny_training


@pytest.fixture(scope="session")
def backend(tmp_path_factory):
    """One warm backend for all tests that leave it as they found it."""
    backend = Backend(tmp_path_factory.mktemp("shared") / "state").start()
    yield backend
    backend.stop()


@pytest.fixture(scope="session")
def cold(tmp_path_factory):
    """A backend without a worker: for everything that must be answered without one."""
    backend = Backend(tmp_path_factory.mktemp("cold") / "state", ("--no-warm",)).start()
    yield backend
    assert not backend.children(), "something started a worker"
    backend.stop()


@pytest.fixture
def launch(tmp_path):
    """Start backends of one's own, to do terrible things to."""
    started = []

    def start(*arguments, name="state"):
        started.append(Backend(tmp_path / name, arguments).start())
        return started[-1]

    yield start
    for backend in started:
        backend.stop()


@pytest.fixture
def field(tmp_path):
    folder = tmp_path / "field"
    folder.mkdir()
    return make_field(folder)


@pytest.fixture(scope="session")
def trained(backend, tmp_path_factory):
    """A field of the size of many tiles, with its model."""
    field = make_field(tmp_path_factory.mktemp("trained"), rows=96, cols=144)
    record = backend.run("train", tiny_training(field.raster))
    assert record["state"] == "done", record
    return field
