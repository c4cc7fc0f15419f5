"""The paper's claims C1 to C13 as tests with a rule: reproduced, contradicted or undecided.

A test is a weighted sum of metrics of rows and what the paper says of it. Its verdict follows from its interval alone:

- "above zero" (or below): reproduced where the whole interval lies there, contradicted where it lies on the other side;
- "within a margin": reproduced where the whole interval lies within, contradicted where it lies outside;
- else undecided at this size.

A claim is reproduced when all of its tests are, contradicted when one of them is, else undecided. A test whose rows or
measurements the results do not hold says so instead of a verdict.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emotrace.analysis.bootstrap import Interval
from emotrace.analysis.contrasts import COLUMNS, EMOTIONS, Contrast, TableError, Term
from emotrace.analysis.metrics import MetricError
from emotrace.paths import REPORTED
from emotrace.study.results import Results

REPRODUCED, CONTRADICTED, UNDECIDED = "reproduced", "contradicted", "undecided"
ROWS_MISSING, NOT_MEASURED = "rows missing", "not measured"
HUBERT_ROWS = ("none-T1", "ECAPA-orig-T6", "ECAPA-orig-T12-soft", "GST-orig-T12-soft", "none-T6", "ECAPA-anon-T6")
HUBERT_ROWS += ("ECAPA-anon-T12-soft",)
SAME_UAR = 3.0  # percentage points; the paper calls -0.15 similar


@dataclass(frozen=True)
class Test:
    """What the paper says of a contrast.

    Attributes:
        text: the statement, short.
        contrast: the sum that it is about.
        sign: +1 where the paper says above zero, -1 below, 0 within ``margin`` of zero.
        margin: in the unit of the metric.
    """

    __test__ = False  # no test of pytest's

    text: str
    contrast: Contrast
    sign: int = 1
    margin: float = 0.0

    @property
    def statement(self) -> str:
        """What the paper says of the sum, in words."""
        return {1: "above 0", -1: "below 0", 0: f"within ±{self.margin:g}"}[self.sign]

    def verdict(self, interval: Interval) -> str:
        """What the interval says of the statement."""
        if self.sign == 0:
            if -self.margin < interval.low and interval.high < self.margin:
                return REPRODUCED
            return CONTRADICTED if interval.low > self.margin or interval.high < -self.margin else UNDECIDED
        low, high = sorted((self.sign * interval.low, self.sign * interval.high))
        if low > 0:
            return REPRODUCED
        return CONTRADICTED if high < 0 else UNDECIDED


@dataclass(frozen=True)
class Claim:
    """One of C1 to C13.

    Attributes:
        name: "C1" and so on.
        text: what the paper claims.
        page: name of the notebook whose cells show what it is about.
        tests: all of them have to hold.
    """

    name: str
    text: str
    page: str
    tests: tuple[Test, ...]

    @property
    def rows(self) -> frozenset[str]:
        """The rows that its tests need."""
        return frozenset().union(*(test.contrast.rows for test in self.tests))


def minus(first: str, second: str, name: str, text: str, sign: int = 1, margin: float = 0.0) -> Test:
    """The test of metric ``name`` of one row minus that of another."""
    return Test(text, Contrast.of(name, {first: 1, second: -1}), sign, margin)


def test_lines(results: Results, claims: Iterable[Claim]) -> pd.DataFrame:
    """One line per test: claim, test, estimate, low, high, paper (its sign in words), reported, verdict.

    Claims whose rows the study does not have are left out. Where the results lack a measurement, the numbers are NaN
    and the verdict is "not measured".
    """
    lines = []
    for claim in claims:
        for test in claim.tests if claim.rows <= set(results.rows) else ():
            line = {"claim": claim.name, "test": test.text, **_judged(results, test), "paper": test.statement}
            lines.append(line | {"reported": reported(test)})
    return pd.DataFrame(lines)


def _judged(results: Results, test: Test) -> dict[str, object]:
    try:
        interval = test.contrast.interval(results)
    except (TableError, MetricError):
        return {"estimate": np.nan, "low": np.nan, "high": np.nan, "verdict": NOT_MEASURED}
    return {**interval._asdict(), "verdict": test.verdict(interval)}


def verdicts(results: Results, claims: Iterable[Claim]) -> pd.DataFrame:
    """One line per claim: claim, text, tests (how many), verdict; "rows missing" where the study lacks a row."""
    claims = list(claims)
    tested = test_lines(results, claims)
    lines = []
    for claim in claims:
        own = list(tested.loc[tested["claim"] == claim.name, "verdict"]) if len(tested) else []
        lines.append({"claim": claim.name, "text": claim.text, "tests": len(claim.tests), "verdict": overall(own)})
    return pd.DataFrame(lines)


def overall(verdicts: list[str]) -> str:
    """The verdict of a claim from those of its tests."""
    if not verdicts:
        return ROWS_MISSING
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    if NOT_MEASURED in verdicts:
        return NOT_MEASURED
    return REPRODUCED if set(verdicts) == {REPRODUCED} else UNDECIDED


def reported(test: Test) -> float:
    """The paper's own value of the sum, from the numbers of its table II; NaN where it does not print them."""
    table = pd.read_csv(REPORTED, index_col="row")
    return sum(term.factor * _reported(table, term) for term in test.contrast.terms)


def _reported(table: pd.DataFrame, term: Term) -> float:
    if term.row not in table.index or term.metric not in (*COLUMNS, "recall_spread"):
        return np.nan
    if term.metric == "recall_spread":
        return float(np.std([table.at[term.row, emotion] for emotion in EMOTIONS]))
    return float(table.at[term.row, term.metric])


