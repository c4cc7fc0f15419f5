"""The worked example: its report opens from its page, is the example's, and makes no noise."""

import pytest
from built_book import BOOK

PAGE = "own_anonymizer.html"
LINK = "Open the whole report of this example"


@pytest.fixture
def report(site, visit):
    """The report as opened by a click on the page's link."""
    if not (BOOK / PAGE).is_file():
        pytest.skip("this book has no worked example")
    opened = visit(f"{site}/{PAGE}")
    opened.page.get_by_role("link", name=LINK).click()
    opened.page.wait_for_load_state("load")
    return opened


def test_the_report_opens_from_the_page(report):
    assert report.page.url.endswith("/report.html")
    assert report.page.title() == "toy: what anonymization left"
    assert report.problems == [] and report.elsewhere == []
    assert report.page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert report.page.locator("img").count() >= 9


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_the_report_fits_and_has_no_serious_barrier(report, visit, scheme, width):
    shown = visit(report.page.url, scheme, width)
    across, window = shown.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert across <= window and shown.problems == [] and shown.violations() == []


def test_the_page_says_what_the_report_says(report, site, visit):
    """The sentences of the excerpt are those at the top of the report."""
    told = report.page.locator("main > ul").first.locator("li").all_inner_texts()
    page = " ".join(visit(f"{site}/{PAGE}").page.locator("article").inner_text().split())
    assert len(told) >= 4 and all(sentence in page for sentence in told)
