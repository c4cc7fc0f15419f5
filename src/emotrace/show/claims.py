"""The claims as a reader looks at them: a matrix of verdicts, and below it every claim with its tests.

A cell of the matrix has a symbol for each recogniser and leads to its claim. There every test has a bar: its interval
on the axis of the test, zero in the middle, and what the table of the paper gives.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from IPython.display import HTML

from emotrace.analysis import claims as rule
from emotrace.analysis.claims import CELL, Claim, overall
from emotrace.pipeline.results import MATCHED
from emotrace.show.tables import interval_text
from emotrace.study.results import label_of

TEMPLATE = "claims.html.j2"
SYMBOLS = {
    rule.REPRODUCED: ("✓", "for"),
    rule.REPRODUCED_IN_PART: ("(✓)", "for"),
    rule.OPPOSITE: ("✗", "against"),
    rule.OPPOSITE_IN_PART: ("(✗)", "against"),
    rule.DIFFERENT: ("≠", "against"),
    rule.MIXED: ("±", "mixed"),
    rule.UNDECIDED: ("?", "open"),
    rule.TOO_SMALL: ("?", "open"),
    rule.NO_MANIPULATION: ("–", "open"),
    rule.NOT_MEASURED: ("·", "open"),
    rule.ROWS_MISSING: ("·", "open"),
}
"""Symbol and class of a verdict, in the order of the legend."""
ROUTES = {"two-stage": "two stages", "unified": "unified", "both": "both"}
WIDEST = 0.98  # of the ends of a claim's intervals lie on its axis


def claim_matrix(cells: pd.DataFrame, claims: Sequence[Claim]) -> HTML:
    """Claims and routes by encoders and corpora: in each cell the verdict of every recogniser, and of all on a corpus.

    ``cells``: lines of `analysis.claims.cell_verdicts`, of one study or of several below each other.
    """
    columns = list(dict.fromkeys(zip(cells["encoder"], cells["corpus"], strict=True)))
    lines = []
    for claim in claims:
        own = cells[cells["claim"] == claim.name]
        together = own.groupby("corpus", sort=False)["verdict"].agg(overall)
        whole = "; ".join(f"{corpus}: {verdict}" for corpus, verdict in together.items())
        routes = [route for route in ROUTES if route in set(own["route"])]
        for route in routes:
            of_route = own[own["route"] == route]
            found = [_cell(of_route, *column) for column in columns]
            spanned = len(routes) if route == routes[0] else 0
            lines.append({"claim": claim, "whole": whole, "spanned": spanned, "route": ROUTES[route], "cells": found})
    used = set(cells["verdict"])
    legend = [(symbol, kind, verdict) for verdict, (symbol, kind) in SYMBOLS.items() if verdict in used]
    usual = dict.fromkeys(_title(name) for name in cells["recogniser"] if name and not name.endswith(MATCHED))
    matched = cells["recogniser"].str.endswith(MATCHED).any()
    return _render("matrix", columns=columns, lines=lines, legend=legend, recognisers=list(usual), matched=matched)


def claim_strip(cells: pd.DataFrame, claims: Sequence[Claim], page: str) -> HTML:
    """One symbol for each claim, over all cells of a study, leading to it on ``page``, and how many of each verdict."""
    of_claim = {claim.name: list(cells.loc[cells["claim"] == claim.name, "verdict"]) for claim in claims}
    found = {name: overall(verdicts) if verdicts else rule.ROWS_MISSING for name, verdicts in of_claim.items()}
    counts = pd.Series(found).value_counts()
    marks = [(claim, found[claim.name], *SYMBOLS[found[claim.name]]) for claim in claims]
    return _render("strip", marks=marks, counts=[(n, verdict) for verdict, n in counts.items()], page=page)


def _cell(of_route: pd.DataFrame, encoder: str, corpus: str) -> list[dict[str, str]]:
    """Symbol, class and title of every verdict of a cell of the matrix; those of matched recognisers begin a line."""
    own = of_route[(of_route["encoder"] == encoder) & (of_route["corpus"] == corpus)]
    matched = own["recogniser"].str.endswith(MATCHED)
    return [
        {"symbol": SYMBOLS[line.verdict][0], "kind": SYMBOLS[line.verdict][1], "begins": begins}
        | {"title": f"{_title(line.recogniser)}: {line.verdict}".removeprefix(": ")}
        for line, begins in zip(own.itertuples(), matched & ~matched.shift(fill_value=True), strict=True)
    ]


def claim_tests(tests: pd.DataFrame, claims: Sequence[Claim]) -> HTML:
    """Every claim, folded, with all its tests: measured, the paper's, an interval drawn, p and verdict.

    ``tests``: lines of `analysis.claims.claim_tests`, of one study or of several below each other.
    """
    parts = []
    for claim in claims:
        own = tests[tests["claim"] == claim.name]
        groups = [
            {"cell": ", ".join(part for part in (encoder, ROUTES[route], corpus) if part)}
            | {"lines": list(_lines(of_cell, own))}
            for (encoder, route, corpus), of_cell in own.groupby(CELL[1:4], sort=False)
        ]
        parts.append({"claim": claim, "groups": groups})
    return _render("tests", parts=parts)


def _lines(tests: pd.DataFrame, of_claim: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The tests of a cell as text, with the places of their bars in percent of the axis of their unit."""
    for test in tests.itertuples():
        span = _span(of_claim[of_claim["test"] == test.test])
        places = {
            name: f"{np.clip(50 + 50 * value / span, 0, 100):.1f}"
            for name, value in (("low", test.low), ("high", test.high), ("at", test.estimate), ("paper", test.reported))
            if not np.isnan(value)
        }
        yield {
            **{"test": test.test, "recogniser": _title(test.recogniser), "says": test.paper, "places": places},
            "measured": interval_text(test.estimate, test.low, test.high, "+.1f"),
            "paper": "" if np.isnan(test.reported) else f"{test.reported:+.2f}",
            **{"p": "" if np.isnan(test.p) else f"{test.p:.3f}", "verdict": test.verdict, "over": test.over},
            "kind": SYMBOLS[test.verdict][1],
        }


def _span(tests: pd.DataFrame) -> float:
    """Half the axis of a test: nearly all ends of its intervals lie on it."""
    ends = tests[["low", "high", "reported"]].abs().to_numpy(float)
    return float(np.quantile(ends[np.isfinite(ends)], WIDEST)) or 1.0 if np.isfinite(ends).any() else 1.0


def _title(recogniser: str) -> str:
    return label_of(recogniser) if recogniser else ""


def _render(part: str, **values: Any) -> HTML:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    options = {"autoescape": True, "undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    return HTML(jinja2.Environment(loader=loader, **options).get_template(TEMPLATE).render(part=part, **values))
