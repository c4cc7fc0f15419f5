"""What the page of the claims shows: the paper's value, that of every profile at hand, and the verdicts."""

from collections.abc import Mapping
from textwrap import wrap

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from emotrace.show.notebook import readable, recorded_rows
from emotrace.study import Study
from emotrace.analysis.claims import CLAIMS, ROWS_MISSING, overall, reported, test_lines

PROFILES = ("scale", "phantom")
PAGES = {
    "h1_vocoder_mode_collapse": ("C7", "C8"),
    "h2_speaker_embeddings": ("C4", "C5", "C6"),
    "h3_ir_discretisation": ("C1", "C2", "C3", "C13"),
    "h4_acoustic_features": ("C9", "C10", "C11", "C12"),
}  # the hypothesis whose cells show what a claim is about
ANCHOR = "the-claims"  # of the section on each of those pages
DRAWN = ("C1", "C2", "C3", "C4", "C5", "C6")  # their tests are all in percentage points
LABEL = 28  # letters of a line of a label
STATEMENTS = 'class="statements"'  # narrow first column, wide second one

Recorded = Mapping[str, Study | None]


def open_recorded(n_bootstrap: int, seed: int = 0) -> dict[str, Study | None]:
    """The studies of PROFILES with every row that has results on disk, None where there is none. Nothing is run.

    Args:
        n_bootstrap: draws of speakers for an interval.
        seed: of the pseudo-speakers (0: the study's own) and of the bootstrap.
    """
    rows = {profile: recorded_rows(profile, [], layer=6, seed=seed) for profile in PROFILES}
    return {
        profile: Study(profile, found, seed=seed, n_bootstrap=n_bootstrap) if found else None
        for profile, found in rows.items()
    }


def claims_beside(studies: Recorded) -> pd.DataFrame:
    """One line per test of a claim: claim, text, test, paper (its statement), reported, and of each profile
    PROFILE, PROFILE_low, PROFILE_high, PROFILE_verdict ("rows missing" or "not measured" where it has no numbers).
    """
    table = pd.DataFrame(
        {
            "claim": claim.name,
            "text": claim.text,
            "test": test.text,
            "paper": test.statement,
            "reported": reported(test),
        }
        for claim in CLAIMS
        for test in claim.tests
    )
    for profile, study in studies.items():
        table = table.merge(_measured(profile, study), on=["claim", "test"], how="left", validate="one_to_one")
        table[f"{profile}_verdict"] = table[f"{profile}_verdict"].fillna(ROWS_MISSING)
    return table


def _measured(profile: str, study: Study | None) -> pd.DataFrame:
    columns = {"estimate": profile, "low": f"{profile}_low", "high": f"{profile}_high", "verdict": f"{profile}_verdict"}
    found = test_lines(study, CLAIMS) if study is not None else pd.DataFrame()
    return (
        found.reindex(columns=["claim", "test", *columns])
        .rename(columns=columns)
        .astype({"claim": str, "test": str, f"{profile}_verdict": object})
    )


def overview(table: pd.DataFrame) -> Styler:
    """One line per claim: what it says, its verdict in each profile, and the page that shows it."""
    claims = table.groupby("claim", sort=False)
    shown = pd.DataFrame({"statement": claims["text"].first()}).reset_index()
    for profile in _profiles(table):
        shown[profile] = list(claims[f"{profile}_verdict"].agg(lambda found: _claim_verdict(list(found))))
    shown["shown by"] = [link(name) for name in shown["claim"]]
    return readable(shown).set_table_attributes(STATEMENTS)


def details(table: pd.DataFrame, claim: str | None = None) -> Styler:
    """One line per test: the paper's value, each profile's with its interval, and the verdicts."""
    table = table if claim is None else table[table["claim"] == claim]
    shown = pd.DataFrame({"claim": table["claim"], "test": table["test"], "paper says": table["paper"]})
    shown["paper"] = ["" if np.isnan(value) else f"{value:+.2f}" for value in table["reported"]]
    for profile in _profiles(table):
        cells = table[[profile, f"{profile}_low", f"{profile}_high"]].astype(float).itertuples(index=False)
        shown[profile] = [_cell(*cell) for cell in cells]
        shown[f"verdict, {profile}"] = table[f"{profile}_verdict"]
    return readable(shown).set_table_attributes(STATEMENTS)


def link(claim: str) -> str:
    """HTML link to the section of the hypothesis that shows a claim; from another page of the same folder."""
    page = page_of(claim)
    return f'<a href="{page}.html#{ANCHOR}">{page.partition("_")[0].upper()}</a>'


def page_of(claim: str) -> str:
    """Name of the notebook that shows a claim."""
    return next(page for page, claims in PAGES.items() if claim in claims)


def _profiles(table: pd.DataFrame) -> list[str]:
    return [name.removesuffix("_verdict") for name in table if name.endswith("_verdict")]


def _claim_verdict(found: list[str]) -> str:
    return ROWS_MISSING if ROWS_MISSING in found else overall(found)


def _cell(estimate: float, low: float, high: float) -> str:
    return "" if np.isnan(estimate) else f"{estimate:+.1f} [{low:+.1f}, {high:+.1f}]"


def states(studies: Recorded) -> Styler:
    """One line per row and profile: whether its results belong to the present code, models and data."""
    lines = [
        {"profile": profile, "row": state.row, "state": state.state, "differs": ", ".join(state.reasons)}
        for profile, study in studies.items()
        for state in (study.states if study is not None else ())
    ]
    return readable(pd.DataFrame(lines, columns=["profile", "row", "state", "differs"]))


def recall_tests(table: pd.DataFrame) -> pd.DataFrame:
    """The tests of UAR and recalls, C1 to C6, as `figures.interval_figure` draws them, with the paper's values.

    Columns panel (the profile), line (claim and test), estimate, low, high, reported [points]; without
    what has no number.
    """
    chosen = table[table["claim"].isin(DRAWN)]
    lines = chosen["claim"] + ": " + chosen["test"]
    parts = [
        pd.DataFrame(
            {"panel": profile, "line": ["\n".join(wrap(line, LABEL)) for line in lines], "estimate": chosen[profile],
             "low": chosen[f"{profile}_low"], "high": chosen[f"{profile}_high"], "reported": chosen["reported"]}
        ).dropna(subset="estimate")
        for profile in _profiles(table)
    ]  # fmt: skip
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
