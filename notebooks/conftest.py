"""The notebooks under nbval show the recorded results, as the book does; `make study` says whether they still come out.

What is not recorded is run. Audio for the listening room is rendered where it is not there.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell

SOURCE = Path(__file__).resolve().parents[1] / "src"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """The first cell of a notebook starts its kernel, which inherits the environment of this moment."""
    if not isinstance(item, IPyNbCell):
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")]))
        return (yield)
