"""What a built page must have. Used by build.py; alone: `python book/check_pages.py`."""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

DISCLAIMER = "no evidence about people"
BOOK = Path(__file__).resolve().parent
LOADING = ("img", "audio", "video", "source")
NAN = re.compile(r"(?<![\w.\"'])nan(?![\w(])")  # as printed, not np.nan or "nan" in code
BESIDE = 20  # characters of a page's text that a message shows on either side
LOOKED_UP = ("paper", "references", "where", "systems", "api/")  # pages without a number of the phantom
STUDIES = ("notebooks/", "sets/")  # pages that show figures and tables


class Page(HTMLParser):
    """Counts what a page's main part holds.

    Attributes:
        headings, tables: how many there are.
        images: the alt texts of the images, "" where there is none.
        files: addresses of pictures and of what players play, those on other machines and inline ones left out.
        text: all visible text, white space collapsed.
    """

    def __init__(self, html: str):
        super().__init__()
        self.headings = self.tables = 0
        self.images: list[str] = []
        self.files: list[str] = []
        self._words: list[str] = []
        self._inside = 0
        self.feed(html)
        self.text = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._inside += tag == "article"
        if not self._inside:
            return
        self.headings += tag == "h1"
        self.tables += tag == "table"
        source = dict(attributes).get("src")
        if tag in LOADING and source and not urlsplit(source).scheme and not urlsplit(source).netloc:
            self.files.append(source)
        if tag == "img":
            self.images.append((dict(attributes).get("alt") or "").strip())

    def handle_endtag(self, tag: str) -> None:
        self._inside -= tag == "article"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self._words.append(data)


def pages_of(toc: Path, source: Path = BOOK) -> list[str]:
    """Names of the pages of a table of contents, without suffix, its root first, in the order of reading.

    ``source``: folder of the pages, where the patterns of the table are looked up.
    """
    contents = yaml.safe_load(toc.read_text())
    return [contents["root"], *_files(contents, source)]


def _files(node: dict[str, Any], source: Path) -> Iterator[str]:
    for child in (child for kind in ("parts", "chapters", "sections") for child in node.get(kind, [])):
        yield from [child["file"]] if "file" in child else []
        pages = sorted(source.glob(child["glob"])) if "glob" in child else []
        yield from (page.relative_to(source).with_suffix("").as_posix() for page in pages)
        yield from _files(child, source)


def check_page(name: str, html: str) -> list[str]:
    """Problems of one page, in words."""
    page = Page(html)
    problems = [] if page.headings else [f"{name}: no heading"]
    if DISCLAIMER not in page.text and not name.startswith(LOOKED_UP):
        problems.append(f'{name}: does not say that the phantom is "{DISCLAIMER}"')
    if "Traceback (most recent call last)" in page.text:
        problems.append(f"{name}: shows a traceback")
    if not name.startswith("api/") and (shown := NAN.search(page.text)):
        beside = page.text[max(0, shown.start() - BESIDE) : shown.end() + BESIDE]
        problems.append(f"{name}: shows a number that is none: {beside!r}")
    if name.startswith(STUDIES):
        problems += [
            f"{name}: no {what}" for what, found in (("figure", page.images), ("table", page.tables)) if not found
        ]
    # matplotlib's own representation is what a figure cell without alt text leaves
    nameless = sum(not alt or "<Figure" in alt or alt.startswith("../_images") for alt in page.images)
    return problems + ([f"{name}: {nameless} image(s) without alt text"] if nameless else [])


def files_of(page: Path) -> list[Path]:
    """Where the pictures and the audio of a built page should lie."""
    return [(page.parent / unquote(urlsplit(source).path)).resolve() for source in Page(page.read_text()).files]


def check_book(toc: Path, html: Path) -> list[str]:
    """Problems of all pages of a built book; empty when it is complete."""
    problems = []
    for name in pages_of(toc):
        path = html / f"{name}.html"
        if not path.is_file():
            problems.append(f"{name}: {path} was not built")
            continue
        problems += check_page(name, path.read_text())
        problems += [f"{name}: no file {file}" for file in files_of(path) if not file.is_file()]
    return problems


if __name__ == "__main__":
    found = check_book(BOOK.parent / "_toc.yml", BOOK / "_build" / "html")
    print("\n".join(found) or "all pages are there")
    sys.exit(bool(found))
