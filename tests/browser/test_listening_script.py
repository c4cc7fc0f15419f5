"""What listening.js makes of the grid: a click plays, arrow keys move on at the same moment, a line follows."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from emotrace.corpus.audio import SAMPLE_RATE, save_audio
from emotrace.corpus.datadir import Emotion, Utterance
from emotrace.pipeline.rows import Row, select_rows
from emotrace.show.listening.clips import Clip
from emotrace.show.listening.page import Card, show_cards

STATIC = Path(__file__).parents[2] / "book" / "_static"
ROWS, SECONDS = select_rows(["original", "log-mel", "none-T1"]), 4
MISSING = ("log-mel", Emotion.NEUTRAL)  # a cell without a clip
PLAYING = "[...document.querySelectorAll('audio')].filter(a => !a.paused).map(a => a.closest('figure').id)"
MOMENT = "id => document.getElementById(id).querySelector('audio').currentTime"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def card(row: Row, emotion: Emotion) -> Card:
    utterance = Utterance(f"s-{emotion}", "s", "f", Path("made-up"), "ONE", emotion)
    file = Path("_static") / f"{emotion}.flac"
    clip = Clip(row, utterance, file)
    return Card(clip, "made up", SECONDS, 2 * SECONDS, file, Path("_static") / "none.png", "nothing", {}, {})


@pytest.fixture(params=["file", "server without ranges"])
def page(browser, tmp_path, request):
    (tmp_path / "notebooks").mkdir()
    for emotion, seconds in zip(Emotion, (SECONDS, SECONDS / 2, SECONDS, SECONDS), strict=True):
        save_audio(tmp_path / "_static" / f"{emotion}.flac", np.zeros(int(seconds * SAMPLE_RATE), np.float32))
    cards = {e: [card(row, e) for row in ROWS if (row.name, e) != MISSING] for e in Emotion}
    script = (STATIC / "listening.js").read_text()
    html = f"<!doctype html><html lang='en'><title>t</title>{show_cards(cards).data}<script>{script}</script></html>"
    (tmp_path / "notebooks" / "room.html").write_text(html)
    (tmp_path / "index.html").write_text('<a href="notebooks/room.html#ang-none-T1">Hear it</a>')
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path))
    Thread(target=server.serve_forever, daemon=True).start()
    address = tmp_path.as_uri() if request.param == "file" else f"http://127.0.0.1:{server.server_port}"
    opened = browser.new_page()
    opened.goto(f"{address}/notebooks/room.html")
    yield opened
    opened.close()
    server.shutdown()


def visible(page) -> list[str]:
    return page.locator("figure:visible").evaluate_all("figures => figures.map(figure => figure.id)")


def wait_for(page, take: str) -> None:
    page.wait_for_function(f"id => {PLAYING}.join() === id", arg=take)


def test_the_first_cell_is_shown_and_nothing_plays_or_loads(page):
    assert visible(page) == ["sad-original"] and page.evaluate(PLAYING) == []
    assert page.evaluate("[...document.querySelectorAll('audio')].every(a => a.readyState === 0)")


def test_a_click_plays_that_cell_alone(page):
    for take in ("ang-none-T1", "hap-original"):
        page.locator(f'a[href="#{take}"]').click()
        wait_for(page, take)
        assert visible(page) == [take]
        assert page.locator("[aria-current]").get_attribute("href") == f"#{take}"


def test_the_address_of_a_cell_plays_it_after_a_click_on_the_site(page):
    page.goto(page.url.replace("notebooks/room.html", "index.html"))
    page.get_by_text("Hear it").click()
    page.wait_for_url("**/room.html#ang-none-T1")
    wait_for(page, "ang-none-T1")
    assert visible(page) == ["ang-none-T1"]
    page.keyboard.press("ArrowUp")
    wait_for(page, "ang-log-mel")


def test_the_address_alone_shows_a_cell_and_plays_nothing(page):
    address = f"{page.url}#hap-log-mel"
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_function("document.querySelector('#hap-log-mel audio').readyState > 0")
    assert visible(page) == ["hap-log-mel"] and page.evaluate(PLAYING) == []


def test_arrow_keys_change_row_or_emotion_at_the_same_moment(page):
    page.locator('a[href="#sad-original"]').press("Enter")
    wait_for(page, "sad-original")
    page.locator("#sad-original audio").evaluate("(a, at) => { a.currentTime = at; }", SECONDS / 2)
    page.keyboard.press("ArrowDown")
    wait_for(page, "sad-log-mel")
    assert page.evaluate(MOMENT, "sad-log-mel") >= SECONDS / 2 - 0.1
    page.locator("#sad-log-mel audio").evaluate("(a, at) => { a.currentTime = at; }", SECONDS / 2)
    page.keyboard.press("ArrowRight")  # over the cell without a clip
    wait_for(page, "ang-log-mel")
    assert page.evaluate(MOMENT, "ang-log-mel") >= SECONDS / 2 - 0.1
    page.keyboard.press("ArrowLeft")
    wait_for(page, "sad-log-mel")


def test_of_a_shorter_clip_the_same_share_has_passed(page):
    page.locator('a[href="#sad-original"]').press("Enter")
    wait_for(page, "sad-original")
    page.locator("#sad-original audio").evaluate("(a, at) => { a.pause(); a.currentTime = at; }", SECONDS / 2)
    page.keyboard.press("ArrowRight")
    wait_for(page, "neu-original")
    assert SECONDS / 4 - 0.1 <= page.evaluate(MOMENT, "neu-original") < SECONDS / 2


def test_arrow_keys_stop_at_the_edge_of_the_grid(page):
    page.locator('a[href="#sad-original"]').press("Enter")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert visible(page) == ["sad-original"]


def test_a_line_follows_and_a_click_on_the_picture_goes_there(page):
    page.locator('a[href="#sad-original"]').press("Enter")
    wait_for(page, "sad-original")
    page.locator("#sad-original audio").evaluate("a => { a.pause(); a.currentTime = 1; }")
    at = "() => document.querySelector('#sad-original .picture').style.getPropertyValue('--at')"
    page.wait_for_function(f"seconds => ({at})() === String(1 / seconds)", arg=2 * SECONDS)  # of the axis
    box = page.locator("#sad-original .picture").bounding_box()
    middle = 0.17 + 0.695 / 4  # a quarter of the axis
    page.locator("#sad-original .picture").click(position={"x": middle * box["width"], "y": box["height"] / 2})
    assert page.evaluate(MOMENT, "sad-original") == pytest.approx(2 * SECONDS / 4, abs=0.05)
