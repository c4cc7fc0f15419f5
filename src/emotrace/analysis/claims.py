"""The paper's claims as tests with a rule: reproduced, opposite sign here, or undecided.

A test is a weighted sum of metrics of rows and what the paper says of it: above zero, below, within a margin of zero,
or other than zero. Its interval holds speakers and, as far as they are recorded, seeds. Tests of a claim are corrected
for their number (Holm, Scandinavian Journal of Statistics 1979), in each cell:

- an encoder: HuBERT, in whose rows the claims are written, or another one, whose first, middle and last layer take the
  place of T1, T6 and T12;
- two-stage: the rows of table II, an acoustic model and the universal HiFi-GAN; unified: the same rows by one network
  from the representation to the waveform, as the paper has it; both: rows of the two compared;
- an acted corpus;
- a recogniser of emotion; "" where a test has nothing to do with them.

The rule treats both directions alike. A test is decided where its corrected p is at most `ALPHA`: reproduced on the
paper's side, opposite or different on the other. "Cannot be decided at this size": the interval is wider than twice
the margin, so no estimate would put it within. `overall` puts the tests of a claim together, and then its routes and
recognisers.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pandas as pd

from emotrace.analysis.bootstrap import UNDEFINED, Interval, measured, p_value, t_interval
from emotrace.analysis.contrasts import COLUMNS, EMOTIONS, Contrast, TableError
from emotrace.analysis.metrics import MetricError
from emotrace.analysis.seeds import Seeds, has_models, row_named, seeds_of
from emotrace.paths import REPORTED
from emotrace.representation.spec import ENCODERS
from emotrace.study.groups import BY_ONE, at_layers_of, counterparts
from emotrace.study.results import Results

REPRODUCED, OPPOSITE, DIFFERENT = "reproduced", "opposite sign here", "different here"
UNDECIDED, TOO_SMALL = "undecided", "cannot be decided at this size"
REPRODUCED_IN_PART, OPPOSITE_IN_PART, MIXED = "reproduced in part", "opposite in part", "mixed"
ROWS_MISSING, NOT_MEASURED, NO_MANIPULATION = "rows missing", "not measured", "manipulation not shown"
ALPHA = 0.05
N_BOOTSTRAP = 10_000  # draws for verdicts
SAME_UAR = 3.0  # percentage points; the paper calls -0.15 similar
SAME_KURTOSIS = 0.5  # of medians of two emotions
ONE_READER = "the read corpus has one reader: no interval over readers"
CELL = ["claim", "encoder", "route", "corpus", "recogniser"]


@dataclass(frozen=True)
class Test:
    """What the paper says of a contrast.

    Attributes:
        text: the statement, short.
        contrast: the sum that it is about.
        sign: +1 where the paper says above zero, -1 below, 0 within ``margin`` of zero, None other than zero.
        margin: in the unit of the metric.
    """

    __test__ = False  # no test of pytest's

    text: str
    contrast: Contrast
    sign: int | None = 1
    margin: float = 0.0

    @property
    def statement(self) -> str:
        """What the paper says of the sum, in words."""
        return {1: "above 0", -1: "below 0", 0: f"within ±{self.margin:g}", None: "other than 0"}[self.sign]

    @property
    def route(self) -> str:
        """Which rows it compares: "two-stage", "unified" or "both"."""
        routes = {row.startswith(BY_ONE) for row in self.contrast.rows if has_models(row)}
        return "both" if len(routes) > 1 else "unified" if True in routes else "two-stage"

    @property
    def encoder(self) -> str:
        """The label of the encoder of its rows; "" where they have none."""
        found = (row_named(row.removeprefix(BY_ONE)) for row in self.contrast.rows)
        return next((row.ir.encoder.label for row in found if row and row.ir and row.ir.encoder.label), "")

    def unified(self) -> "Test":
        """The same test of rows by unified vocoders; itself where some of its rows are."""
        if any(row.startswith(BY_ONE) for row in self.contrast.rows):
            return self
        names = {row: f"{BY_ONE}{row}" for row in self.contrast.rows if has_models(row)}
        return replace(self, contrast=self.contrast.of_rows(names))

    def by(self, encoder: str) -> "Test":
        """The same test of rows by another encoder, e.g. "whisper"; its text names their layers."""
        names = counterparts(encoder)
        both = names | {f"{BY_ONE}{row}": f"{BY_ONE}{other}" for row, other in names.items()}
        return replace(self, text=at_layers_of(encoder, self.text), contrast=self.contrast.of_rows(both))

    @property
    def versions(self) -> "list[Test]":
        """The same test by every encoder and route, each once."""
        by_encoder = [self.by(encoder) for encoder in ENCODERS]
        return list(dict.fromkeys([*by_encoder, *(test.unified() for test in by_encoder)]))

    def distance(self, estimate: float) -> float:
        """From an estimate to the bound that decides: zero, or the margin."""
        return abs(abs(estimate) - self.margin)

    def verdict(self, estimate: float, p: float, width: float = 0.0) -> str:
        """What an estimate says of the statement, by its corrected p and the width of its interval."""
        if p > ALPHA:
            return TOO_SMALL if self.sign == 0 and width > 2 * self.margin else UNDECIDED
        if self.sign is None:
            return REPRODUCED
        if self.sign == 0:
            return REPRODUCED if abs(estimate) < self.margin else DIFFERENT
        return REPRODUCED if self.sign * estimate > 0 else OPPOSITE


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        name: "C1" and so on.
        text: what the paper claims.
        page: name of the notebook whose cells show what it is about.
        tests: what has to hold.
        every: whether all tests have to hold, or one of them is enough.
        checks: of the manipulation; where they are not reproduced, the tests say nothing of the claim.
    """

    name: str
    text: str
    page: str
    tests: tuple[Test, ...] = ()
    every: bool = True
    checks: tuple[Test, ...] = ()

    @property
    def rows(self) -> frozenset[str]:
        """The rows that its tests need."""
        return frozenset().union(*(test.contrast.rows for test in (*self.tests, *self.checks)))

    def tested_by(self, *tests: Test) -> "Claim":
        """The same claim with its tests."""
        return replace(self, tests=tests)


