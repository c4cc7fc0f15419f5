"""Build the book, strictly: any warning, cell error, missing page or figure without alt text fails.

`jupyter-book build book` alone builds the same pages. This script first runs what is missing of the phantom and
reproduces one row of it, which the page of the provenance shows; a difference does not stop it. Then it empties the
cache of executed notebooks when the results or the code behind them have changed, or files that a notebook made are
gone, neither of which jupyter-book can see. It makes the pages of the named parameter sets (notebooks/parameter_sets),
executes the pages two at a time, and checks all of them afterwards. It builds nothing while the numbers in the prose
are not those of the recorded results.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import export_numbers
from check_pages import check_book, files_of, pages_of
from check_prose import check_prose
from execute import execute_pages
from parameter_sets import write_pages

from emotrace.experiments.reproduction import keep_comparisons, reproduce
from emotrace.study.profiles import get_profile
from emotrace.study.run import run_rows

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
BUILD = BOOK / "_build"
SHOWN = (
    *("data/results/**/*.parquet", "data/results/**/*.json", "data/results/**/*.csv", "data/paper/*.csv"),
    *("data/models/scale/*/card.json", "data/*.csv", "book/*.py", "book/*.csv"),
    *("src/emotrace/**/*.py", "notebooks/*.ipynb", "notebooks/parameter_sets/*.yaml"),
    *("book/numbers.json", "book/_ext/*.py", "data/phantom/test/audio/*", "work/live.csv"),
)
LIVE, LIVE_ROW = ROOT / "work" / "live.csv", "ECAPA-anon-T12-soft"  # features, pool, two stages, every recogniser
MARK = "shown.sha256"
GENERATED = "listening"  # folder of _static that a notebook fills
STRICT = ("-W", "-n", "--keep-going")  # warnings are errors, missing references are warnings, and all are listed


def digest_of_shown(root: Path) -> str:
    """sha256 over the names and bytes of all files that the notebooks show or compute with."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in SHOWN for path in root.glob(pattern)}):
        digest.update(f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def drop_stale_cache(build: Path, digest: str) -> None:
    """Remove executed notebooks and pages that were made from other results."""
    if not is_current(build, digest):
        shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True, exist_ok=True)
    (build / MARK).write_text(digest)


def is_current(build: Path, digest: str) -> bool:
    """Whether pages were made of just these files, and their numbers compared with them."""
    mark = build / MARK
    return mark.is_file() and mark.read_text() == digest


def generated_is_gone(build: Path, static: Path) -> bool:
    """Whether built pages refer to files that their notebooks made in ``static`` and that are no longer there.

    An executed notebook comes from the cache and does not make them again.
    """
    html = build / "html"
    made = html.resolve() / "_static" / GENERATED
    wanted = {path for page in html.rglob("*.html") for path in files_of(page) if path.is_relative_to(made)}
    return not all((static / GENERATED / path.relative_to(made)).is_file() for path in wanted)


def disagreements(compared: bool) -> list[str]:
    """Where numbers.json differs from the results, unless ``compared`` before, and prose from numbers.json."""
    written = json.loads(export_numbers.NUMBERS.read_text())
    differing = [] if compared else export_numbers.disagreements(written, export_numbers.export())
    return [*differing, *check_prose()]


def sources(toc: Path, source: Path = BOOK) -> list[Path]:
    """The files of the pages; of a notebook that is there twice, the one that Sphinx reads."""
    candidates = ([source / f"{page}.ipynb", source / f"{page}.md"] for page in pages_of(toc, source))
    return [next(file for file in files if file.is_file()) for files in candidates]


def reproduce_live() -> None:
    """Run what is missing or stale of the phantom, and reproduce one row of it on this machine."""
    profile = get_profile("phantom")
    run_rows(profile, profile.rows)
    rows = profile.select([LIVE_ROW])
    keep_comparisons(profile, rows, reproduce(profile, rows), LIVE)


def main() -> int:
    reproduce_live()
    digest = digest_of_shown(ROOT)
    if problems := disagreements(compared=is_current(BUILD, digest)):
        _tell(problems)
        print("book: after new results: python book/export_numbers.py, and reread what changed", file=sys.stderr)
        return 1
    if generated_is_gone(BUILD, BOOK / "_static"):
        shutil.rmtree(BUILD)
    drop_stale_cache(BUILD, digest)
    write_pages()
    execute_pages(sources(ROOT / "_toc.yml"), BUILD / ".jupyter_cache", ROOT / "_config.yml")
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
