"""The built book as files: its pages, and the links and images in them."""

import os
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[2]
BOOK = Path(os.environ.get("EMOTRACE_BOOK", ROOT / "book" / "_build" / "html"))
GENERATED = ("genindex.html", "search.html", "py-modindex.html")


def page_names() -> list[str]:
    """Paths of the pages, relative to the book; empty where it is not built."""
    if not (BOOK / "index.html").is_file():
        return []
    names = [path.relative_to(BOOK).as_posix() for path in sorted(BOOK.rglob("*.html"))]
    return [name for name in names if not name.startswith("_") and name not in GENERATED]


class Page(HTMLParser):
    """Targets of the links of a page, and the names that links can go to."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.anchors |= {str(found[name]) for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))


def broken_links(name: str) -> list[str]:
    """Links of a page to files or sections that are not there. Those to other machines are not followed."""
    page, problems = Page(BOOK / name), []
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (BOOK / name).parent / unquote(parts.path) if parts.path else BOOK / name
        if not target.is_file():
            problems.append(f"{link}: no such file")
        elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in Page(target).anchors:
            problems.append(f"{link}: no such section")
    return problems