def minus(first: str, second: str, name: str, text: str, sign: int | None = 1, margin: float = 0.0) -> Test:
    """The test of metric ``name`` of one row minus that of another."""
    return Test(text, Contrast.of(name, {first: 1, second: -1}), sign, margin)


def claim_tests(
    results: Results,
    claims: Iterable[Claim],
    seeds: Seeds | None = None,
    corpora: Mapping[str, str] = MappingProxyType({"emotional": ""}),
) -> pd.DataFrame:
    """One line per test, encoder, route, acted corpus and recogniser.

    Columns claim, encoder, route, corpus, recogniser, test, check (of the manipulation), contrast (in symbols),
    estimate, low, high (95 %, uncorrected), over (what the interval holds), speakers (in the smallest part), p
    (corrected by Holm), verdict, why (not measured), paper (its statement in words), reported. ``corpora``: titles of
    the acted corpora, by name. Tests whose rows the study does not have are left out. Where the results lack a
    measurement, the numbers are NaN.
    """
    lines = []
    for name, title in corpora.items():
        own = results.on(name)
        for claim, test, check, each in _tests_of(claims, set(own.rows)):
            for recogniser in own.all_recognisers if test.contrast.of_emotion else ("",):
                line = {"claim": claim.name, "encoder": each.encoder, "route": each.route, "corpus": title}
                line |= {"recogniser": recogniser, "check": check, **_measured(own, each, recogniser, seeds or Seeds())}
                lines.append(line | {"paper": test.statement, "reported": reported(test)})
    kept = ["test", "check", "contrast", *Interval._fields, "over", "speakers", "p", "verdict", "why"]
    table = pd.DataFrame(lines, columns=[*CELL, *kept, "paper", "reported", "of"])
    table["p"] = table.groupby([*CELL, "check"])["p"].transform(holm)
    table["verdict"] = [
        line.verdict if np.isnan(line.p) else line.of.verdict(line.estimate, line.p, line.high - line.low)
        for line in table.itertuples()
    ]
    return table.drop(columns="of")


