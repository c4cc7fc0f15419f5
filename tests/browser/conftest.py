"""A browser, and the built book behind a web server of this machine."""

import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from built_book import BOOK, page_names

AXE = Path(__file__).with_name("axe.min.js")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HERE = "127.0.0.1"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Debian's Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (requirements.txt)")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as running:
        launched = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """Address of the built book."""
    if not page_names():
        pytest.skip(f"no built book in {BOOK} (make book)")
    server = ThreadingHTTPServer((HERE, 0), partial(Quiet, directory=str(BOOK)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{HERE}:{server.server_port}"
    server.shutdown()


class Visit:
    """A page as opened, and what the browser complained about.

    Attributes:
        page: Playwright's page, loaded.
        problems: errors in the console, uncaught exceptions, files of this machine that did not load.
        elsewhere: addresses on other machines that the page asked for; they are not reached.
    """

    def __init__(self, browser: object, url: str, scheme: str, width: int):
        self.problems: list[str] = []
        self.elsewhere: list[str] = []
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.route("**/*", self._only_here)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        self.page.on("response", self._response)
        self.page.goto(url, wait_until="load")

    def _only_here(self, route: object) -> None:
        address = urlsplit(route.request.url)
        if address.scheme in ("data", "blob", "file") or address.hostname == HERE:
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def _console(self, message: object) -> None:
        source = urlsplit(message.location.get("url", ""))
        if message.type == "error" and (source.hostname in (None, HERE)):
            self.problems.append(f"console: {message.text}")

    def _response(self, response: object) -> None:
        if response.status >= 400:
            self.problems.append(f"{response.status}: {response.url}")

    def violations(self) -> list[str]:
        """Serious and critical violations that axe-core finds, with the elements."""
        self.page.add_script_tag(path=str(AXE))
        found = self.page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        return [
            f"{one['id']}: {one['help']}: {', '.join(str(node['target'][0]) for node in one['nodes'])}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]


@pytest.fixture
def visit(browser) -> Iterator[Callable[[str, str, int], Visit]]:
    """visit(url, scheme, width): opens a page; all are closed after the test."""
    opened: list[Visit] = []

    def open_page(url: str, scheme: str = "light", width: int = 1280) -> Visit:
        opened.append(Visit(browser, url, scheme, width))
        return opened[-1]

    yield open_page
    for each in opened:
        each.context.close()
