"""Sphinx extension: the entries of book/numbers.json in words, as MyST substitutions, e.g. ``{{ scale.none_T1.uar }}``.

An entry that does not exist is a warning of MyST's, and so an error in `make book`.
"""

import json
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

NUMBERS = "numbers.json"


def add_numbers(app: Sphinx, config: Config) -> None:
    """Give MyST the numbers; pages are read again when the file changes, because the configuration then does."""
    sys.path.insert(0, str(app.confdir))
    from export_numbers import texts

    entries = json.loads((Path(app.confdir) / NUMBERS).read_text())
    config.myst_substitutions = {**config.myst_substitutions, **texts(entries)}


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", add_numbers, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