_ORDER = ("ang", "hap", "neu", "sad")  # of the kurtosis medians in none-T1, from high to low
_STEPS = tuple(zip(_ORDER, _ORDER[1:], strict=False))
H1, H2 = "h1_vocoder_mode_collapse", "h2_speaker_embeddings"
H3, H4 = "h3_ir_discretisation", "h4_acoustic_features"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C1",
        "T6 instead of T12-soft raises UAR",
        H3,
        (
            minus("ECAPA-anon-T6", "ECAPA-anon-T12-soft", "uar", "anonymised"),
            minus("ECAPA-orig-T6", "ECAPA-orig-T12-soft", "uar", "own speaker"),
        ),
    ),
    Claim(
        "C2",
        "Recall spreads more over the emotions than for originals; sad and neutral fail",
        H3,
        (
            minus("ECAPA-anon-T12-soft", "original", "recall_spread", "spread of recalls"),
            minus("ECAPA-anon-T12-soft", "original", "sad", "recall of sad", -1),
            minus("ECAPA-anon-T12-soft", "original", "neu", "recall of neutral", -1),
        ),
    ),
    Claim(
        "C3",
        "Sad becomes angry under ECAPA-anon-T12-soft, and recall of angry exceeds that of originals",
        H3,
        (
            minus("ECAPA-anon-T12-soft", "original", "sad_called_ang", "sad recognised as angry"),
            minus("ECAPA-anon-T12-soft", "original", "ang", "recall of angry"),
        ),
    ),
    Claim(
        "C4",
        "Anonymising the embedding costs less UAR than the soft encoding",
        H2,
        (
            minus("ECAPA-anon-T6", "ECAPA-orig-T6", "uar", "anonymising costs, T6", -1),
            minus("ECAPA-anon-T12-soft", "ECAPA-orig-T12-soft", "uar", "anonymising costs, T12-soft", -1),
            Test(
                "soft encoding costs more (speaker anonymised in both)",
                Contrast.of("uar", {"ECAPA-anon-T6": 2, "ECAPA-anon-T12-soft": -1, "ECAPA-orig-T6": -1}),
            ),
        ),
    ),
    Claim(
        "C5",
        "No speaker embedding at T6 is worse than one",
        H2,
        (
            minus("none-T6", "ECAPA-orig-T6", "uar", "none - own", -1),
            minus("none-T6", "ECAPA-anon-T6", "uar", "none - anonymised", -1),
        ),
    ),
    Claim(
        "C6",
        "GST and ECAPA give similar UAR, GST more balanced",
        H2,
        (
            minus("GST-orig-T12-soft", "ECAPA-orig-T12-soft", "uar", "UAR", 0, margin=SAME_UAR),
            minus("GST-orig-T12-soft", "ECAPA-orig-T12-soft", "sad", "recall of sad"),
            minus("GST-orig-T12-soft", "ECAPA-orig-T12-soft", "recall_spread", "spread of recalls", -1),
        ),
    ),
    Claim(
        "C7",
        "none-T1 keeps most of the UAR: the vocoder is not the main culprit",
        H1,
        (
            Test(
                "none-T1 loses less than half of what ECAPA-anon-T12-soft loses",
                Contrast.of("uar", {"none-T1": 1, "original": -0.5, "ECAPA-anon-T12-soft": -0.5}),
            ),
        ),
    ),
    Claim(
        "C8",
        "WER of emotional speech rises for every system, that of read speech hardly",
        H1,
        tuple(
            Test(
                f"{row}: emotional WER rises more than read",
                Contrast(
                    (
                        Term(row, "wer_emotional"),
                        Term("original", "wer_emotional", -1.0),
                        Term(row, "wer_read", -1.0),
                        Term("original", "wer_read"),
                    )
                ),
            )
            for row in HUBERT_ROWS
        ),
    ),
    Claim(
        "C9",
        "The upper tail of the centroid goes up after synthesis",
        H4,
        tuple(minus(row, "original", "centroid_p99", f"{row}: 99th percentile of frames") for row in HUBERT_ROWS),
    ),
    Claim(
        "C10",
        "Kurtosis medians and outliers rise after synthesis, except for none-T1",
        H4,
        tuple(
            minus(row, "original", name, f"{row}: {what}", -1 if row == "none-T1" else 1)
            for row in HUBERT_ROWS
            for name, what in (("kurtosis_median", "median of frames"), ("kurtosis_p99", "99th percentile of frames"))
        ),
    ),
    Claim(
        "C11",
        "In none-T1 the kurtosis medians order angry > happy > neutral > sad",
        H4,
        tuple(
            Test(
                f"{more} above {less}",
                Contrast(
                    (Term("none-T1", f"kurtosis_median_{more}"), Term("none-T1", f"kurtosis_median_{less}", -1.0))
                ),
            )
            for more, less in _STEPS
        ),
    ),
    Claim(
        "C12",
        "T12-soft lowers the median loudness",
        H4,
        (
            minus("ECAPA-orig-T12-soft", "original", "loudness_median", "ECAPA-orig-T12-soft", -1),
            minus("ECAPA-anon-T12-soft", "original", "loudness_median", "ECAPA-anon-T12-soft", -1),
            minus("GST-orig-T12-soft", "original", "loudness_median", "GST-orig-T12-soft", -1),
        ),
    ),
    Claim(
        "C13",
        "UAR alone is not enough: rows of one UAR differ in their recalls",
        H3,
        (
            minus("GST-orig-T12-soft", "ECAPA-orig-T12-soft", "uar", "same UAR", 0, margin=SAME_UAR),
            minus("GST-orig-T12-soft", "ECAPA-orig-T12-soft", "sad", "other recall of sad"),
        ),
    ),
)
