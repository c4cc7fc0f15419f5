"""How the tests are shared among processes (`pytest -n 2 --dist loadgroup`)."""

from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parent / "notebooks"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests stay together, for their fixtures; so do all notebooks, which share one run of the study.

    The notebooks take longest and come first.
    """
    items.sort(key=lambda item: NOTEBOOKS not in item.path.parents)
    for item in items:
        group = "notebooks" if NOTEBOOKS in item.path.parents else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))
