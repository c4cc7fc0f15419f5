"""What explorer.js makes of the labels: the matrix, the utterances behind a cell, an address that leads back."""

import numpy as np
import pytest
from frames import results, utterance_lines

from emotrace.corpus.audio import SAMPLE_RATE, save_audio
from emotrace.show.explorer import explorer

PLAYED = "a-sad-0"


@pytest.fixture
def address(tmp_path):
    lines = utterance_lines("original", {}, 0) + utterance_lines("none-T1", {"sad": "ang", "hap": "neu"}, 0)
    lines += utterance_lines("none-T6", {"neu": "ang"}, 0)
    for place, line in enumerate(lines):
        line["emotion_functionals_seed1"] = line["emotion_functionals"] if place % 5 else "hap"
    save_audio(tmp_path / "a.flac", np.zeros(4 * SAMPLE_RATE, np.float32))
    audio = {(row, PLAYED): f"a.flac?{row}" for row in ("original", "none-T1")}
    shown = explorer({"people": results(lines, n_bootstrap=50)}, "none-T1", audio).data
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><html lang='en'><meta charset='utf-8'><title>t</title>{shown}</html>")
    return page.as_uri()


@pytest.fixture
def page(browser, address):
    opened = browser.new_page()
    opened.goto(address)
    yield opened
    opened.close()


def cell(page, meant: str, labelled: str):
    return page.get_by_role("button", name=f"meant {meant}, labelled {labelled}:")


def speakers(page) -> list[str]:
    return page.locator(".utterances tbody tr td:first-child").all_inner_texts()


def test_the_asked_row_and_its_most_frequent_error_are_shown(page):
    assert page.get_by_label("row").input_value() == "none-T1"
    assert page.locator(".title").inner_text().startswith("none-T1 by functionals + SVM: UAR 90 %")
    assert cell(page, "sad", "angry").get_attribute("aria-pressed") == "true"
    assert "8 utterances, 20 %; of the recordings 0 %" in cell(page, "sad", "angry").text_content()
    assert page.locator(".cell").inner_text().startswith("8 utterances meant sad and labelled angry.")
    assert sorted(speakers(page)) == list("abcdefgh")


def test_a_cell_by_keyboard_lists_its_utterances_with_what_each_recogniser_labelled(page):
    cell(page, "happy", "neutral").focus()
    page.keyboard.press("Enter")
    assert len(speakers(page)) == 8
    first = page.locator(".utterances tbody tr").first.locator("td").all_inner_texts()
    assert first[2:] == ["happy (2 of 2)", "neutral (1 of 2)", "happy"]


def test_another_recogniser_or_row_keeps_the_cell(page):
    page.get_by_label("recogniser").select_option("GE2E + SVM")
    assert "0 utterances" in cell(page, "sad", "angry").text_content() and speakers(page) == []
    page.get_by_label("recogniser").select_option("functionals + SVM")
    page.get_by_label("row").select_option("none-T6")
    cell(page, "neutral", "angry").click()
    assert len(speakers(page)) == 8


def test_the_address_of_a_cell_leads_back_to_it(page, browser):
    page.get_by_label("row").select_option("none-T6")
    cell(page, "neutral", "angry").click()
    again = browser.new_page()
    again.goto(page.url)
    assert again.get_by_label("row").input_value() == "none-T6"
    assert cell(again, "neutral", "angry").get_attribute("aria-pressed") == "true"
    again.close()


def test_what_may_be_played_comes_first_and_switches_at_the_same_moment(page):
    page.evaluate("""() => {
      window.played = [];
      HTMLMediaElement.prototype.play = function () {
        played.push([this.src.split("?")[1], this.currentTime]);
        if (played.length === 1) this.currentTime = 2;
        return Promise.resolve();
      };
    }""")
    line = page.locator(".utterances tbody tr").first
    assert line.locator("td").first.inner_text() == "a"
    line.get_by_role("button", name="recording").click()
    page.wait_for_function("played.length === 1")
    line.get_by_role("button", name="none-T1").click()
    page.wait_for_function("played.length === 2")
    assert page.evaluate("played") == [["original", 0], ["none-T1", pytest.approx(2, abs=0.05)]]
