"""The claims: the rule of the verdicts, the paper's own values, and results made to obey or contradict."""

from dataclasses import replace
from itertools import combinations, product

import frames
import numpy as np
import pandas as pd
import pytest
from frames import trial_lines, utterance_lines

from emotrace.analysis.bootstrap import Variance, p_value, t_interval
from emotrace.analysis.claims import (
    CLAIMS,
    DIFFERENT,
    MIXED,
    NO_MANIPULATION,
    NOT_MEASURED,
    OPPOSITE,
    OPPOSITE_IN_PART,
    REPRODUCED,
    REPRODUCED_IN_PART,
    ROWS_MISSING,
    TOO_SMALL,
    UNDECIDED,
    Claim,
    Test,
    cell_verdicts,
    claim_tests,
    holm,
    minus,
    overall,
    reported,
    verdicts,
)
from emotrace.analysis.contrasts import Contrast, metric
from emotrace.analysis.seeds import Seeds
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
    ("estimate", "sign", "p", "expected"),
    [
        (1.5, 1, 0.05, REPRODUCED),
        (-1.5, 1, 0.05, OPPOSITE),
        (-1.5, 1, 0.06, UNDECIDED),
        (-1.5, -1, 0.01, REPRODUCED),
        (1.5, -1, 0.01, OPPOSITE),
        (1.5, None, 0.01, REPRODUCED),
        (-1.5, None, 0.2, UNDECIDED),
        (0.5, 0, 0.04, REPRODUCED),
        (-9.0, 0, 0.04, DIFFERENT),
        (1.5, 0, 0.2, UNDECIDED),
    ],
)
def test_the_rule_treats_both_directions_alike(estimate, sign, p, expected):
    test = Test("a test", Contrast.of("uar", {"original": 1}), sign, margin=3.0 if sign == 0 else 0.0)
    assert test.verdict(estimate, p, width=5.9) == expected


def test_an_interval_wider_than_the_margin_decides_nothing():
    test = Test("a test", Contrast.of("uar", {"original": 1}), 0, margin=3.0)
    assert test.verdict(0.0, 0.2, width=6.1) == TOO_SMALL and test.verdict(0.0, 0.2, width=5.9) == UNDECIDED


def test_p_and_interval_agree():
    """An interval that just reaches zero, or the margin, has p = 0.05."""
    variances = [Variance(2.0, 11), Variance(1.0, 2)]
    low = t_interval(10.0, variances).low
    for sign, margin in ((1, 0.0), (0, 3.0)):
        test = Test("a test", Contrast.of("uar", {"original": 1}), sign, margin)
        assert p_value(test.distance(10.0 - low + margin), variances) == pytest.approx(0.05)


def test_holm_multiplies_by_the_tests_that_are_left():
    """Holm (1979): the smallest of m is multiplied by m, the next by m - 1, never below the one before."""
    p = pd.Series([0.04, np.nan, 0.01, 0.03, 0.5])
    assert holm(p).tolist() == pytest.approx([0.09, np.nan, 0.04, 0.09, 0.5], nan_ok=True)


