"""Who is enrolled, which trials there are, which speakers share a fold: rules for corpora that do not say."""

from collections.abc import Iterable, Mapping

from emotrace.corpus.datadir import Emotion, Trial, Utterance
from emotrace.corpus.kaldi import GENDERS

MOST_FOLDS = 5
ENROLLED_PART = 4  # one utterance of so many is enrolled


def same_gender_trials(enrolment: Iterable[Utterance], tests: Iterable[Utterance]) -> list[Trial]:
    """Every enrolled speaker, sorted, against every test utterance of the same gender, in the order given."""
    speakers = sorted({(utterance.speaker, utterance.gender) for utterance in enrolment})
    tests = list(tests)
    return [
        Trial(speaker, utterance.id, target=speaker == utterance.speaker)
        for speaker, gender in speakers
        for utterance in tests
        if utterance.gender == gender
    ]


def verification(utterances: Iterable[Utterance]) -> tuple[list[str], list[Trial]]:
    """Ids of enrolment utterances, and same-gender trials of the others.

    Of every speaker a quarter of the utterances is enrolled, at least one: the neutral ones first, then in the order of
    the ids. A speaker with a single utterance is left out, and so is a gender with fewer than two other speakers, for
    which there would be no non-target trial.
    """
    by_speaker: dict[str, list[Utterance]] = {}
    for utterance in sorted(utterances, key=lambda u: (u.emotion is not Emotion.NEUTRAL, u.id)):
        by_speaker.setdefault(utterance.speaker, []).append(utterance)
    enrolment: list[Utterance] = []
    tests: list[Utterance] = []
    for gender in GENDERS:
        speakers = [spoken for spoken in by_speaker.values() if len(spoken) > 1 and spoken[0].gender == gender]
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
    speakers = [speaker for group in groups for speaker in group]
    return {speaker: str(place % count + 1) for place, speaker in enumerate(speakers)} if count > 1 else {}
