"""Sphinx extension: what executed pages write below _build/made becomes part of the built book, under the same names.

A page may so link to a file that it has made, such as a report, and refer to audio instead of holding it. The folder
stands beside the cache of executed pages and goes with it: a page that is not executed again finds its files where it
left them.
"""

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

MADE = Path("_build") / "made"


def offer(app: Sphinx, config: Config) -> None:
    """Sphinx copies the folder when all pages are written; it has to be there before."""
    folder = Path(app.confdir) / MADE
    folder.mkdir(parents=True, exist_ok=True)
    config.html_extra_path = [*config.html_extra_path, str(folder)]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", offer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