def test_holm_is_the_closure_of_bonferroni(oracle):
    """Marcus, Peritz and Gabriel (1976): p of a test is the largest Bonferroni p of all sets of tests that hold it."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = rng.uniform(0, 0.2, 5)
        sets = [np.array(chosen) for size in range(1, 6) for chosen in combinations(range(5), size)]
        closed = [max(min(1.0, len(some) * p[some].min()) for some in sets if test in some) for test in range(5)]
        oracle("Holm's adjusted p", "Bonferroni, closed", holm(pd.Series(p)).to_numpy(), np.array(closed), 1e-12)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([REPRODUCED, REPRODUCED], REPRODUCED),
        ([OPPOSITE, OPPOSITE], OPPOSITE),
        ([REPRODUCED, UNDECIDED], REPRODUCED_IN_PART),
        ([OPPOSITE, UNDECIDED], OPPOSITE_IN_PART),
        ([DIFFERENT, DIFFERENT], DIFFERENT),
        ([REPRODUCED, UNDECIDED, OPPOSITE], MIXED),
        ([REPRODUCED_IN_PART, OPPOSITE_IN_PART], MIXED),
        ([TOO_SMALL, TOO_SMALL], TOO_SMALL),
        ([TOO_SMALL, UNDECIDED], UNDECIDED),
        ([REPRODUCED, NOT_MEASURED], REPRODUCED),
        ([NOT_MEASURED], NOT_MEASURED),
        ([], ROWS_MISSING),
    ],
)
def test_several_verdicts_make_one(said, expected):
    assert overall(said) == expected


def test_one_test_is_enough_where_a_claim_says_that_something_exists():
    assert overall([REPRODUCED, UNDECIDED, UNDECIDED], every=False) == REPRODUCED


def test_routes_are_told_by_the_rows():
    test = minus("none-T1", "original", "uar", "a test")
    assert test.route == "two-stage" and test.unified().route == "unified"
    assert test.unified().contrast.rows == {"unified-none-T1", "original"}
    assert minus("unified-none-T1", "none-T1", "uar", "a test").route == "both"
    controls = minus("official-control", "original", "uar", "a test")
    assert controls.unified() == controls


def test_a_test_is_written_once_and_asked_of_every_encoder_and_route():
    test = minus("ECAPA-anon-T6", "ECAPA-anon-T12-soft", "uar", "T6 instead of T12-soft")
    versions = {(each.encoder, each.route): each for each in test.versions}
    assert set(versions) == set(product(("HuBERT-mini", "Whisper base"), ("two-stage", "unified")))
    whisper = versions["Whisper base", "unified"]
    assert whisper.contrast.rows == {"unified-ECAPA-anon-W3", "unified-ECAPA-anon-W6-soft"}
    assert whisper.text == "W3 instead of W6-soft" and versions["HuBERT-mini", "two-stage"] == test
    controls = minus("official-control", "original", "uar", "a test")
    assert controls.versions == [controls] and controls.encoder == ""


def test_another_acted_corpus_has_lines_of_its_own(results):
    """On the other corpus sad speech of none-T1 is recognised as well as that of the recordings."""
    other = results.utterances.assign(corpus="acted", emotion_functionals=results.utterances["emotion_ge2e"])
    both = replace(results, utterances=pd.concat([results.utterances, other]))
    claim = Claim("X", "sad suffers", "a_page", (minus("none-T1", "original", "sad", "sad", -1),))
    titles = {"emotional": "RAVDESS", "acted": "nEMO"}
    lines = claim_tests(both, [claim], corpora=titles).query("recogniser == 'functionals'").set_index("corpus")
    assert lines["estimate"].to_dict() == pytest.approx({"RAVDESS": -80, "nEMO": 0})
    assert set(lines["contrast"]) == {"sad(none-T1) - sad(original)"} and set(lines["speakers"]) == {8}
    cells = cell_verdicts(lines.reset_index(), [claim]).set_index("corpus")["verdict"]
    assert cells.to_dict() == {"RAVDESS": REPRODUCED, "nEMO": UNDECIDED}


def test_without_the_manipulation_nothing_is_said(results):
    """The check asks for more wrong words in the recordings; there are fewer."""
    sad = minus("none-T1", "original", "sad", "sad", -1)
    check = minus("original", "none-T1", "wer_emotional", "check")
    for checks, expected in (((), REPRODUCED), ((check,), NO_MANIPULATION)):
        claim = Claim("X", "sad suffers", "a_page", (sad,), checks=checks)
        cells = cell_verdicts(claim_tests(results, [claim]), [claim]).set_index("recogniser")
        assert cells.at["functionals", "verdict"] == expected
        assert cells.at["functionals", "reproduced"] == 1


def test_seeds_widen_and_the_line_says_so(results):
    claim = Claim("X", "words suffer", "a_page", (minus("none-T1", "original", "wer_emotional", "words"),))
    twice = results.utterances.query("row == 'none-T1'").assign(row="none-T1@seed1", word_errors=5)
    seeds = Seeds(frames.results(pd.concat([results.utterances.query("row == 'none-T1'"), twice])))
    alone, both = (claim_tests(results, [claim], each).iloc[0] for each in (None, seeds))
    assert alone["over"] == "speakers" and both["over"] == "speakers, seeds of models"
    assert alone["verdict"] == REPRODUCED and both["verdict"] == UNDECIDED and both["low"] < alone["low"]


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
    lines = claim_tests(results, [claim])
    first = lines[lines["recogniser"] == "functionals"]
    assert first["estimate"].tolist() == pytest.approx([80, -80, -20])
    assert first["verdict"].tolist() == [REPRODUCED, REPRODUCED, DIFFERENT]
    assert set(lines["recogniser"]) == {"functionals", "ge2e"}
    assert verdicts(results, [claim])["verdict"].tolist() == [MIXED]


def test_a_claim_without_its_rows_is_said_to_lack_them(results):
    alone = replace(results, rows=("original",))
    assert set(verdicts(alone, CLAIMS)["verdict"]) == {"rows missing"}


def test_the_papers_own_numbers_obey_the_papers_claims():
    """C1 to C8 were read off table II: its values must lie on the side that each test states."""
    printed = [(claim.name, test, reported(test)) for claim in CLAIMS for test in (*claim.tests, *claim.checks)]
    printed = [(name, test, value) for name, test, value in printed if value == value]
    assert {name for name, _, _ in printed} == {"C1", "C2", "C3", "C4", "C5", "C6", "C8", "C13", "C14"}
    for name, test, value in printed:
        assert test.verdict(value, p=0.0) == REPRODUCED, (name, test.text, value)


def test_every_row_and_metric_of_the_claims_exists():
    known = {row.name for row in select_rows()}
    for claim in CLAIMS:
        assert {row.removeprefix("unified-") for row in claim.rows} <= known
        assert all(metric(term.metric).statistic for test in claim.tests for term in test.contrast.terms)
    assert [claim.name for claim in CLAIMS] == [f"C{number}" for number in range(1, 15)]
