"""Seeds as a source of variance: known by construction, and none where there is none."""

import frames
import numpy as np
import pandas as pd
import pytest
from frames import utterance_lines

from emotrace.analysis.bootstrap import Variance
from emotrace.analysis.contrasts import Contrast
from emotrace.analysis.seeds import Seeds
from emotrace.study.results import Results

WRONG = "emotion_functionals"


@pytest.fixture(scope="module")
def twice() -> Results:
    """The second seed of none-T1 has 20 points more wrong words, of every speaker alike; of T12-soft 40 points less."""
    lines = []
    for row, errors in (("none-T1", 3), ("ECAPA-orig-T12-soft", 6)):
        lines += utterance_lines(row, {}, errors) + utterance_lines(f"{row}@seed1", {}, {3: 5, 6: 2}[errors])
    return frames.results(lines)


def difference(first: str, second: str, name: str = "wer_emotional") -> Contrast:
    return Contrast.of(name, {first: 1, second: -1})


def test_the_variance_of_a_model_is_half_the_mean_square_of_differences(twice):
    value = (20**2 + 40**2) / 4
    seeds = Seeds(twice)
    assert seeds.variances(difference("none-T1", "original"), twice) == {"models": Variance(pytest.approx(value), 2)}
    both = seeds.variances(difference("none-T6", "none-T1"), twice)
    assert both == {"models": Variance(pytest.approx(2 * value), 2)}
    assert seeds.variances(Contrast.of("wer_emotional", {"original": 1, "official-control": -1}), twice) == {}
    halved = seeds.variances(Contrast.of("wer_emotional", {"none-T1": 0.5}), twice)
    assert halved["models"].value == pytest.approx(value / 4)
    assert Seeds().variances(difference("none-T1", "original"), twice) == {}


def test_what_a_row_adds_and_takes_away_again_has_no_variance(twice):
    nothing = difference("none-T1", "original") + -difference("none-T1", "original")
    assert Seeds(twice).variances(nothing, twice)["models"].value == 0


def test_a_difference_that_speakers_explain_is_not_the_seeds(twice):
    """Speakers go up and down by as much: the mean square is what differences of eight speakers have by chance."""
    lines = twice.utterances.copy()
    signs = lines["speaker"].map(dict(zip("abcdefgh", [-3, 3] * 4, strict=True)))
    lines["word_errors"] = np.where(lines["row"].str.contains("@"), 5 + signs, 5)
    varied = frames.results(lines)
    assert Seeds(varied).variances(difference("none-T1", "original"), varied)["models"].value == 0


def test_the_recognisers_sample_counts_where_it_has_seeds(twice):
    """The second sample recognises a tenth less of everybody in one row, the third as the first."""
    lines = pd.DataFrame(utterance_lines("original", {}, 1) + utterance_lines("official-control", {}, 1))
    lines = lines.assign(**{f"{WRONG}_seed{seed}": lines[WRONG] for seed in (1, 2)})
    missed = (lines["row"] == "official-control") & lines["utterance"].str.endswith("0")
    lines.loc[missed, f"{WRONG}_seed1"] = lines.loc[missed, WRONG].map(
        {"sad": "neu", "neu": "sad", "ang": "hap", "hap": "ang"}
    )
    results = frames.results(lines)
    found = Seeds().variances(difference("official-control", "original", "uar"), results)
    assert found == {"recogniser": Variance(pytest.approx(2 / 3 * 20**2 / 2), 2)}
    assert Seeds().variances(difference("official-control", "original", "uar"), results, "ge2e") == {}
    assert Seeds().variances(difference("official-control", "original"), results) == {}


def test_three_seeds_have_the_variance_of_a_sample():
    """Wrong words in a hundred by three seeds: their sample variance, with two degrees of freedom."""
    lines = []
    for name, errors in (("none-T1", 3), ("none-T1@seed1", 5), ("none-T1@seed2", 6)):
        lines += utterance_lines(name, {}, errors)
    results = frames.results(lines)
    rates = [100 * own["word_errors"].sum() / own["words"].sum() for _, own in results.utterances.groupby("row")]
    expected = Variance(pytest.approx(np.var(rates, ddof=1)), 2)
    assert Seeds(results).variances(difference("none-T1", "original"), results) == {"models": expected}


def test_pseudo_speakers_add_to_rows_that_draw_them_alone():
    lines = utterance_lines("ECAPA-anon-T6", {}, 3) + utterance_lines("ECAPA-anon-T6@draw1", {}, 5)
    drawn = frames.results(lines)
    seeds = Seeds(draws=drawn)
    expected = {"pseudo-speakers": Variance(pytest.approx(20**2 / 2), 1)}
    assert seeds.variances(difference("ECAPA-anon-T12-soft", "ECAPA-orig-T12-soft"), drawn) == expected
    assert seeds.variances(difference("ECAPA-anon-W6-soft", "original"), drawn) == expected
    assert seeds.variances(difference("none-T1", "original"), drawn) == {}


def test_a_matched_recogniser_has_the_variance_of_the_usual_one():
    lines = [utterance_lines(name, {called: "ang"}, 1) for name, called in (("none-T1", "sad"), ("none-T1@seed1", ""))]
    results = frames.results(pd.DataFrame(sum(lines, [])).assign(emotion_functionals_matched="neu"))
    contrast, seeds = difference("none-T1", "original", "sad"), Seeds(results)
    usual, matched = (seeds.variances(contrast, results, f"functionals{of}") for of in ("", "_matched"))
    assert usual == matched and usual["models"].value > 0
