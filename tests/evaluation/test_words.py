"""Words are counted as jiwer does, after the same normalisation of what was said and what was recognised."""

import jiwer
import pytest

from emotrace.evaluation.asr import AsrError, normalise_text, word_errors


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("Kids are talking by the door.", "KIDS ARE TALKING BY THE DOOR", (0, 6)),
        ("KIDS ARE TALKING BY THE DOOR", "", (6, 6)),
        ("a b c d", "a x c d e", (2, 4)),
        ("a", "b c d", (3, 1)),
        ("Don’t -- stop!", "don't stop", (0, 2)),
    ],
)
def test_word_errors(reference, hypothesis, expected):
    assert word_errors(reference, hypothesis) == expected


def test_an_empty_reference_is_refused_where_jiwer_returns_a_count():
    assert jiwer.wer("", "a b c") == 3
    for reference in ("", "  ", "... !"):
        with pytest.raises(AsrError, match="at least one word"):
            word_errors(reference, "a b c")


def test_text_is_upper_case_without_punctuation():
    assert normalise_text(" It's 'fine', mid-week_now… yes?  ") == "IT'S FINE MID WEEK NOW YES"
