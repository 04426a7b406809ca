"""The tests in these folders run within QGIS (see desktop.py), never in this Python."""

import pytest

from installations import installations

collect_ignore = ["inside", "from_zip"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """A test marked ``once`` is slow in every QGIS but the first."""
    others = {f"[{qgis.version}" for qgis in installations()[1:]}
    for item in items:
        if item.get_closest_marker("once") and any(version in item.name for version in others):
            item.add_marker(pytest.mark.slow)
