"""The paper's claims C1 to C13 as tests with a rule: reproduced, contradicted or undecided.

A test is a weighted sum of metrics of rows and what the paper says of it. Its verdict follows from its interval alone:

- "above zero" (or below): reproduced where the whole interval lies there, contradicted where it lies on the other side;
- "within a margin": reproduced where the whole interval lies within, contradicted where it lies outside;
- else undecided at this size.

A claim is reproduced when all of its tests are, contradicted when one of them is, else undecided. A test whose rows or
measurements the results do not hold says so instead of a verdict.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from emotrace.analysis.bootstrap import UNDEFINED, Interval
from emotrace.analysis.contrasts import COLUMNS, EMOTIONS, Contrast, TableError
from emotrace.analysis.metrics import MetricError
from emotrace.paths import REPORTED
from emotrace.study.results import Results

REPRODUCED, CONTRADICTED, UNDECIDED = "reproduced", "contradicted", "undecided"
ROWS_MISSING, NOT_MEASURED = "rows missing", "not measured"
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
    tests: tuple[Test, ...] = ()

    @property
    def rows(self) -> frozenset[str]:
        """The rows that its tests need."""
        return frozenset().union(*(test.contrast.rows for test in self.tests))

    def tested_by(self, *tests: Test) -> "Claim":
        """The same claim with its tests."""
        return replace(self, tests=tests)


def minus(first: str, second: str, name: str, text: str, sign: int = 1, margin: float = 0.0) -> Test:
    """The test of metric ``name`` of one row minus that of another."""
    return Test(text, Contrast.of(name, {first: 1, second: -1}), sign, margin)


def claim_tests(results: Results, claims: Iterable[Claim]) -> pd.DataFrame:
    """One line per test: claim, test, estimate, low, high, paper (its sign in words), reported, verdict.

    Claims whose rows the study does not have are left out. Where the results lack a measurement, the numbers are NaN
    and the verdict is "not measured".
    """
    lines = []
    for claim in claims:
        for test in claim.tests if claim.rows <= set(results.rows) else ():
            try:
                interval = test.contrast.interval(results)
                verdict = test.verdict(interval)
            except (TableError, MetricError):
                interval, verdict = UNDEFINED, NOT_MEASURED
            line = {"claim": claim.name, "test": test.text, **interval._asdict(), "verdict": verdict}
            lines.append(line | {"paper": test.statement, "reported": reported(test)})
    return pd.DataFrame(lines, columns=["claim", "test", *Interval._fields, "verdict", "paper", "reported"])


def verdicts(results: Results, claims: Iterable[Claim]) -> pd.DataFrame:
    """One line per claim: claim, text, tests (how many), verdict; "rows missing" where the study lacks a row."""
    claims = list(claims)
    tested = claim_tests(results, claims).groupby("claim")["verdict"].agg(list)
    return pd.DataFrame(
        {"claim": claim.name, "text": claim.text, "tests": len(claim.tests)}
        | {"verdict": overall(tested.get(claim.name, []))}
        for claim in claims
    )


def overall(verdicts: list[str]) -> str:
    """The verdict of a claim from those of its tests."""
    if not verdicts:
        return ROWS_MISSING
    for decisive in (CONTRADICTED, NOT_MEASURED):
        if decisive in verdicts:
            return decisive
    return REPRODUCED if set(verdicts) == {REPRODUCED} else UNDECIDED


def reported(test: Test) -> float:
    """The paper's own value of the sum, from the numbers of its table II; NaN where it does not print them."""
    table = pd.read_csv(REPORTED, index_col="row")[list(COLUMNS)]
    printed = table.assign(recall_spread=table[list(EMOTIONS)].std(axis=1, ddof=0)).stack()
    return sum(term.factor * printed.get((term.row, term.metric), np.nan) for term in test.contrast.terms)


H1, H2 = "h1_vocoder_mode_collapse", "h2_speaker_embeddings"
H3, H4 = "h3_ir_discretisation", "h4_acoustic_features"
T6_OWN, T6_ANON = "ECAPA-orig-T6", "ECAPA-anon-T6"
SOFT_OWN, SOFT_ANON, SOFT_GST = "ECAPA-orig-T12-soft", "ECAPA-anon-T12-soft", "GST-orig-T12-soft"
HUBERT_ROWS = ("none-T1", T6_OWN, SOFT_OWN, SOFT_GST, "none-T6", T6_ANON, SOFT_ANON)
ORDER = ("ang", "hap", "neu", "sad")  # of the kurtosis medians in none-T1, from high to low

