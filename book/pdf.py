"""The book as one PDF: `python book/pdf.py`, after book/build.py, whose executed notebooks it reuses.

Chromium prints the book's single page, as it prints every other figure, table and diagram of it. LaTeX is not needed.
Without Chromium it says so and ends well, for a PDF is a convenience.
"""

import subprocess
import sys
from pathlib import Path

from screenshots import OPTIONS, find_browser

BOOK = Path(__file__).resolve().parent
PAGE = BOOK / "_build" / "singlehtml" / "index.html"
PDF = BOOK / "_build" / "pdf" / "emotrace.pdf"


def print_page(browser: str, page: Path, pdf: Path) -> None:
    """Print an HTML file. Raises RuntimeError when the browser wrote nothing."""
    pdf.parent.mkdir(parents=True, exist_ok=True)
    pdf.unlink(missing_ok=True)
    command = [browser, *OPTIONS, "--no-pdf-header-footer", "--virtual-time-budget=20000", f"--print-to-pdf={pdf}"]
    subprocess.run([*command, page.as_uri()], check=True, capture_output=True, timeout=600)
    if not pdf.is_file():
        raise RuntimeError(f"{browser} printed nothing of {page}")


def for_paper(html: str) -> str:
    """The single page lies beside _static, where notebooks, one folder deeper, say ``../_static``; nothing is lazy."""
    return html.replace('="../_static/', '="_static/').replace(' loading="lazy"', "")


def main() -> int:
    browser = find_browser()
    if browser is None:
        print("pdf: skipped, no Chromium on this machine (Debian: apt-get install chromium)")
        return 0
    command = [Path(sys.executable).with_name("jupyter-book"), "build", BOOK, "--builder", "singlehtml"]
    if status := subprocess.call(command, cwd=BOOK.parent):
        return status
    PAGE.write_text(for_paper(PAGE.read_text()))
    print_page(browser, PAGE, PDF)
    print(f"pdf: {PDF}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
