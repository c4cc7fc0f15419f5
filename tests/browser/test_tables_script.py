"""What tables.js makes of a table: sorted as numbers where they are numbers, and a CSV with intervals as columns."""

import csv
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "book" / "_static"
TABLE = """<!doctype html><html lang="en"><title>t</title><article class="bd-article">
<div class="cell_output"><div class="output">
<table><thead><tr><th>row</th><th>UAR [%]</th><th>note</th></tr></thead><tbody>
<tr><td>none-T1</td><td>9.5<br><small>[5.0, 12.5]</small></td><td>a, "b"</td></tr>
<tr><td>original</td><td>68.9<br><small>[62.2, 74.5]</small></td><td></td></tr>
<tr><td>B3</td><td></td><td>T12</td></tr>
<tr><td>paper</td><td>71.06</td><td></td></tr>
<tr><td>none-T12</td><td>−1.0<br><small>[−2.0, 0.5]</small></td><td>T2</td></tr>
</tbody></table></div></div></article></html>"""


@pytest.fixture
def page(browser):
    context = browser.new_context(accept_downloads=True)
    opened = context.new_page()
    script = (STATIC / "tables.js").read_text()
    opened.set_content(TABLE.replace("</html>", f"<script>{script}</script></html>"), wait_until="load")
    yield opened
    context.close()


def column(page, place: int) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(f"tbody tr td:nth-child({place})").all_inner_texts()]


def test_a_heading_sorts_by_number_up_and_down_and_empty_cells_count_last(page):
    heading = page.get_by_role("button", name="UAR [%]")
    heading.click()
    assert column(page, 1) == ["none-T12", "none-T1", "original", "paper", "B3"]
    assert page.locator("th").nth(1).get_attribute("aria-sort") == "ascending"
    heading.click()
    assert column(page, 1) == ["paper", "original", "none-T1", "none-T12", "B3"]
    page.get_by_role("button", name="row", exact=True).click()
    assert column(page, 1) == ["B3", "none-T1", "none-T12", "original", "paper"]
    assert page.locator("th[aria-sort]").count() == 1


def test_the_csv_has_the_intervals_as_columns_and_quotes_what_needs_it(page):
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as CSV").click()
    assert waiting.value.suggested_filename.endswith("-table-1.csv")
    lines = list(csv.reader(Path(waiting.value.path()).read_text().splitlines()))
    assert lines[0] == ["row", "UAR [%]", "UAR [%], low", "UAR [%], high", "note"]
    assert lines[1] == ["none-T1", "9.5", "5.0", "12.5", 'a, "b"']
    assert lines[3] == ["B3", "", "", "", "T12"] and lines[5][1:4] == ["-1.0", "-2.0", "0.5"]
    assert lines[4] == ["paper", "71.06", "", "", ""], "a number without an interval is an estimate"
