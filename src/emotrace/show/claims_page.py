"""What the page of the claims shows: the paper's value, that of every profile at hand, and the verdicts."""

from collections.abc import Iterable, Mapping
from textwrap import wrap

import pandas as pd
from pandas.io.formats.style import Styler

from emotrace.analysis.claims import CLAIMS, ROWS_MISSING, Claim, overall, reported, test_lines
from emotrace.show.tables import interval_texts, number_texts, readable
from emotrace.study.results import Results
from emotrace.study.study import StudyResults

ANCHOR = "the-claims"  # of the section on the page of each claim
DRAWN = ("C1", "C2", "C3", "C4", "C5", "C6")  # their tests are all in percentage points
LABEL = 28  # letters of a line of a label
STATEMENTS = 'class="statements"'  # narrow first column, wide second one


def claims_beside(studies: Mapping[str, Results | None], claims: Iterable[Claim] = CLAIMS) -> pd.DataFrame:
    """One line per profile and test of a claim, by profile.

    Columns profile, claim, text, page, test, paper (its statement), reported, estimate, low, high, verdict. Where a
    profile has no numbers, the verdict is "rows missing" or "not measured".
    """
    claims = tuple(claims)
    tests = pd.DataFrame(
        {"claim": claim.name, "text": claim.text, "page": claim.page, "test": test.text, "paper": test.statement}
        | {"reported": reported(test)}
        for claim in claims
        for test in claim.tests
    )
    parts = []
    for profile, results in studies.items():
        measured = pd.DataFrame() if results is None else test_lines(results, claims)
        measured = measured.reindex(columns=["claim", "test", "estimate", "low", "high", "verdict"])
        measured = measured.astype({"claim": str, "test": str, "verdict": object})
        part = tests.merge(measured, on=["claim", "test"], how="left", validate="one_to_one")
        parts.append(part.assign(profile=profile, verdict=part["verdict"].fillna(ROWS_MISSING)))
    return pd.concat(parts, ignore_index=True)


def overview(table: pd.DataFrame) -> Styler:
    """One line per claim: what it says, its verdict in each profile, and the page that shows it."""
    verdicts = table.groupby(["claim", "profile"], sort=False)["verdict"].agg(list).map(_of_claim).unstack(sort=False)
    claims = table.groupby("claim", sort=False)[["text", "page"]].first()
    shown = claims["text"].rename("statement").to_frame().join(verdicts)
    shown["shown by"] = claims["page"].map(link)
    return readable(shown.reset_index()).set_table_attributes(STATEMENTS)


def _of_claim(verdicts: list[str]) -> str:
    return ROWS_MISSING if ROWS_MISSING in verdicts else overall(verdicts)


def details(table: pd.DataFrame, claim: str | None = None) -> Styler:
    """One line per test: the paper's value, each profile's with its interval, and the verdicts."""
    table = table if claim is None else table[table["claim"] == claim]
    profiles = {name: part.reset_index(drop=True) for name, part in table.groupby("profile", sort=False)}
    first = next(iter(profiles.values()))
    shown = first[["claim", "test", "paper"]].rename(columns={"paper": "paper says"})
    shown["paper"] = number_texts(first["reported"], "+.2f")
    for name, part in profiles.items():
        shown[name] = interval_texts(part, "+.1f")
        shown[f"verdict, {name}"] = part["verdict"]
    return readable(shown).set_table_attributes(STATEMENTS)


def link(page: str) -> str:
    """HTML link to the section on the claims of a page; from another page of the same folder."""
    return f'<a href="{page}.html#{ANCHOR}">{page.partition("_")[0].upper()}</a>'


def states(studies: Mapping[str, StudyResults | None]) -> Styler:
    """One line per row and profile: whether its results belong to the present code, models and data."""
    lines = [
        {"profile": profile, "row": state.name, "state": state.state, "differs": ", ".join(state.reasons)}
        for profile, study in studies.items()
        for state in (study.states if study is not None else ())
    ]
    return readable(pd.DataFrame(lines, columns=["profile", "row", "state", "differs"]))


def recall_tests(table: pd.DataFrame) -> pd.DataFrame:
    """The tests of UAR and recalls, C1 to C6, as `figures.interval_figure` draws them; without what has no number."""
    drawn = table[table["claim"].isin(DRAWN)].dropna(subset="estimate")
    lines = ["\n".join(wrap(line, LABEL)) for line in drawn["claim"] + ": " + drawn["test"]]
    return drawn.assign(panel=drawn["profile"], line=lines)
