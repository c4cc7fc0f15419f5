"""Pages of the notebooks with other parameters: one for each file in notebooks/parameter_sets.

    title: H3 with layer 3
    notebook: h3_ir_discretisation
    why: one sentence, or several, on what is to be seen
    parameters: {layer: 3}

papermill puts the parameters in; the book executes the page, as any other. Alone: `python book/parameter_sets.py`.
"""

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import papermill
import yaml
from nbformat import NotebookNode

BOOK = Path(__file__).resolve().parent
NOTEBOOKS = BOOK.parent / "notebooks"
FOLDER = BOOK / "sets"
BESIDE = re.compile(r"\]\((?![a-z]+:|[#/.])")  # the beginning of a link to a file in the notebook's own folder
FIELDS = {"title", "notebook", "why", "parameters"}


class ParameterSetError(ValueError):
    """A parameter set that makes no page."""


def write_pages(notebooks: Path = NOTEBOOKS, folder: Path = FOLDER) -> list[Path]:
    """Write the page of every parameter set to ``folder``, and remove those of sets that are gone.

    Raises:
        ParameterSetError: a set lacks a field, or names a notebook or a parameter that does not exist.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return [_write_page(path, notebooks, folder) for path in sorted((notebooks / "parameter_sets").glob("*.yaml"))]


def _write_page(path: Path, notebooks: Path, folder: Path) -> Path:
    chosen = _read(path, notebooks)
    page, source = folder / f"{path.stem}.ipynb", notebooks / f"{chosen['notebook']}.ipynb"
    known = papermill.inspect_notebook(str(source))
    if unknown := sorted(set(chosen["parameters"]) - set(known)):
        raise ParameterSetError(
            f"{path}: {source.name} has no parameter {', '.join(unknown)}; it has {', '.join(known)}"
        )
    notebook = papermill.execute_notebook(
        str(source), None, parameters=chosen["parameters"], prepare_only=True, progress_bar=False
    )
    _forget_the_making(notebook)
    _keep_links(notebook)
    _introduce(notebook, chosen)
    nbformat.write(notebook, page)
    return page


def _read(path: Path, notebooks: Path) -> dict[str, Any]:
    chosen = yaml.safe_load(path.read_text())
    if not isinstance(chosen, dict) or set(chosen) != FIELDS or not isinstance(chosen["parameters"], dict):
        raise ParameterSetError(f"{path}: a parameter set has the fields {', '.join(sorted(FIELDS))}")
    if not (notebooks / f"{chosen['notebook']}.ipynb").is_file():
        there = ", ".join(sorted(other.stem for other in notebooks.glob("*.ipynb")))
        raise ParameterSetError(f"{path}: no notebook {chosen['notebook']}; there are {there}")
    return chosen


def _forget_the_making(notebook: NotebookNode) -> None:
    """Drop time stamps and random ids, which would make the page look new at every build."""
    notebook.metadata.pop("papermill", None)
    for number, cell in enumerate(notebook.cells):
        cell.metadata.pop("papermill", None)
        cell.id = f"cell-{number}"


def _keep_links(notebook: NotebookNode) -> None:
    """Let links to the other notebooks, which are no longer in the same folder, lead there all the same."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = BESIDE.sub("](../notebooks/", cell.source)


def _introduce(notebook: NotebookNode, chosen: dict[str, Any]) -> None:
    """Another heading, and what is different, before the notebook's own text."""
    first = notebook.cells[0]
    heading, _, text = first.source.partition("\n")
    values = ", ".join(f"`{name} = {value!r}`" for name, value in chosen["parameters"].items())
    note = f"This page is [{heading.lstrip('# ')}](../notebooks/{chosen['notebook']}) with {values}: {chosen['why']}"
    first.source = f"# {chosen['title']}\n\n```{{note}}\n{note}\n```\n{text}"


if __name__ == "__main__":
    for written in write_pages():
        print(written)
