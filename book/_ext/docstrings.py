"""Sphinx extension: docstrings are plain text with names in backticks; asterisks and final underscores mean nothing.

Defaults that are paths of this repository are shown relative to it, not as on the machine that builds the book.
"""

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
_QUOTED = re.compile(r"(`+[^`]*`+)")
_MARKUP = re.compile(r"\*|_(?!\w)")


def escape(line: str) -> str:
    """The line with a backslash before every asterisk and final underscore that is not between backticks."""
    parts = _QUOTED.split(line)
    return "".join(part if part.startswith("`") else _MARKUP.sub(r"\\\g<0>", part) for part in parts)


def escape_docstring(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = map(escape, lines)


def relative_paths(signature: str) -> str:
    """A signature with Path('data/...') for a default below the repository."""
    return signature.replace(f"{type(ROOT).__name__}('{ROOT}/", "Path('")


def mend_signature(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    return signature and relative_paths(signature), returned


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", escape_docstring, priority=100)  # before napoleon
    app.connect("autodoc-process-signature", mend_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
