"""Every test of ``inside/``, in every QGIS of this machine, run there by one start of the desktop each."""

from __future__ import annotations

import ast
import os
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from desktop import INSIDE, Outcome, run_inside
from installations import installations, what_is_missing

TIMEOUT_S = 1500
VERSIONS = {qgis.version: qgis for qgis in installations()}


def inner_tests() -> list[str]:
    """``file.py::function`` of every inner test."""
    return [
        f"{path.name}::{node.name}"
        for path in sorted(INSIDE.glob("test_*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


@pytest.fixture(scope="session")
def outcome(request):
    """Version -> what the selected inner tests gave there. All versions run at once, on a display each."""
    done: dict[str, Future[Outcome]] = {}
    pool = ThreadPoolExecutor(max(1, min(len(VERSIONS), os.cpu_count() or 1)))

    def of(version: str) -> Outcome:
        if not done:
            params = [getattr(item, "callspec", None) for item in request.session.items]
            chosen = [p.params for p in params if p and "inner" in p.params]
            for name, qgis in VERSIONS.items():
                names = list(dict.fromkeys(p["inner"] for p in chosen if p["version"] == name))
                if names:
                    done[name] = pool.submit(run_inside, qgis, names, timeout_s=TIMEOUT_S)
        return done[version].result()

    yield of
    pool.shutdown(cancel_futures=True)


@pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing())
@pytest.mark.timeout(TIMEOUT_S + 60)
@pytest.mark.parametrize("version", [*VERSIONS] or ["none"])
@pytest.mark.parametrize("inner", inner_tests())
def test_inside(version, inner, outcome):
    found = outcome(version)
    file, function = inner.split("::")
    cases = [c for c in found.cases if c.file == file and c.name.split("[")[0] == function]
    problems = [c.problem for c in cases if c.problem]
    assert not problems, "\n\n".join(problems)
    assert cases, f"QGIS ended ({found.code}) before this test did:\n{found.log[-6000:]}"
    if all(c.skipped for c in cases):
        pytest.skip(cases[0].skipped)


@pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing())
@pytest.mark.timeout(TIMEOUT_S + 60)
@pytest.mark.parametrize("version", [*VERSIONS] or ["none"])
@pytest.mark.parametrize("inner", ["test_harness.py"])
def test_nothing_went_wrong_unseen(version, inner, outcome):
    """No Python error that QGIS would have shown, no dialog left open, an orderly end."""
    found = outcome(version)
    assert found.code == 0, found.log[-6000:]
