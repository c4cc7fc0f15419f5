"""Every page of the built book, as a reader's browser shows it."""

import pytest
from built_book import BOOK, broken_links, page_names

NO_BOOK = pytest.param("index.html", marks=pytest.mark.skip(reason=f"no built book in {BOOK} (make book)"))
every_page = pytest.mark.parametrize("name", page_names() or [NO_BOOK])
both_schemes = pytest.mark.parametrize("scheme", ["light", "dark"])
both_widths = pytest.mark.parametrize("width", [1280, 400])

IMAGES = """[...document.querySelectorAll("article img")].map(image => ({
  src: image.getAttribute("src").slice(0, 80), alt: image.alt.trim(), loaded: image.complete && image.naturalWidth > 0
}))"""
WIDE_TABLES = """[...document.querySelectorAll("article table")].filter(table => {
  for (let box = table; box && box.tagName !== "ARTICLE"; box = box.parentElement)
    if (["auto", "scroll"].includes(getComputedStyle(box).overflowX)) return false;
  return table.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
}).map(table => table.outerHTML.slice(0, 80))"""
PLAYERS = """async () => Promise.all([...document.querySelectorAll("audio, video")].map(player => new Promise(done => {
  const answer = () => done({src: player.currentSrc, seconds: player.duration, error: player.error?.message ?? ""});
  player.onloadedmetadata = player.onerror = answer;
  player.querySelectorAll("source").forEach(source => source.onerror = answer);
  if (player.readyState > 0 || player.error) answer();
  else { player.preload = "metadata"; player.load(); setTimeout(answer, 10000); }
})))"""


@every_page
@both_schemes
@both_widths
def test_page_is_quiet_and_fits(name, scheme, width, site, visit):
    """No complaint of the browser, the wanted colours, nothing wider than the window, no serious barrier."""
    shown = visit(f"{site}/{name}", scheme, width)
    assert shown.problems == []
    assert shown.page.evaluate("document.documentElement.dataset.theme") == scheme
    across, window = shown.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert across <= window
    assert shown.page.evaluate(WIDE_TABLES) == []
    assert shown.violations() == []


@every_page
def test_images_are_loaded_and_described(name, site, visit):
    shown = visit(f"{site}/{name}")
    images = shown.page.evaluate("async () => { await Promise.all([...document.images].map(i => { i.loading = 'eager';"
                                 " return i.decode().catch(() => null); })); return " + IMAGES + "; }")  # fmt: skip
    assert [image for image in images if not image["loaded"] or not image["alt"]] == []


@every_page
def test_players_play(name, site, visit):
    players = visit(f"{site}/{name}").page.evaluate(PLAYERS)
    if not players:
        pytest.skip("no player on this page")
    assert [player for player in players if not (player["seconds"] or 0) > 0] == []


@every_page
def test_no_link_is_broken(name):
    assert broken_links(name) == []


def test_search_finds_kurtosis(site, visit):
    shown = visit(f"{site}/search.html?q=kurtosis")
    shown.page.wait_for_selector("#search-results li a", timeout=15_000)
    found = shown.page.locator("#search-results li").all_inner_texts()
    assert any("kurtosis" in text.lower() for text in found)


def test_the_listening_room_has_players(site):
    rooms = [name for name in page_names() if "listening" in name]
    if not rooms:
        pytest.skip("this book has no listening room yet")
    assert all("<audio" in (BOOK / name).read_text() for name in rooms)
