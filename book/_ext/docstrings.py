"""Sphinx extension: docstrings are plain text with names in backticks; asterisks and final underscores mean nothing."""

import re
from typing import Any

from sphinx.application import Sphinx

_QUOTED = re.compile(r"(`+[^`]*`+)")
_MARKUP = re.compile(r"\*|_(?!\w)")


def escape(line: str) -> str:
    """The line with a backslash before every asterisk and final underscore that is not between backticks."""
    parts = _QUOTED.split(line)
    return "".join(part if part.startswith("`") else _MARKUP.sub(r"\\\g<0>", part) for part in parts)


def escape_docstring(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = map(escape, lines)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", escape_docstring, priority=100)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
