"""The report of `emotrace evaluate` in a browser: quiet, readable on a phone, in both colours; its tables sort."""

import pytest
from evaluated import evaluation

from emotrace.show.report.page import render_report


@pytest.fixture(scope="module")
def report(browser, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_report(evaluation(notes=("no WER: there is no text file",))))
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_report_is_quiet_and_fits(report, visit, scheme, width):
    shown = visit(report, scheme, width)
    assert shown.problems == [] and shown.elsewhere == []
    across, window = shown.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert across <= window
    dark = shown.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 28)"
    assert dark == (scheme == "dark")
    assert shown.violations() == []


def test_pictures_are_inside_and_loaded(report, visit):
    images = visit(report).page.evaluate("[...document.images].map(i => [i.src.slice(0, 19), i.naturalWidth, i.alt])")
    assert len(images) >= 9
    assert all(source == "data:image/svg+xml;" and width > 0 and alt for source, width, alt in images)


def test_tables_sort_by_number(report, visit):
    page = visit(report).page
    page.locator("summary", has_text="Every metric").click()
    table = page.locator("table", has=page.locator("caption", has_text="Every metric"))
    head = table.get_by_role("button", name="value")
    column = "cells => cells.map(cell => Number(cell.dataset.sort))"
    head.click()
    up = table.locator("td[data-low]").evaluate_all(column)
    head.click()
    down = table.locator("td[data-low]").evaluate_all(column)
    assert up == sorted(up) and down == sorted(up, reverse=True) and len(set(up)) > 5
    assert head.locator("xpath=..").get_attribute("aria-sort") == "descending"
