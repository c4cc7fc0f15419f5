"""The checks of the built pages, on pages made here; `make book` applies them to the real ones."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = '<article><h1>H1</h1><p>no evidence about people</p><table></table><img src="a.png" alt="recalls"></article>'


@pytest.fixture(scope="module")
def book():
    """The scripts of book/, which are no package: {name: module}."""
    sys.path.insert(0, str(ROOT / "book"))
    modules = {}
    for name in ("check_pages", "build", "screenshots"):
        spec = importlib.util.spec_from_file_location(name, ROOT / "book" / f"{name}.py")
        modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(modules[name])
    sys.path.remove(str(ROOT / "book"))
    return modules


def test_a_good_page_passes(book):
    assert book["check_pages"].check_page("notebooks/h1", GOOD) == []


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (GOOD.replace("h1", "p"), "no heading"),
        (GOOD.replace("no evidence", "evidence"), "no evidence about people"),
        (GOOD.replace("<table></table>", ""), "no table"),
        (GOOD.replace('<img src="a.png" alt="recalls">', ""), "no figure"),
        (GOOD.replace('alt="recalls"', ""), "1 image(s) without alt text"),
        (
            GOOD.replace("<h1>", "<pre>np.nan, 'nan', centroid nan Hz</pre><h1>"),
            "centroid nan Hz",
        ),
        (GOOD.replace("<h1>", "<pre>Traceback (most recent call last)</pre><h1>"), "traceback"),
    ],
)
def test_each_fault_is_named(book, broken, problem):
    (found,) = book["check_pages"].check_page("notebooks/h1", broken)
    assert problem in found


def test_every_page_of_the_contents_is_wanted(book, tmp_path):
    problems = book["check_pages"].check_book(ROOT / "_toc.yml", tmp_path)
    pages = book["check_pages"].pages_of(ROOT / "_toc.yml")
    assert len(problems) == len(pages) >= 19 and all("was not built" in problem for problem in problems)


def test_contents_name_every_notebook(book):
    pages = book["check_pages"].pages_of(ROOT / "_toc.yml")
    notebooks = [page for page in pages if page.startswith("notebooks/")]
    assert sorted(notebooks) == [f"notebooks/{path.stem}" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


def test_contents_are_read_through_parts_and_sections(book, tmp_path):
    toc = tmp_path / "_toc.yml"
    toc.write_text(
        "root: a\nparts:\n- chapters:\n  - file: b\n    sections:\n    - file: c\n- chapters:\n  - file: d\n"
    )
    assert book["check_pages"].pages_of(toc) == ["a", "b", "c", "d"]


PLAYERS = '<audio src="../_static/listening/a/x%20y.flac"></audio><audio><source src="../_static/listening/a/z.flac">'


@pytest.fixture
def built(tmp_path) -> Path:
    """A book whose one notebook made two audio files, as jupyter-book leaves it: copied from _static."""
    for static in (tmp_path / "_static", tmp_path / "_build" / "html" / "_static"):
        (static / "listening" / "a").mkdir(parents=True)
        for name in ("x y.flac", "z.flac"):
            (static / "listening" / "a" / name).write_bytes(b"fLaC")
    page = tmp_path / "_build" / "html" / "notebooks" / "room.html"
    page.parent.mkdir()
    page.write_text(GOOD.replace('src="a.png"', 'src="data:,"').replace("</article>", f"{PLAYERS}</audio></article>"))
    (tmp_path / "_toc.yml").write_text("root: notebooks/room\n")
    return tmp_path


def test_a_player_without_its_file_is_a_problem(book, built):
    check, html = book["check_pages"].check_book, built / "_build" / "html"
    assert check(built / "_toc.yml", html) == []
    for name in ("x y.flac", "z.flac"):
        file = html / "_static" / "listening" / "a" / name
        file.rename(built / name)
        assert check(built / "_toc.yml", html) == [f"notebooks/room: no file {file}"]
        (built / name).rename(file)


def test_files_that_a_notebook_made_must_outlive_the_cache(book, built):
    gone = book["build"].generated_is_gone
    assert not gone(built / "_build", built / "_static")
    (built / "_static" / "listening" / "a" / "z.flac").unlink()
    assert gone(built / "_build", built / "_static")
    assert not gone(built / "nothing built", built / "_static")


def test_changed_results_empty_the_cache(book, tmp_path):
    build, results = book["build"], tmp_path / "data" / "results" / "phantom" / "original"
    results.mkdir(parents=True)
    (results / "utterances.parquet").write_bytes(b"1")
    first = build.digest_of_shown(tmp_path)
    build.drop_stale_cache(tmp_path / "_build", first)
    (tmp_path / "_build" / "page.html").touch()
    build.drop_stale_cache(tmp_path / "_build", build.digest_of_shown(tmp_path))
    assert (tmp_path / "_build" / "page.html").exists()
    (results / "utterances.parquet").write_bytes(b"2")
    build.drop_stale_cache(tmp_path / "_build", build.digest_of_shown(tmp_path))
    assert not (tmp_path / "_build" / "page.html").exists()


def test_numbers_are_compared_once_and_the_prose_every_time(book, monkeypatch):
    build = book["build"]
    monkeypatch.setattr(build.export_numbers, "export", lambda: {"a": "2"})
    monkeypatch.setattr(build, "check_prose", lambda: ["a.md: wrong"])
    assert build.disagreements(compared=True) == ["a.md: wrong"]
    assert "a: absent in numbers.json, 2 in the results" in build.disagreements(compared=False)


def test_what_was_reproduced_on_this_machine_is_shown_anew(book, tmp_path):
    build = book["build"]
    first = build.digest_of_shown(tmp_path)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "live.csv").write_text("row\n")
    second = build.digest_of_shown(tmp_path)
    build.drop_stale_cache(tmp_path / "_build", second)
    assert build.is_current(tmp_path / "_build", second) and not build.is_current(tmp_path / "_build", first)


def test_screenshot_has_the_width_of_a_phone(book, tmp_path):
    from matplotlib.image import imread

    browser = book["screenshots"].find_browser()
    if browser is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text("<style>body{background:red} @media (max-width:450px){body{background:blue}}</style>")
    book["screenshots"].screenshot(browser, page, picture, width=400, height=300)
    red, _, blue = imread(picture)[150, 200, :3]
    assert (red, blue) == (0, 1)
