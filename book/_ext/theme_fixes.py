"""Sphinx extension: mends what the theme's pages do wrong in a browser; tests/browser finds it again.

- sphinx-thebe puts the same script into every page twice, and the second is an exception ("already declared");
- without a default mode the theme complains in the console of every page;
- accessible names and roles that contradict what is seen: _static/theme_fixes.js, which jupyter-book adds by itself.
"""

from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config


def follow_the_system(app: Sphinx, config: Config) -> None:
    """Light or dark as the reader's system has it, until the reader chooses."""
    config.html_context.setdefault("default_mode", "auto")


def once_each(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Leave out inline scripts that stand in the page already."""
    seen: set[str] = set()
    kept = []
    for script in context.get("script_files", []):
        body = getattr(script, "attributes", {}).get("body", "")
        if not body or body not in seen:
            kept.append(script)
        seen.add(body)
    context["script_files"] = kept


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", follow_the_system)
    app.connect("html-page-context", once_each, priority=990)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