CLAIMS: tuple[Claim, ...] = (
    Claim("C1", "T6 instead of T12-soft raises UAR", H3).tested_by(
        minus(T6_ANON, SOFT_ANON, "uar", "anonymised"),
        minus(T6_OWN, SOFT_OWN, "uar", "own speaker"),
    ),
    Claim("C2", "Recall spreads more over the emotions than for originals; sad and neutral fail", H3).tested_by(
        minus(SOFT_ANON, "original", "recall_spread", "spread of recalls"),
        minus(SOFT_ANON, "original", "sad", "recall of sad", -1),
        minus(SOFT_ANON, "original", "neu", "recall of neutral", -1),
    ),
    Claim(
        "C3", "Sad becomes angry under ECAPA-anon-T12-soft, and recall of angry exceeds that of originals", H3
    ).tested_by(
        minus(SOFT_ANON, "original", "sad_called_ang", "sad recognised as angry"),
        minus(SOFT_ANON, "original", "ang", "recall of angry"),
    ),
    Claim("C4", "Anonymising the embedding costs less UAR than the soft encoding", H2).tested_by(
        minus(T6_ANON, T6_OWN, "uar", "anonymising costs, T6", -1),
        minus(SOFT_ANON, SOFT_OWN, "uar", "anonymising costs, T12-soft", -1),
        Test(
            "soft encoding costs more (speaker anonymised in both)",
            Contrast.of("uar", {T6_ANON: 2, SOFT_ANON: -1, T6_OWN: -1}),
        ),
    ),
    Claim("C5", "No speaker embedding at T6 is worse than one", H2).tested_by(
        minus("none-T6", T6_OWN, "uar", "none - own", -1),
        minus("none-T6", T6_ANON, "uar", "none - anonymised", -1),
    ),
    Claim("C6", "GST and ECAPA give similar UAR, GST more balanced", H2).tested_by(
        minus(SOFT_GST, SOFT_OWN, "uar", "UAR", 0, margin=SAME_UAR),
        minus(SOFT_GST, SOFT_OWN, "sad", "recall of sad"),
        minus(SOFT_GST, SOFT_OWN, "recall_spread", "spread of recalls", -1),
    ),
    Claim("C7", "none-T1 keeps most of the UAR: the vocoder is not the main culprit", H1).tested_by(
        Test(
            "none-T1 loses less than half of what ECAPA-anon-T12-soft loses",
            Contrast.of("uar", {"none-T1": 1, "original": -0.5, SOFT_ANON: -0.5}),
        ),
    ),
    Claim("C8", "WER of emotional speech rises for every system, that of read speech hardly", H1).tested_by(
        *(
            Test(
                f"{row}: emotional WER rises more than read",
                Contrast.of("wer_emotional", {row: 1, "original": -1})
                + Contrast.of("wer_read", {row: -1, "original": 1}),
            )
            for row in HUBERT_ROWS
        )
    ),
    Claim("C9", "The upper tail of the centroid goes up after synthesis", H4).tested_by(
        *(minus(row, "original", "centroid_p99", f"{row}: 99th percentile of frames") for row in HUBERT_ROWS)
    ),
    Claim("C10", "Kurtosis medians and outliers rise after synthesis, except for none-T1", H4).tested_by(
        *(
            minus(row, "original", name, f"{row}: {what}", -1 if row == "none-T1" else 1)
            for row in HUBERT_ROWS
            for name, what in (("kurtosis_median", "median of frames"), ("kurtosis_p99", "99th percentile of frames"))
        )
    ),
    Claim("C11", "In none-T1 the kurtosis medians order angry > happy > neutral > sad", H4).tested_by(
        *(
            Test(
                f"{more} above {less}",
                Contrast.of(f"kurtosis_median_{more}", {"none-T1": 1})
                + Contrast.of(f"kurtosis_median_{less}", {"none-T1": -1}),
            )
            for more, less in pairwise(ORDER)
        )
    ),
    Claim("C12", "T12-soft lowers the median loudness", H4).tested_by(
        *(minus(row, "original", "loudness_median", row, -1) for row in (SOFT_OWN, SOFT_ANON, SOFT_GST))
    ),
    Claim("C13", "UAR alone is not enough: rows of one UAR differ in their recalls", H3).tested_by(
        minus(SOFT_GST, SOFT_OWN, "uar", "same UAR", 0, margin=SAME_UAR),
        minus(SOFT_GST, SOFT_OWN, "sad", "other recall of sad"),
    ),
)
