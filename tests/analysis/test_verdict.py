"""A verdict says what intervals bear out, by frames whose effects are known."""

from dataclasses import replace

import pytest
from evaluated import evaluation
from frames import results, trial_lines, utterance_lines

from emotrace.analysis.summary import difference_table
from emotrace.analysis.verdict import verdict
from emotrace.study.results import Results


def evaluated(called: dict[str, str], errors: int, shift: float) -> Results:
    """An evaluation of a copy: what it is called as, wrong words of ten, and how far target scores stand apart."""
    lines = utterance_lines("original", {}, 1) + utterance_lines("mine", called, errors)
    return results(lines, trial_lines("original", "original", 3.0) + trial_lines("mine", "lazy-informed", shift))


def test_a_copy_that_changes_nothing_has_no_effect_that_is_said():
    found = results(utterance_lines("original", {}, 1) + utterance_lines("same", {}, 1))
    said = verdict(found, "same")
    assert len(said) == 5  # words and four emotions
    assert all("no measurable" in sentence for sentence in said)


def test_what_is_lost_and_where_it_goes_is_said():
    said = verdict(evaluated({"sad": "ang"}, 3, 0.0), "mine")
    assert any(each.startswith("Words: the WER rises, 10.0 [10.0, 10.0] % before and 30.0") for each in said)
    (sad,) = (each for each in said if each.startswith("Sad speech"))
    assert "falls by 1 of 2 recognisers, functionals + SVM, -20.0 [-20.0, -20.0] points" in sad
    assert "20.0 [20.0, 20.0] points more are labelled angry" in sad
    for other in ("Neutral", "Angry", "Happy"):
        assert f"{other} speech: no measurable effect on recall by any of 2 recognisers." in said


def test_a_recall_that_rises_because_everything_gets_its_label_is_no_gain():
    lines = utterance_lines("original", {"ang": "sad"}, 1) + utterance_lines("mine", {"hap": "ang", "neu": "ang"}, 1)
    (angry,) = (each for each in verdict(results(lines), "mine") if each.startswith("Angry"))
    assert "recall rises by 1 of 2" in angry and "of the other emotions, too, 13.3" in angry


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (0.0, "Speakers are hidden from the lazy-informed attacker"),
        (1.5, "Speakers are harder to recognise for the lazy-informed attacker, but not hidden"),
        (3.0, "Against the lazy-informed attacker there is no measurable protection"),
        (6.0, "Speakers are easier to recognise for the lazy-informed attacker"),
    ],
)
def test_speakers_are_hidden_where_the_interval_says_so(shift, words):
    found = verdict(evaluated({}, 1, shift), "mine")
    assert found[0].startswith(words), found[0]


def test_an_invented_text_is_a_warning():
    found = evaluated({}, 1, 0.0)
    for share, warned in ((0.0, False), (0.2, True)):
        lines = found.utterances.assign(guard="")
        own = lines.index[lines["row"] == "mine"]
        lines.loc[own[: int(share * len(own))], "guard"] = "loop"
        said = verdict(replace(found, utterances=lines), "mine")
        assert any("Caution" in sentence for sentence in said) == warned


@pytest.mark.parametrize("learns", [True, False])
def test_what_a_matched_recogniser_regains_was_unfamiliar(learns):
    found = evaluated({"sad": "ang"}, 1, 0.0)
    column = "emotion" if learns else "emotion_functionals"
    lines = found.utterances.assign(emotion_functionals_matched=found.utterances[column])
    (sentence,) = (each for each in verdict(replace(found, utterances=lines), "mine") if "trained on this" in each)
    assert "functionals + SVM loses 5.0 [5.0, 5.0] points of UAR" in sentence
    ends = ("regains no measurable part: the rest is lost to it, -5.0", "regains 5.0 [5.0, 5.0]: no measurable loss")
    assert ends[learns] in sentence


def test_one_speaker_allows_no_judgement():
    found = evaluation()
    alone = found.utterances[found.utterances["speaker"] == "a"]
    said = verdict(replace(found, utterances=alone, trials=found.trials.iloc[:0]), "mine")
    assert all("too few speakers" in sentence for sentence in said) and not any(
        "falls" in sentence or "rises" in sentence for sentence in said
    )


def test_nothing_measured_has_no_sentence():
    found = evaluation()
    bare = found.utterances.assign(word_errors=None, emotion_functionals=None, emotion_ge2e=None)
    assert verdict(replace(found, utterances=bare, trials=found.trials.iloc[:0]), "mine") == []


def test_directions_are_those_of_the_table_of_differences():
    """A second route: every recall that is said to fall has an interval below zero in the table, and none else."""
    found = evaluated({"sad": "ang", "hap": "neu"}, 1, 0.0)
    table = difference_table(found)
    falling = table[(table["high"] < 0) & table["metric"].str.startswith("recall")]["metric"].str.split().str[1]
    said = {sentence[:3].lower() for sentence in verdict(found, "mine") if "recall falls" in sentence}
    assert said == set(falling) == {"sad", "hap"}
