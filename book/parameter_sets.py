"""Pages of a notebook with other parameters: what changes against the main result. One for each file in
notebooks/parameter_sets.

    title: H3 with layer 3
    notebook: h3_ir_discretisation
    why: one sentence, or several, on what is to be seen
    parameters: {layer: 3}

The page is difference.md, for the rows of the notebook. The book executes it, as any other. Alone:
`python book/parameter_sets.py`.
"""

import ast
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jupytext
import nbformat
import papermill
import yaml
from nbformat import NotebookNode

BOOK = Path(__file__).resolve().parent
NOTEBOOKS = BOOK.parent / "notebooks"
FOLDER = BOOK / "sets"
TEMPLATE = BOOK / "difference.md"
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
    rows = ast.literal_eval(known["rows"]["default"].strip()) if "rows" in known else []
    given = {"rows": rows, "changed": chosen["parameters"]}
    with TemporaryDirectory() as folder_of_template:
        template = Path(folder_of_template) / page.name
        jupytext.write(jupytext.read(TEMPLATE), template)
        options = {"parameters": given, "prepare_only": True, "progress_bar": False}
        notebook = papermill.execute_notebook(str(template), None, **options)
    _forget_the_making(notebook)
    _introduce(notebook, chosen, nbformat.read(source, as_version=4).cells[0].source.partition("\n")[0].lstrip("# "))
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


def _introduce(notebook: NotebookNode, chosen: dict[str, Any], heading: str) -> None:
    """The set's title, and what is different, in the place of the template's words."""
    values = ", ".join(f"`{name} = {value!r}`" for name, value in chosen["parameters"].items())
    note = f"What changes against [{heading}](../notebooks/{chosen['notebook']}) with {values}: {chosen['why']}"
    first = notebook.cells[0]
    first.source = first.source.replace("TITLE", chosen["title"]).replace("NOTE", note)


if __name__ == "__main__":
    for written in write_pages():
        print(written)
