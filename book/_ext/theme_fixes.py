"""Sphinx extension: mends what the theme's pages do wrong in a browser; tests/browser finds it again.

- sphinx-thebe puts the same script into every page twice, and the second is an exception ("already declared");
- without a default mode the theme complains in the console of every page;
- every page loads a script of 1.5 MB that draws icons, which the theme's style sheet draws from its font as well;
- accessible names and roles that contradict what is seen: _static/theme_fixes.js, which jupyter-book adds by itself.
"""

import re
from pathlib import Path
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


def without_icon_script(html: str) -> str:
    """A page without the script that draws icons."""
    return re.sub(r'<script[^>]*src="[^"]*fontawesome\.js[^"]*"[^>]*></script>', "", html)


def drop_icon_script(app: Sphinx, exception: Exception | None) -> None:
    """Take the script out of all pages, since the theme's own template puts it in."""
    for page in Path(app.outdir).rglob("*.html") if exception is None and app.builder.format == "html" else ():
        page.write_text(without_icon_script(page.read_text()))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", follow_the_system)
    app.connect("html-page-context", once_each, priority=990)
    app.connect("build-finished", drop_icon_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
