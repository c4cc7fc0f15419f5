"""Pages of named parameter sets: the notebook with its parameters put in, a heading of its own, clear refusals."""

import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[2]
NOTEBOOK = """# A study: how?

Some text.

```{code-cell} ipython3
:tags: [parameters]

rows: list[str] = [
    "original",
    "none-T6",
]  # rows of table II
layer: int = 6  # of HuBERT
seed: int = 0
```
"""
SET = {"title": "A study at layer 3", "notebook": "study", "why": "to see.", "parameters": {"layer": 3}}


@pytest.fixture(scope="module")
def parameter_sets():
    sys.path.insert(0, str(ROOT / "book"))
    import parameter_sets

    sys.path.remove(str(ROOT / "book"))
    return parameter_sets


@pytest.fixture
def notebooks(tmp_path):
    folder = tmp_path / "notebooks"
    (folder / "parameter_sets").mkdir(parents=True)
    header = "---\nkernelspec:\n  display_name: Python 3\n  language: python\n  name: python3\n---\n\n"
    jupytext.write(jupytext.reads(header + NOTEBOOK, fmt="md:myst"), folder / "study.ipynb")
    return folder


def write_set(notebooks: Path, name: str = "study_3", **changes) -> None:
    (notebooks / "parameter_sets" / f"{name}.yaml").write_text(yaml.safe_dump(SET | changes))


def test_a_page_has_the_rows_of_its_notebook_and_the_parameters_of_its_set(parameter_sets, notebooks, tmp_path):
    write_set(notebooks)
    (page,) = parameter_sets.write_pages(notebooks, tmp_path / "sets")
    assert page.name == "study_3.ipynb"
    given = [
        cell
        for cell in nbformat.read(page, as_version=4).cells
        if "injected-parameters" in cell.metadata.get("tags", [])
    ]
    names: dict[str, object] = {}
    exec(given[0].source, names)
    assert names["rows"] == ["original", "none-T6"] and names["changed"] == {"layer": 3}


def test_a_page_has_its_own_heading_and_says_what_is_different(parameter_sets, notebooks, tmp_path):
    write_set(notebooks)
    (page,) = parameter_sets.write_pages(notebooks, tmp_path / "sets")
    first = nbformat.read(page, as_version=4).cells[0].source
    assert first.startswith("# A study at layer 3\n") and "TITLE" not in first and "NOTE" not in first
    assert "What changes against [A study: how?](../notebooks/study) with `layer = 3`: to see." in first


def test_pages_are_the_same_at_every_build_and_go_with_their_set(parameter_sets, notebooks, tmp_path):
    write_set(notebooks)
    write_set(notebooks, "other", parameters={"seed": 1})
    before = {page.name: page.read_bytes() for page in parameter_sets.write_pages(notebooks, tmp_path / "sets")}
    after = {page.name: page.read_bytes() for page in parameter_sets.write_pages(notebooks, tmp_path / "sets")}
    assert before == after and len(before) == 2
    (notebooks / "parameter_sets" / "other.yaml").unlink()
    parameter_sets.write_pages(notebooks, tmp_path / "sets")
    assert [page.name for page in (tmp_path / "sets").iterdir()] == ["study_3.ipynb"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"notebook": "missing"}, "no notebook missing; there are study"),
        ({"parameters": {"layers": 3}}, "study.ipynb has no parameter layers; it has rows, layer, seed"),
        ({"parameters": 3}, "has the fields"),
        ({"note": "more"}, "has the fields"),
    ],
)
def test_a_set_that_makes_no_page_is_refused(parameter_sets, notebooks, tmp_path, changes, message):
    write_set(notebooks, **changes)
    with pytest.raises(parameter_sets.ParameterSetError, match=message):
        parameter_sets.write_pages(notebooks, tmp_path / "sets")


def test_the_sets_of_the_book_make_pages_that_it_lists(parameter_sets, tmp_path):
    pages = parameter_sets.write_pages(folder=tmp_path / "sets")
    assert len(pages) >= 2
    sys.path.insert(0, str(ROOT / "book"))
    from check_pages import pages_of

    sys.path.remove(str(ROOT / "book"))
    assert {f"sets/{page.stem}" for page in pages} <= set(pages_of(ROOT / "_toc.yml", tmp_path))
