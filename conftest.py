"""How the tests are shared among processes (`pytest -n 2`)."""

import pytest
from xdist.scheduler import LoadScopeScheduling

NOTEBOOKS = "notebooks/"


class FilesAndNotebooks(LoadScopeScheduling):
    """A file's tests stay together, for their fixtures; so do all notebooks, which share one run of the study."""

    def _split_scope(self, nodeid: str) -> str:
        return NOTEBOOKS if nodeid.startswith(NOTEBOOKS) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> FilesAndNotebooks:
    return FilesAndNotebooks(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The notebooks take longest and come first."""
    items.sort(key=lambda item: not item.nodeid.startswith(NOTEBOOKS))
