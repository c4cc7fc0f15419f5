"""The order of the tests when they are shared among processes (`pytest -n 2 --dist loadfile`)."""

import pytest

pytest_plugins = ("oracles",)  # tests/fixtures/oracles.py; options of the command line must be known here
LONGEST = ("notebooks/", "tests/engine/test_cluster.py", "tests/engine/test_runner.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
