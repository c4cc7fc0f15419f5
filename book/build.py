"""Build the book, strictly: any warning, cell error, missing page or figure without alt text fails.

`jupyter-book build book` alone builds the same pages. This script first empties the cache of executed notebooks when
the results or the code behind them have changed, which jupyter-book cannot see, and checks the pages afterwards. It builds
nothing while the numbers in the prose are not those of the recorded results.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import export_numbers
from check_pages import check_book
from check_prose import check_prose

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
BUILD = BOOK / "_build"
SHOWN = (
    *("data/results/**/*.parquet", "data/results/**/*.json", "data/paper/*.csv", "data/models/scale/*/card.json"),
    *("src/emotrace/**/*.py", "notebooks/*.ipynb", "book/numbers.json", "book/_ext/*.py", "data/phantom/test/audio/*"),
)
STRICT = ("-W", "-n", "--keep-going")  # warnings are errors, missing references are warnings, and all are listed


def digest_of_shown(root: Path) -> str:
    """sha256 over the names and bytes of all files that the notebooks show or compute with."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in SHOWN for path in root.glob(pattern)}):
        digest.update(f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def drop_stale_cache(build: Path, digest: str) -> None:
    """Remove executed notebooks and pages that were made from other results."""
    mark = build / "shown.sha256"
    if not mark.is_file() or mark.read_text() != digest:
        shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True, exist_ok=True)
    mark.write_text(digest)


def disagreements() -> list[str]:
    """Where numbers.json differs from the results, and prose from numbers.json."""
    written = json.loads(export_numbers.NUMBERS.read_text())
    return [*export_numbers.disagreements(written, export_numbers.export()), *check_prose()]


def main() -> int:
    if problems := disagreements():
        _tell(problems)
        print("book: after new results: python book/export_numbers.py, and reread what changed", file=sys.stderr)
        return 1
    drop_stale_cache(BUILD, digest_of_shown(ROOT))
    command = Path(sys.executable).with_name("jupyter-book")  # that of this environment, activated or not
    status = subprocess.call([command, "build", BOOK, *STRICT], cwd=ROOT)
    problems = check_book(ROOT / "_toc.yml", BUILD / "html")
    _tell(problems)
    if not status and not problems:
        print(f"book: {BUILD / 'html' / 'index.html'}")
    return status or bool(problems)


def _tell(problems: list[str]) -> None:
    for problem in problems:
        print(f"book: {problem}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
