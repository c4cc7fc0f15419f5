"""Sphinx extension: the entries of book/numbers.json in words, as MyST substitutions, e.g. ``{{ scale.none_T1.uar }}``.

Each is a link to the section whose cell computed it; its title is the entry's name, with the interval where the text
has none. An entry that does not exist is a warning of MyST's, and so an error in `make book`.
"""

import json
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config

NUMBERS = "numbers.json"
SECTIONS = {
    "scale": "table-of-all-rows",
    "paper": "reported-table",
    "gates": "controls-good-enough",
    "learning_curve": "more-voices",
    "course": "what-training-does",
    "follows": "output-follows-input",
    "attribution": "which-decision",
    "unfamiliar": "gone-or-unfamiliar",
    "probes": "which-layer",
    "seeds": "what-chance-does",
    "model_seeds": "what-chance-does",
    "level": "the-level",
    "effects": "the-kurtosis-or-the-centroid",
    "tests": "every-test",
    "reproduction": "other-processors",
}
"""Name of a group of entries -> label of the section that has their cells."""


class number(nodes.inline):  # noqa: N801 - docutils' names of nodes are small
    """A number in prose, with a title."""


def linked(texts: dict[str, Any], label: str, name: str) -> dict[str, Any]:
    """The texts of a group as links to a section, with titles, in MyST."""
    shown = {}
    for key, text in texts.items():
        if isinstance(text, dict):
            shown[key] = linked(text, label, f"{name}.{key}")
        else:
            title = f"{name}.{key}: {texts.get(f'{key}_interval', text)}"
            shown[key] = f"{{number}}`{text}|{label}|{title}`"
    return shown


def number_role(_: str, raw: str, text: str, line: int, inliner: Any, *__: Any, **___: Any) -> tuple[list, list]:
    """`` {number}`TEXT|LABEL|TITLE` ``."""
    shown, label, title = text.split("|")
    target = {"refdomain": "std", "reftype": "ref", "reftarget": label, "refexplicit": True, "refwarn": True}
    link = addnodes.pending_xref(
        raw, nodes.inline(shown, shown), refdoc=inliner.document.settings.env.docname, **target
    )
    return [number("", "", link, title=title)], []


def visit_number(translator: Any, node: number) -> None:
    translator.body.append(translator.starttag(node, "span", "", CLASS="number", TITLE=node["title"]))


def depart_number(translator: Any, _: number) -> None:
    translator.body.append("</span>")


def add_numbers(app: Sphinx, config: Config) -> None:
    """Give MyST the numbers; pages are read again when the file changes, because the configuration then does."""
    sys.path.insert(0, str(app.confdir))
    from export_numbers import texts

    entries = texts(json.loads((Path(app.confdir) / NUMBERS).read_text()))
    entries |= {name: linked(entries[name], label, name) for name, label in SECTIONS.items() if name in entries}
    config.myst_substitutions = {**config.myst_substitutions, **entries}


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(number, html=(visit_number, depart_number))
    app.add_role("number", number_role)
    app.connect("config-inited", add_numbers, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