def _tests_of(claims: Iterable[Claim], rows: set[str]) -> Iterator[tuple[Claim, Test, bool, Test]]:
    """Claim, test, whether it checks the manipulation, and every version of it that has its rows."""
    for claim in claims:
        for test in (*claim.tests, *claim.checks):
            for each in test.versions:
                if each.contrast.rows <= rows:
                    yield claim, test, test in claim.checks, each


def holm(p: pd.Series) -> pd.Series:
    """p values corrected for their number; NaN are no tests and stay."""
    ordered = p.dropna().sort_values()
    corrected = (ordered * np.arange(len(ordered), 0, -1)).cummax().clip(upper=1)
    return corrected.reindex(p.index)


def verdicts(results: Results, claims: Iterable[Claim], seeds: Seeds | None = None) -> pd.DataFrame:
    """One line per claim: claim, text, tests (how many), verdict; "rows missing" where the study lacks its rows."""
    claims = list(claims)
    cells = cell_verdicts(claim_tests(results, claims, seeds), claims)
    return pd.DataFrame(
        {"claim": claim.name, "text": claim.text, "tests": len(claim.tests)}
        | {"verdict": overall(cells.loc[cells["claim"] == claim.name, "verdict"])}
        for claim in claims
    )


def cell_verdicts(lines: pd.DataFrame, claims: Iterable[Claim]) -> pd.DataFrame:
    """Verdicts by cell, from the lines of `claim_tests`: columns claim, encoder, route, corpus, recogniser, verdict,
    tests, reproduced, opposite (how many of the tests are)."""
    known, found, checked = {claim.name: claim for claim in claims}, [], lines["check"].astype(bool)
    for cell, own in lines[~checked].groupby(CELL, sort=False):
        of_cell = dict(zip(CELL, cell, strict=True))
        claim, said = known[of_cell["claim"]], list(own["verdict"])
        same = [*CELL[:-1]]  # a check of speakers asks no recogniser of emotion
        checks = lines[checked & (lines[same] == pd.Series(of_cell)[same]).all(axis=1)]
        verdict = overall(said, every=claim.every)
        if claim.checks and set(checks["verdict"]) != {REPRODUCED}:
            verdict = NO_MANIPULATION
        counts = {"tests": len(said), "reproduced": said.count(REPRODUCED)}
        counts["opposite"] = said.count(OPPOSITE) + said.count(DIFFERENT)
        found.append(of_cell | {"verdict": verdict} | counts)
    return pd.DataFrame(found, columns=[*CELL, "verdict", "tests", "reproduced", "opposite"])


def overall(verdicts: Iterable[str], *, every: bool = True) -> str:
    """One verdict of several, of tests or of cells.

    Reproduced where all are, opposite where all are; in part where the others are undecided; mixed where there are
    both. With ``every=False`` one that is reproduced is enough. What was not measured does not count beside what was.
    """
    said = [verdict for verdict in verdicts if verdict != ROWS_MISSING]
    if not said:
        return ROWS_MISSING
    said = [verdict for verdict in said if verdict != NOT_MEASURED]
    if not said:
        return NOT_MEASURED
    for_it = {REPRODUCED, REPRODUCED_IN_PART} & set(said)
    against = {OPPOSITE, DIFFERENT, OPPOSITE_IN_PART} & set(said)
    if not every and for_it:
        return REPRODUCED
    if MIXED in said or (for_it and against):
        return MIXED
    if for_it:
        return REPRODUCED if set(said) == {REPRODUCED} else REPRODUCED_IN_PART
    if against:
        whole = set(said) <= {OPPOSITE, DIFFERENT}
        return (OPPOSITE if OPPOSITE in said else DIFFERENT) if whole else OPPOSITE_IN_PART
    return said[0] if len(set(said)) == 1 else UNDECIDED


