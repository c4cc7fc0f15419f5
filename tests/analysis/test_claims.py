"""The claims: the rule of the verdicts, the paper's own values, and results made to obey or contradict."""

from dataclasses import replace

import frames
import pandas as pd
import pytest
from frames import trial_lines, utterance_lines

from emotrace.analysis.bootstrap import Interval
from emotrace.analysis.claims import (
    CLAIMS,
    CONTRADICTED,
    REPRODUCED,
    UNDECIDED,
    Claim,
    Test,
    claim_tests,
    minus,
    overall,
    reported,
    verdicts,
)
from emotrace.analysis.contrasts import Contrast, metric
from emotrace.pipeline.rows import select_rows
from emotrace.study.results import Results

claim_tests.__test__ = False


@pytest.fixture(scope="module")
def results() -> Results:
    """Sad speech of none-T1 is always called angry, in one utterance of five that of the original."""
    lines = utterance_lines("original", {"sad": "ang"}, 1) + utterance_lines("none-T1", {}, 3)
    utterances = pd.DataFrame(lines)
    utterances.loc[(utterances["row"] == "none-T1") & (utterances["emotion"] == "sad"), "emotion_functionals"] = "ang"
    return frames.results(utterances, trial_lines("original", "original", 2.0))


@pytest.mark.parametrize(
    ("interval", "sign", "expected"),
    [
        ((1, 2), 1, REPRODUCED),
        ((-2, -1), 1, CONTRADICTED),
        ((-1, 1), 1, UNDECIDED),
        ((-2, -1), -1, REPRODUCED),
        ((1, 2), -1, CONTRADICTED),
        ((0, 2), -1, UNDECIDED),
        ((-1, 2), 0, REPRODUCED),
        ((-1, 4), 0, UNDECIDED),
        ((3.5, 4), 0, CONTRADICTED),
        ((-9, -4), 0, CONTRADICTED),
    ],
)
def test_the_rule(interval, sign, expected):
    test = Test("a test", Contrast.of("uar", {"original": 1}), sign, margin=3.0)
    assert test.verdict(Interval(sum(interval) / 2, *interval)) == expected


def test_a_claim_stands_or_falls_with_its_tests():
    assert overall([REPRODUCED, REPRODUCED]) == REPRODUCED
    assert overall([REPRODUCED, UNDECIDED]) == UNDECIDED
    assert overall([REPRODUCED, UNDECIDED, CONTRADICTED]) == CONTRADICTED
    assert overall([]) == "rows missing"


def test_estimates_are_the_differences_that_were_made(results):
    claim = Claim(
        "X",
        "sad becomes angry",
        "a_page",
        (
            minus("none-T1", "original", "sad_called_ang", "sad called angry"),
            minus("none-T1", "original", "sad", "recall of sad", -1),
            minus("none-T1", "original", "uar", "the same UAR", 0, margin=3.0),
        ),
    )
    lines = claim_tests(results, [claim]).set_index("test")
    assert lines["estimate"].tolist() == pytest.approx([80, -80, -20])
    assert lines["verdict"].tolist() == [REPRODUCED, REPRODUCED, CONTRADICTED]
    assert verdicts(results, [claim])["verdict"].tolist() == [CONTRADICTED]


def test_a_claim_without_its_rows_is_said_to_lack_them(results):
    alone = replace(results, rows=("original",))
    assert set(verdicts(alone, CLAIMS)["verdict"]) == {"rows missing"}


def test_the_papers_own_numbers_obey_the_papers_claims():
    """C1 to C8 were read off table II: its values must lie on the side that each test states."""
    printed = [(claim.name, test, reported(test)) for claim in CLAIMS for test in claim.tests]
    printed = [(name, test, value) for name, test, value in printed if value == value]
    assert {name for name, _, _ in printed} == {"C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C13"}
    for name, test, value in printed:
        assert test.verdict(Interval(value, value, value)) == REPRODUCED, (name, test.text, value)


def test_every_row_and_metric_of_the_claims_exists():
    known = {row.name for row in select_rows()}
    for claim in CLAIMS:
        assert claim.rows <= known
        assert all(metric(term.metric).statistic for test in claim.tests for term in test.contrast.terms)
    assert [claim.name for claim in CLAIMS] == [f"C{number}" for number in range(1, 14)]
