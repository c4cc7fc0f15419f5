"""Who is enrolled, which trials there are, which speakers share a fold: rules for corpora that do not say."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from emotrace.corpus.datadir import Trial, Utterance
from emotrace.corpus.metadata import GENDERS, Emotion

MOST_FOLDS = 5
ENROLLED_PART = 4  # one utterance of so many is enrolled


class Spoken(Protocol):
    """Anything that has an id and a speaker of a gender."""

    @property
    def id(self) -> str: ...

    @property
    def speaker(self) -> str: ...

    @property
    def gender(self) -> str: ...


def same_gender_trials(enrolment: Iterable[Spoken], tests: Iterable[Spoken]) -> list[Trial]:
    """Every enrolled speaker, sorted, against every test utterance of the same gender, in the order given."""
    speakers = sorted({(spoken.speaker, spoken.gender) for spoken in enrolment})
    tests = list(tests)
    return [
        Trial(speaker, spoken.id, target=speaker == spoken.speaker)
        for speaker, gender in speakers
        for spoken in tests
        if spoken.gender == gender
    ]


def verification(utterances: Iterable[Utterance]) -> tuple[list[str], list[Trial]]:
    """Ids of enrolment utterances, and same-gender trials of the others.

    Of every speaker a quarter of the utterances is enrolled, at least one: the neutral ones first, then in the order of
    the ids. A speaker with a single utterance is left out, and so is a gender with fewer than two other speakers, for
    which there would be no non-target trial.
    """
    own: dict[str, list[Utterance]] = {}
    for utterance in sorted(utterances, key=lambda u: (u.emotion is not Emotion.NEUTRAL, u.id)):
        own.setdefault(utterance.speaker, []).append(utterance)
    enrolment: list[Utterance] = []
    tests: list[Utterance] = []
    for gender in GENDERS:
        speakers = [spoken for spoken in own.values() if len(spoken) > 1 and spoken[0].gender == gender]
        for spoken in speakers if len(speakers) > 1 else []:
            enrolled = max(1, len(spoken) // ENROLLED_PART)
            enrolment += spoken[:enrolled]
            tests += spoken[enrolled:]
    trials = same_gender_trials(enrolment, sorted(tests, key=lambda utterance: utterance.id))
    return sorted(utterance.id for utterance in enrolment), trials


def folds_by_speaker(genders: Mapping[str, str]) -> dict[str, str]:
    """A fold, "1" to at most "5", for every speaker; empty with fewer than two speakers. `genders` by speaker.

    Both genders are in every fold where there are two speakers or more of each.
    """
    groups = [sorted(speaker for speaker in genders if genders[speaker] == gender) for gender in GENDERS]
    smaller, larger = sorted(len(group) for group in groups)
    count = min(MOST_FOLDS, len(genders), smaller if smaller > 1 else max(larger, 2))
    dealt = [speaker for group in groups for speaker in group]
    return {speaker: str(place % count + 1) for place, speaker in enumerate(dealt)} if count > 1 else {}
