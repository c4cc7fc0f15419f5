"""`jupyter-book build` and plain `sphinx-build`, after `jupyter-book config sphinx`, make the same pages."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("_ext", "_static", "references.bib", "emotrace.bib", "numbers.json", "export_numbers.py", "glossary.md")
TOC = "format: jb-book\nroot: index\nchapters:\n  - file: glossary\n"
INDEX = """# A small book

Text with a {term}`row` and $x^2$.

(reported-table)=
## Numbers

{{ paper.original.uar }}
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    for name in NEEDED:
        path = ROOT / "book" / name
        copy = shutil.copytree if path.is_dir() else shutil.copyfile
        copy(path, folder / name)
    shutil.copyfile(ROOT / "_config.yml", folder / "_config.yml")
    (folder / "_toc.yml").write_text(TOC)
    (folder / "index.md").write_text(INDEX)
    return folder


def run(*command: object, **environment: object) -> None:
    program = Path(sys.executable).with_name(str(command[0]))
    environment = os.environ | {name: str(value) for name, value in environment.items()}
    done = subprocess.run([program, *map(str, command[1:])], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def article(page: Path) -> str:
    return re.search(r"<article.*?</article>", page.read_text(), re.DOTALL)[0]


def test_both_ways_make_the_same_pages(source):
    run("jupyter-book", "build", source, "--path-output", source / "one")
    run("jupyter-book", "config", "sphinx", source)
    # conf.py names our extensions, but not their folder
    run("sphinx-build", "-b", "html", source, source / "other", PYTHONPATH=source / "_ext")
    pages = [source / "one" / "_build" / "html", source / "other"]
    for name in ("index.html", "glossary.html"):
        first, second = (article(folder / name) for folder in pages)
        assert first == second
    assert "71.06 %" in article(pages[0] / "index.html")
    for folder in pages:
        page = (folder / "index.html").read_text()
        assert 'name="description"' in page and "fontawesome.js" not in page and "<math" in page
