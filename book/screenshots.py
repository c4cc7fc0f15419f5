"""Screenshots of every page at the widths of a laptop and a phone: `python book/screenshots.py [FOLDER]`.

Needs Chromium (Debian: apt-get install chromium). A frame of the wanted width stands in a wider window, because a
headless window is never narrower than some 500 pixels; media queries inside the frame see the frame's width.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from check_pages import pages_of

BOOK = Path(__file__).resolve().parent
WIDTHS = (1280, 400)  # CSS pixels
HEIGHT = 9000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--allow-file-access-from-files")


def find_browser() -> str | None:
    """Path of an installed Chromium, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def screenshot(browser: str, page: Path, picture: Path, width: int, height: int = HEIGHT) -> None:
    """PNG of a page as laid out `width` CSS pixels wide. Raises RuntimeError when the browser wrote none."""
    with tempfile.TemporaryDirectory() as folder:
        frame = Path(folder) / "frame.html"
        frame.write_text(
            f'<body style="margin:0"><iframe src="{page.as_uri()}" style="border:0" width="{width}" height="{height}">'
        )
        command = [browser, *OPTIONS, f"--user-data-dir={folder}/profile", f"--window-size={max(width, 600)},{height}"]
        command += ["--virtual-time-budget=8000", f"--screenshot={picture}", frame.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=180)
    if not picture.is_file():
        raise RuntimeError(f"{browser} wrote no picture of {page}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Take a screenshot of every built page, as a laptop and a phone show it."
    )
    parser.add_argument("folder", nargs="?", type=Path, default=BOOK / "_build" / "screenshots", help="of the pictures")
    folder = parser.parse_args().folder.resolve()
    browser = find_browser()
    if browser is None:
        print("no Chromium found: no screenshots", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for name in pages_of(BOOK.parent / "_toc.yml"):
        for width in WIDTHS:
            picture = folder / f"{Path(name).name}_{width}.png"
            screenshot(browser, BOOK / "_build" / "html" / f"{name}.html", picture, width)
            print(picture)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