def _measured(results: Results, test: Test, recogniser: str, seeds: Seeds) -> dict[str, object]:
    """The numbers of one test; its p is not corrected, and NaN where the test is not measured."""
    unknown = {"test": test.text, "of": test, "contrast": str(test.contrast), **UNDEFINED._asdict(), "over": ""}
    unknown |= {"speakers": 0, "p": np.nan}
    try:
        parts = test.contrast.parts(results, recogniser or None)
        estimate, variances = measured(parts, n=results.n_bootstrap, seed=results.seed)
        further = seeds.variances(test.contrast, results, recogniser or None)
    except (TableError, MetricError) as error:
        return unknown | {"verdict": NOT_MEASURED, "why": str(error)}
    found = t_interval(estimate, [*variances, *further.values()])._asdict()
    found["speakers"] = min(part.frame["speaker"].nunique() for part in parts)
    if "utterance" in {part.by for part in parts}:
        return unknown | found | {"over": "utterances of one reader", "verdict": NOT_MEASURED, "why": ONE_READER}
    over = ", ".join(["speakers", *map(seeds_of, further)])
    p = p_value(test.distance(estimate), [*variances, *further.values()])
    return unknown | found | {"over": over, "p": p, "why": ""}


def reported(test: Test) -> float:
    """The paper's own value of the sum, from the numbers of its table II; NaN where it does not print them."""
    table = pd.read_csv(REPORTED, index_col="row")[list(COLUMNS)]
    printed = table.assign(recall_spread=table[list(EMOTIONS)].std(axis=1, ddof=0)).stack()
    return sum(term.factor * printed.get((term.row, term.metric), np.nan) for term in test.contrast.terms)


H1, H2 = "h1_vocoder_mode_collapse", "h2_speaker_embeddings"
H3, H4 = "h3_ir_discretisation", "h4_acoustic_features"
T6_OWN, T6_ANON = "ECAPA-orig-T6", "ECAPA-anon-T6"
SOFT_OWN, SOFT_ANON, SOFT_GST = "ECAPA-orig-T12-soft", "ECAPA-anon-T12-soft", "GST-orig-T12-soft"
SOFT_UNIFIED = f"{BY_ONE}{SOFT_OWN}"
HUBERT_ROWS = ("none-T1", T6_OWN, SOFT_OWN, SOFT_GST, "none-T6", T6_ANON, SOFT_ANON)
ORDER = ("ang", "hap", "neu", "sad")  # of the kurtosis medians in none-T1, from high to low


def _kurtosis_gap(row: str, more: str, less: str) -> Contrast:
    """Kurtosis median of one emotion minus that of another, in one row."""
    return Contrast.of(f"kurtosis_median_{more}", {row: 1}) + Contrast.of(f"kurtosis_median_{less}", {row: -1})


def hides_more(first: str, second: str) -> Test:
    """The test that one row hides speakers better than another from the strongest attacker, as VoicePrivacy ranks."""
    women, men = (Contrast.of(f"eer_strongest_{each}", {first: 0.5, second: -0.5}) for each in "fm")
    return Test(f"{first} hides more: mean EER of women and men", women + men)


