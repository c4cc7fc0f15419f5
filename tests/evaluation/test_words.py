"""Words are counted as jiwer does, after the same normalisation of what was said and what was recognised."""

import random

import audmetric
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


def test_word_errors_are_the_edit_distance_of_audmetric(oracle):
    draw = random.Random(0)
    sentences = [" ".join(draw.choices("ABCDE", k=draw.randint(1, 12))) for _ in range(400)]
    for reference, hypothesis in zip(sentences[:200], sentences[200:], strict=True):
        errors, words = word_errors(reference, hypothesis)
        expected = audmetric.edit_distance([*map(ord, reference.split())], [*map(ord, hypothesis.split())])
        oracle("word errors", "audmetric's edit distance", errors, expected, 0, "words")
        oracle("WER of an utterance", "jiwer, called directly", errors / words, jiwer.wer(reference, hypothesis), 1e-15)
    counts = [word_errors(*pair) for pair in zip(sentences[:200], sentences[200:], strict=True)]
    pooled = sum(errors for errors, _ in counts) / sum(words for _, words in counts)
    split = [[text.split() for text in part] for part in (sentences[:200], sentences[200:])]
    theirs = audmetric.word_error_rate(*split, corpus_level=True)
    oracle("WER of a set", "audmetric", pooled, theirs, 1e-15)


def test_an_empty_reference_is_refused_where_jiwer_returns_a_count():
    assert jiwer.wer("", "a b c") == 3
    for reference in ("", "  ", "... !"):
        with pytest.raises(AsrError, match="at least one word"):
            word_errors(reference, "a b c")


def test_text_is_upper_case_without_punctuation():
    assert normalise_text(" It's 'fine', mid-week_now… yes?  ") == "IT'S FINE MID WEEK NOW YES"
