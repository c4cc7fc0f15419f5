"""What folds.js makes of a page: sections below "Everything else" are folded, and an address opens its own."""

from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "book" / "_static" / "folds.js"
BODY = """<article><section id="the-answer"><h2>The answer</h2><p>shown</p></section>
<section id="everything-else"><h2>Everything else</h2>
<section id="recalls"><h3>Recalls</h3><p id="inside">many</p></section>
<span id="label"></span><section id="claims"><h3>Claims</h3><p>more</p></section></section></article>"""


@pytest.fixture
def address(tmp_path):
    page = tmp_path / "h.html"
    script = f"<script>{SCRIPT.read_text()}</script>"
    page.write_text(f"<!doctype html><html lang='en'><title>t</title>{script}{BODY}</html>")
    return page.as_uri()


@pytest.fixture
def page(browser):
    opened = browser.new_page()
    yield opened
    opened.close()


def test_everything_else_is_folded_and_opens_by_keyboard(page, address):
    page.goto(address)
    assert page.get_by_text("shown").is_visible() and page.get_by_text("many").is_hidden()
    assert page.locator("summary").all_inner_texts() == ["Recalls", "Claims"]
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("many").is_visible() and page.get_by_text("more").is_hidden()


@pytest.mark.parametrize(("part", "text"), [("claims", "more"), ("inside", "many")])
def test_an_address_opens_its_fold(page, address, part, text):
    page.goto(f"{address}#{part}")
    assert page.get_by_text(text).is_visible()


def test_a_link_followed_later_opens_its_fold_and_printing_all(page, address):
    page.goto(address)
    page.evaluate("location.hash = 'claims'")
    page.get_by_text("more").wait_for(state="visible")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.get_by_text("many").is_visible()