EXCHANGED = (hides_more(T6_ANON, T6_OWN), hides_more(SOFT_ANON, SOFT_OWN))
"""The manipulation behind every effect of anonymisation: another embedding has to hide the speaker better."""
CLAIMS: tuple[Claim, ...] = (
    Claim("C1", "T6 instead of T12-soft raises UAR", H3).tested_by(
        minus(T6_ANON, SOFT_ANON, "uar", "anonymised"),
        minus(T6_OWN, SOFT_OWN, "uar", "own speaker"),
    ),
    Claim("C2", "Recall spreads more over the emotions than for originals; sad and neutral fail", H3).tested_by(
        minus(SOFT_ANON, "original", "recall_spread", "spread of recalls"),
        minus(SOFT_ANON, "original", "sad", "recall of sad", -1),
        minus(SOFT_ANON, "original", "neu", "recall of neutral", -1),
        minus(SOFT_OWN, "original", "recall_spread", "spread of recalls, own voice"),
        minus(SOFT_OWN, "original", "sad", "recall of sad, own voice", -1),
        minus(SOFT_OWN, "original", "neu", "recall of neutral, own voice", -1),
    ),
    Claim(
        "C3", "Sad becomes angry under ECAPA-anon-T12-soft, and recall of angry exceeds that of originals", H3
    ).tested_by(
        minus(SOFT_ANON, "original", "sad_called_ang", "sad recognised as angry"),
        minus(SOFT_ANON, "original", "ang", "recall of angry"),
        minus(SOFT_OWN, "original", "sad_called_ang", "sad recognised as angry, own voice"),
        minus(SOFT_OWN, "original", "ang", "recall of angry, own voice"),
    ),
    Claim("C4", "Anonymising the embedding costs less UAR than the soft encoding", H2, checks=EXCHANGED).tested_by(
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
    Claim("C7", "The vocoder is not the main culprit: a spectrogram through it keeps most of the UAR", H1).tested_by(
        *(
            Test(
                f"log-mel loses less than half of what {row} loses",
                Contrast.of("uar", {"log-mel": 1, "original": -0.5, row: -0.5}),
            )
            for row in (SOFT_ANON, SOFT_OWN)
        )
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
    Claim(
        "C10", "Kurtosis medians and outliers rise after synthesis, but for none-T1; read speech: ECAPA-anon's", H4
    ).tested_by(
        *(
            minus(row, "original", name, f"{row}: {what}")
            for row in HUBERT_ROWS[1:]
            for name, what in (("kurtosis_median", "median of frames"), ("kurtosis_p99", "99th percentile of frames"))
        ),
        *(
            minus(row, "original", "kurtosis_median_read", f"{row}: median of frames, read speech")
            for row in (T6_ANON, SOFT_ANON)
        ),
    ),
    Claim(
        "C11", "In none-T1 the kurtosis medians order angry > happy > neutral > sad; in other rows they do not", H4
    ).tested_by(
        *(
            Test(f"none-T1: {more} above {less}", _kurtosis_gap("none-T1", more, less))
            for more, less in pairwise(ORDER)
        ),
        *(
            Test(f"{row}: angry and sad alike", _kurtosis_gap(row, "ang", "sad"), 0, SAME_KURTOSIS)
            for row in HUBERT_ROWS[1:]
        ),
    ),
    Claim("C12", "T12-soft lowers the median loudness (of versions with the same peak)", H4).tested_by(
        *(minus(row, "original", "loudness_peak_matched_median", row, -1) for row in (SOFT_OWN, SOFT_ANON, SOFT_GST))
    ),
    Claim("C13", "UAR alone is not enough: a recall changes otherwise than UAR does", H3, every=False).tested_by(
        *(
            Test(
                f"{first} - {second}: {name} against UAR",
                Contrast.of(name, {first: 1, second: -1}) + Contrast.of("uar", {first: -1, second: 1}),
                None,
            )
            for first, second in ((SOFT_GST, SOFT_OWN), (SOFT_UNIFIED, SOFT_OWN))
            for name in EMOTIONS
        )
    ),
    Claim("C14", "T6 instead of T1, without a speaker embedding, is the largest single step down in UAR", H3).tested_by(
        minus("none-T6", "none-T1", "uar", "none-T6 - none-T1", -1)
    ),
)
