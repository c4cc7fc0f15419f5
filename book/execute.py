"""Execute the pages two at a time, into the cache in which Sphinx looks for them. Used by build.py.

Sphinx executes one page after the other, and half of a page's time goes into loading libraries. A page that fails here
is left to Sphinx, which executes it again and says what is wrong with it.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core.config import NbParserConfig
from myst_nb.core.read import create_nb_reader
from myst_parser.config.main import MdParserConfig
from nbformat import NotebookNode

PAGES_AT_A_TIME = 2
TIMEOUT = 1200  # seconds for a cell
LONGEST = ("listening_room", "own_anonymizer", "h4", "h3", "explorer", "h1")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def execute_pages(pages: Iterable[Path], cache_folder: Path, config: Path) -> list[Path]:
    """Execute those of the pages that hold code and are not in the cache; returns the pages executed.

    ``config``: the book's _config.yml, whose extensions decide what is a cell.
    """
    cache = get_cache(str(cache_folder))
    found = {page: notebook for page in pages if (notebook := read_page(page, config)) is not None}
    cached = {record.hashkey for record in cache.list_cache_records()}
    open_pages = [page for page in found if cache.create_hashed_notebook(found[page])[1] not in cached]
    open_pages.sort(key=lambda page: not page.stem.startswith(LONGEST))
    executed = []
    os.environ |= {name: "1" for name in THREADS if name not in os.environ}  # two kernels share the cores
    with ThreadPoolExecutor(PAGES_AT_A_TIME) as pool:
        results = pool.map(lambda page: _execute(found[page], page.parent), open_pages)
        for page, result in zip(open_pages, results, strict=True):
            if result.err is None:
                data = {"execution_seconds": result.time}
                bundle = CacheBundleIn(found[page], str(page), data=data)
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
                print(f"book: executed {page.name} in {result.time:.1f} s", flush=True)
                executed.append(page)
    return executed


def read_page(page: Path, config: Path) -> NotebookNode | None:
    """A page as MyST-NB reads it, .ipynb or text; None where it has no code to execute."""
    text = page.read_text()
    extensions = set(yaml.safe_load(config.read_text())["parse"]["myst_enable_extensions"])
    reader = create_nb_reader(str(page), MdParserConfig(enable_extensions=extensions), NbParserConfig(), text)
    notebook = reader.read(text) if reader else None
    return notebook if notebook and any(cell.cell_type == "code" for cell in notebook.cells) else None


def _execute(notebook: NotebookNode, folder: Path) -> ExecutionResult:
    return single_nb_execution(notebook, cwd=str(folder), allow_errors=False, timeout=TIMEOUT, meta_override=True)
