"""The page of the claims: both profiles beside the paper, and what it says where rows or measurements are missing."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from frames import results, trial_lines, utterance_lines

from emotrace.analysis.claims import CLAIMS, CONTRADICTED, NOT_MEASURED, ROWS_MISSING, UNDECIDED
from emotrace.pipeline.rows import select_rows
from emotrace.show import claims_page
from emotrace.show.pages import open_recorded
from emotrace.study.results import Results

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture(scope="module")
def complete() -> Results:
    """All rows alike, but that ECAPA-anon-T12-soft calls a fifth of the sad utterances angry."""
    rows = tuple(row.name for row in select_rows() if not row.name.endswith("-IR"))
    called = {"ECAPA-anon-T12-soft": {"sad": "ang"}}
    lines = [line for row in rows for line in utterance_lines(row, called.get(row, {}), 1)]
    utterances = pd.DataFrame(lines).assign(loudness_lufs=-20.0)
    return results(utterances, trial_lines("original", "original", 2.0), n_bootstrap=50)


@pytest.fixture(scope="module")
def table(complete) -> pd.DataFrame:
    few = replace(complete, rows=("original", "ECAPA-anon-T12-soft"))
    return claims_page.claims_beside({"scale": complete, "phantom": few, "none": None})


def test_both_profiles_stand_beside_the_papers_value(table):
    sad = table[table["test"] == "recall of sad"].set_index(["claim", "profile"]).loc["C2"]
    assert sad.loc[["scale", "phantom"], "estimate"].tolist() == [-20, -20]
    assert sad["reported"].tolist() == pytest.approx([3.42 - 72.58] * 3)
    assert sad.at["scale", "low"] <= -20 <= sad.at["scale", "high"]
    assert table.groupby("profile").size().tolist() == [sum(len(claim.tests) for claim in CLAIMS)] * 3


def test_missing_rows_and_measurements_are_said(table):
    verdicts = table.groupby(["claim", "profile"])["verdict"].agg(set)
    assert verdicts["C1", "phantom"] == {ROWS_MISSING}
    assert verdicts["C11", "scale"] == {NOT_MEASURED}
    assert set().union(*verdicts.xs("none", level="profile")) == {ROWS_MISSING}
    shown = claims_page.overview(table).data.set_index("claim")
    assert shown.at["C9", "scale"] == NOT_MEASURED and shown.at["C9", "phantom"] == ROWS_MISSING
    assert shown.at["C5", "scale"] == UNDECIDED
    assert shown.at["C13", "scale"] in (UNDECIDED, CONTRADICTED)


def test_missing_numbers_leave_their_cells_empty(table):
    shown = claims_page.details(table, "C9").data
    assert set(shown["scale"]) == {""} and set(shown["verdict, scale"]) == {NOT_MEASURED}
    assert claims_page.details(table, "C2").data["scale"].str.startswith("-20.0<br><small>[").any()


def test_only_what_has_numbers_is_drawn(table):
    drawn = claims_page.recall_tests(table)
    assert drawn["estimate"].notna().all()
    assert {line[:2] for line in drawn.loc[drawn["panel"] == "phantom", "line"]} == {"C2", "C3"}
    assert set(drawn["panel"]) == {"scale", "phantom"}


def test_every_claim_links_to_a_section_that_exists():
    for page in {claim.page for claim in CLAIMS}:
        text = (NOTEBOOKS / f"{page}.md").read_text()
        headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^## (.*)$", text, re.MULTILINE)}
        assert claims_page.ANCHOR in headings
        assert claims_page.link(page).startswith(f'<a href="{page}.html#')


def test_what_is_recorded_is_opened_and_nothing_else_is_run(monkeypatch):
    monkeypatch.setattr("emotrace.study.study.run_rows", lambda *_, **__: pytest.fail("a row was run"))
    studies = open_recorded(20)
    assert set(studies) == {"scale", "phantom"}
    shown = claims_page.states(studies).data
    assert len(shown) == sum(len(study.rows) for study in studies.values() if study is not None)
