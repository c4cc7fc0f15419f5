"""Sphinx extension: mends what the theme's pages do wrong in a browser; tests/browser finds it again.

- sphinx-thebe puts the same script into every page twice, and the second is an exception ("already declared");
- without a default mode the theme complains in the console of every page;
- every page loads a script of 1.5 MB that draws icons, which the theme's style sheet draws from its font as well;
- every page loads the index of the search, which only the page of the search needs, and waits for every script;
- accessible names and roles that contradict what is seen: _static/theme_fixes.js, which jupyter-book adds by itself.
"""

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

SEARCH = ("searchtools.js", "language_data.js", "searchindex.js")
CHANGED_INLINE = ("documentation_options.js",)


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


def without_search_index(html: str) -> str:
    """A page without the index of the search and what reads it; the search box leads to the page that has them."""
    return re.sub(rf'<script src="[^"]*({"|".join(SEARCH)})[^"]*"></script>', "", html)


def deferred(html: str) -> str:
    """A page that is drawn before its scripts are loaded. They keep their order.

    Inline scripts come first, so what one of them changes is not deferred.
    """
    wanted = rf"<script (?=[^>]*src=)(?![^>]*(?:defer|async|{'|'.join(CHANGED_INLINE)}))"
    return re.sub(wanted, '<script defer="defer" ', html)


def quicken(app: Sphinx, exception: Exception | None) -> None:
    """Mend the scripts of all finished pages, since the theme's own templates put them in."""
    for page in Path(app.outdir).rglob("*.html") if exception is None and app.builder.format == "html" else ():
        html = without_icon_script(page.read_text())
        page.write_text(deferred(html if page.name == "search.html" else without_search_index(html)))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", follow_the_system)
    app.connect("html-page-context", once_each, priority=990)
    app.connect("build-finished", quicken)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
