"""What holds of every notebook without running it; `pytest --nbval-lax` runs them."""

import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from papermill.inspection import inspect_notebook

from emotrace.analysis.claims import CLAIMS
from emotrace.paths import PACKAGE

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
ROWS = {"profile": "str", "rows": "list[str]", "layer": "int"}
BOOTSTRAP = {"seed": "int", "n_bootstrap": "int"}
PARAMETERS = {  # of the others: all of both
    "claims": BOOTSTRAP,
    "explorer": ROWS | BOOTSTRAP | {"first": "str"},
    "listening_room": ROWS | {"seed": "int", "speaker": "str"},
}
SECTIONS = ["The answer", "What would change our mind", "Everything else"]
FOLDED = ["The claims", "Rerun it yourself", "Provenance"]  # the last of what is folded
GLUED = re.compile(r"```\{glue:figure\} \w+_(people|synthetic)\n:name: [\w-]+\n:alt: .{30,}\n\n(?:.+\n)+```")
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def _code(path: Path) -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_one_notebook_per_hypothesis_and_three_across_them():
    found = [path.stem.partition("_")[0] for path in NOTEBOOKS]
    assert found == ["claims", "explorer", "h1", "h2", "h3", "h4", "listening"]


@every_notebook
def test_paired_text_is_in_sync(path):
    def content(notebook):
        return [
            (cell.cell_type, cell.source, cell.metadata.get("tags"), cell.metadata.get("mystnb"))
            for cell in notebook.cells
        ]

    assert content(nbformat.read(path, as_version=4)) == content(jupytext.read(path.with_suffix(".md")))


@every_notebook
def test_committed_without_outputs(path):
    assert [cell for cell in _code(path) if cell.outputs or cell.execution_count is not None] == []


@every_notebook
def test_papermill_knows_type_and_help_of_every_parameter(path):
    found = inspect_notebook(str(path))
    expected = PARAMETERS.get(path.stem, ROWS | BOOTSTRAP)
    assert {name: parameter["inferred_type_name"] for name, parameter in found.items()} == expected
    assert [name for name, parameter in found.items() if len(parameter["help"]) < 10] == []


@every_notebook
def test_every_figure_cell_has_one_figure_with_alt_text(path):
    """Or gives it to the page, whose text has alt and caption."""
    cells = [cell for cell in _code(path) if "_figure(" in cell.source]
    assert cells
    for cell in (cell for cell in cells if "glue(" not in cell.source):
        assert cell.source.count("_figure(") == 1
        assert len(cell.metadata["mystnb"]["image"]["alt"]) > 40


@every_notebook
def test_says_that_the_phantom_is_no_evidence(path):
    prose = " ".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    assert "no evidence about people" in " ".join(prose.split())


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem.startswith("h")], ids=lambda path: path.stem)
def test_a_hypothesis_is_an_answer_a_figure_for_each_speech_and_the_rest_folded(path):
    text = path.with_suffix(".md").read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert re.findall(r"^### (.*)$", text, re.MULTILINE)[-len(FOLDED) :] == FOLDED
    shown = text[text.index("## The answer") : text.index("## Everything else")]
    assert "people" in GLUED.findall(shown) and len(GLUED.findall(shown)) == shown.count("{glue:figure}")
    assert shown.index("\n**") < shown.index("{glue:figure}")  # a verdict comes first


@every_notebook
def test_cells_are_short_and_define_nothing(path):
    for cell in _code(path):
        assert len(cell.source.splitlines()) <= 16
        assert "def " not in cell.source and "class " not in cell.source


def test_the_page_of_every_claim_has_the_section_that_the_overview_links_to():
    assert "page }}.html#the-claims" in (PACKAGE / "show" / "claims.html.j2").read_text()
    for page in {claim.page for claim in CLAIMS}:
        assert "\n### The claims\n" in (FOLDER / f"{page}.md").read_text()
