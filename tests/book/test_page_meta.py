"""What pages say of themselves: descriptions, titles of terms, lazy pictures."""

import importlib.util
from pathlib import Path

import pytest
from docutils import nodes
from docutils.core import publish_doctree

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, EXTENSIONS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def meta():
    return load("page_meta")


def test_description_is_the_first_paragraph_in_one_line_cut_at_a_word(meta):
    page = publish_doctree("Title\n=====\n\nOne *short*\nparagraph.\n\nAnother.")
    assert meta.description(page) == "One short paragraph."
    text = meta.description(publish_doctree("word " * 100))
    assert len(text) <= meta.LONGEST + 2 and text.endswith("word …")
    assert meta.description(publish_doctree("")) == ""


def test_terms_have_their_definitions(meta):
    glossary = publish_doctree("EER\n   Equal error\n   rate.\n\nUAR\n   Mean recall.\n")
    for term in glossary.findall(nodes.term):
        term["ids"] = [f"term-{term.astext()}"]
    assert meta.definitions(glossary) == {"term-EER": "Equal error rate.", "term-UAR": "Mean recall."}


def test_pictures_below_the_first_are_lazy(meta):
    body = '<img src="a"><p><img alt="b" src="b"></p><img loading="eager" src="c">'
    assert meta.lazy(body) == '<img src="a"><p><img loading="lazy" alt="b" src="b"></p><img loading="eager" src="c">'


def test_a_picture_of_a_cell_gets_its_alternative_text_as_a_caption_and_no_other(meta):
    pictures = [nodes.image(uri=name, alt=alt) for name, alt in (("a.svg", "UAR of <two> rows"), ("b.svg", ""))]
    own = nodes.figure("", nodes.image(uri="c.svg", alt="C"), nodes.caption("", "Its own"))
    page = publish_doctree("")
    page += nodes.container("", *pictures, own, classes=["cell_output"])
    page += nodes.image(uri="d.svg", alt="D")
    meta.caption_pictures(None, page, "page")
    captions = [(figure[0]["uri"], figure[1].astext()) for figure in page.findall(nodes.figure)]
    assert captions == [("a.svg", "UAR of <two> rows"), ("c.svg", "Its own")]
    assert len(list(page.findall(nodes.image))) == 4


def test_such_a_caption_is_not_read_out_twice(meta):
    body = '<p class="of-alt"><span class="of-alt caption-text">A</span><a>#</a></p><span class="x">B</span>'
    assert meta.unspoken(body) == body.replace('<span class="of', '<span aria-hidden="true" class="of')


def test_the_script_of_icons_is_left_out_and_no_other():
    script = '<script defer src="_static/scripts/{}?digest=5"></script>'
    page = f"<head>{script.format('fontawesome.js')}{script.format('bootstrap.js')}</head>"
    assert load("theme_fixes").without_icon_script(page) == f"<head>{script.format('bootstrap.js')}</head>"


def test_pages_but_the_search_do_without_its_index():
    script = '<script src="{}?digest=5"></script>'
    page = "".join(script.format(name) for name in ("_static/searchtools.js", "a.js", "../searchindex.js"))
    assert load("theme_fixes").without_search_index(page) == script.format("a.js")


def test_scripts_wait_for_the_page_but_for_those_that_inline_ones_change():
    page = '<script src="a.js"></script><script>let a = 1;</script><script async="async" src="b.js"></script>'
    page += '<script src="_static/documentation_options.js?v=9"></script><script data-x="1" src="c.js"></script>'
    found = load("theme_fixes").deferred(page)
    assert found == page.replace('<script src="a', '<script defer="defer" src="a').replace(
        "<script data", '<script defer="defer" data'
    )
