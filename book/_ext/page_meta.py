"""Sphinx extension: what a page says of itself, and what its links say before they are followed.

- a description for search engines and for whoever shares the page: its first paragraph;
- the definition of a term as the title of every link to the glossary;
- pictures below the first are loaded when they are scrolled to;
- a picture that a cell made says below itself what it shows, in the words that stand for it where it is not seen.
"""

import re
from html import escape
from itertools import count
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

LONGEST = 200  # letters of a description
GLOSSARY = "glossary"
OF_ALT = "of-alt"  # class of a caption that is the alternative text


def description(doctree: nodes.document) -> str:
    """The first paragraph of a page as one line, shortened at a word."""
    paragraph = next(doctree.findall(lambda node: isinstance(node, nodes.paragraph) and node.astext().strip()), None)
    text = "" if paragraph is None else " ".join(paragraph.astext().split())
    return text if len(text) <= LONGEST else text[: text.rindex(" ", 0, LONGEST)] + " …"


def definitions(glossary: nodes.document) -> dict[str, str]:
    """Id of a term -> its definition as one line."""
    return {
        identifier: " ".join(item[-1].astext().split())
        for item in glossary.findall(nodes.definition_list_item)
        for term in item.findall(nodes.term)
        for identifier in term["ids"]
    }


def lazy(body: str) -> str:
    """A page's HTML with ``loading="lazy"`` in every image but the first, where it does not say otherwise."""
    seen = count()
    return re.sub(r"<img (?![^>]*loading=)", lambda tag: tag[0] + 'loading="lazy" ' if next(seen) else tag[0], body)


def caption_pictures(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Make a figure of every picture of a cell that has none, its alternative text the caption."""
    for number, picture in enumerate(list(doctree.findall(nodes.image))):
        if picture.get("alt") and _of_a_cell(picture) and not isinstance(picture.parent, nodes.figure):
            caption = nodes.caption("", "", nodes.Text(picture["alt"]), classes=[OF_ALT])
            picture.replace_self(nodes.figure("", picture.deepcopy(), caption, ids=[f"picture-{number}"]))


def _of_a_cell(node: nodes.Node) -> bool:
    """Whether a node is output of a cell."""
    while (node := node.parent) is not None:
        if "cell_output" in node.get("classes", []):
            return True
    return False


def unspoken(body: str) -> str:
    """A page's HTML whose captions are not read out where the alternative text of the picture says the same."""
    return re.sub(rf'<span (?=class="{OF_ALT})', '<span aria-hidden="true" ', body)


def title_terms(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Give every link to a term its definition as a title."""
    if GLOSSARY not in app.env.all_docs:
        return
    texts = definitions(app.env.get_doctree(GLOSSARY))
    for link in doctree.findall(nodes.reference):
        if (identifier := link.get("refuri", "").partition("#")[2] or link.get("refid", "")) in texts:
            link["reftitle"] = texts[identifier]


def add_meta(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Put the description into the page's head, and make its pictures lazy."""
    if doctree is None:
        return
    title = re.sub(r"<[^>]+>", "", context.get("title", ""))
    values = {"og:type": "article", "og:site_name": app.config.html_title or app.config.project, "og:title": title}
    tags = [f'<meta property="{name}" content="{escape(value)}" />' for name, value in values.items()]
    if text := escape(description(doctree)):
        tags += [
            f'<meta name="description" content="{text}" />',
            f'<meta property="og:description" content="{text}" />',
        ]
    context["metatags"] = "\n".join([context.get("metatags", ""), *tags])
    context["body"] = unspoken(lazy(context["body"]))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-resolved", title_terms)
    app.connect("doctree-resolved", caption_pictures)
    app.connect("html-page-context", add_meta)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
