"""What systems.js makes of table II: one speech at a time, a group of rows, and with tables.js a CSV of all values."""

import csv
from pathlib import Path

import pytest
from frames import results, trial_lines, utterance_lines

from emotrace.show.systems import show_table2

STATIC = Path(__file__).parents[2] / "book" / "_static"


@pytest.fixture
def page(browser):
    lines = utterance_lines("original", {}, 1) + utterance_lines("none-T1", {"sad": "ang"}, 3)
    trials = trial_lines("original", "original", 2.0) + trial_lines("none-T1", "lazy-informed", 1.0)
    study = results(lines, trials, n_bootstrap=50)
    scripts = "".join(f"<script>{(STATIC / name).read_text()}</script>" for name in ("systems.js", "tables.js"))
    context = browser.new_context(accept_downloads=True)
    opened = context.new_page()
    shown = show_table2({"people": study, "phantom": study}).data
    opened.set_content(
        f'<!doctype html><html lang="en"><title>t</title><article>{shown}</article>{scripts}</html>', wait_until="load"
    )
    yield opened
    context.close()


def test_one_speech_is_shown_and_buttons_change_it(page):
    tables, phantom = page.locator("table"), page.get_by_role("button", name="phantom")
    assert tables.nth(0).is_visible() and tables.nth(1).is_hidden()
    assert phantom.get_attribute("aria-pressed") == "false"
    phantom.focus()
    page.keyboard.press("Enter")
    assert tables.nth(0).is_hidden() and tables.nth(1).is_visible()
    assert phantom.get_attribute("aria-pressed") == "true"


def test_a_group_of_rows_can_be_chosen_and_all_again(page):
    rows = page.locator("table").nth(0).locator("tbody tr:visible th")
    page.get_by_label("rows").select_option("HuBERT-mini, two stages")
    assert rows.all_inner_texts() == ["none-T1"]
    page.get_by_label("rows").select_option("all")
    assert rows.all_inner_texts() == ["original", "none-T1"]


def test_the_csv_has_estimates_ends_and_the_papers_values_as_columns(page):
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as CSV, table 1 of this page").click()
    lines = list(csv.DictReader(Path(waiting.value.path()).read_text().splitlines()))
    assert [line["row"] for line in lines] == ["original", "none-T1"]
    assert lines[1]["UAR [%]"] == "95.0" and lines[1]["UAR, paper"] == "64.78"
    assert all(float(line["sad, low"]) <= float(line["sad [%]"]) <= float(line["sad, high"]) for line in lines)


def test_a_heading_sorts_the_rows(page):
    page.get_by_role("button", name="UAR").first.click()
    assert page.locator("table").nth(0).locator("tbody th").all_inner_texts() == ["none-T1", "original"]
