"""The design of the phantom corpus: who speaks, what is said, and which cues make which emotion.

Everything here is a decision of the maker, nothing is measured. Cues are relative to the neutral voice of the speaker:
they are the ground truth that is stored in truth.csv.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np

SEED = 2020
LEVEL_DBFS = -30.0  # RMS level of neutral speech; leaves the loudest angry utterance below full scale
EMOTIONS = ("sad", "neu", "ang", "hap")


@dataclass(frozen=True)
class Speaker:
    """A voice made from the one TTS voice.

    formant: factor on all formant frequencies; f0_hz: mean F0 of the neutral voice; range_st: F0 range of the neutral
    voice (5th to 95th percentile, semitones); pace: speech rate factor against the TTS; timbre: phase of the spectral
    ripple that colours the voice, in half turns; fold: cross-validation fold, "" of a training speaker.
    """

    id: str
    gender: str
    formant: float
    f0_hz: float
    range_st: float
    pace: float
    timbre: float
    fold: str


SPEAKERS = (
    Speaker("f1", "f", 0.98, 200.0, 6.5, 1.05, 0.5, "1"),
    Speaker("f2", "f", 1.10, 215.0, 6.5, 1.10, 1.0, "2"),
    Speaker("f3", "f", 0.91, 175.0, 6.5, 1.00, 1.5, "3"),
    Speaker("f4", "f", 1.04, 208.0, 6.5, 1.08, 0.0, "4"),
    Speaker("m1", "m", 0.83, 112.0, 6.5, 1.05, 1.5, "1"),
    Speaker("m2", "m", 0.92, 138.0, 6.5, 1.10, 0.0, "2"),
    Speaker("m3", "m", 0.76, 100.0, 6.5, 1.00, 1.0, "3"),
    Speaker("m4", "m", 0.88, 124.0, 6.5, 1.08, 0.5, "4"),
)

TRAINING_SPEAKERS = (
    Speaker("f5", "f", 0.95, 192.0, 6.5, 1.03, 0.75, ""),
    Speaker("f6", "f", 1.07, 222.0, 6.5, 1.09, 1.75, ""),
    Speaker("f7", "f", 1.01, 183.0, 6.5, 1.06, 1.25, ""),
    Speaker("f8", "f", 0.93, 205.0, 6.5, 1.01, 0.25, ""),
    Speaker("m5", "m", 0.80, 106.0, 6.5, 1.03, 0.25, ""),
    Speaker("m6", "m", 0.90, 131.0, 6.5, 1.09, 1.25, ""),
    Speaker("m7", "m", 0.85, 118.0, 6.5, 1.06, 0.75, ""),
    Speaker("m8", "m", 0.78, 145.0, 6.5, 1.01, 1.75, ""),
)
"""Other disguises of the same voice, whom models may learn from."""


@dataclass(frozen=True)
class Cues:
    """Cue settings against the speaker's neutral voice (all zeros and ones = neutral).

    f0_shift_st: mean F0, semitones; f0_range: factor on the F0 range; tempo: speech rate factor; level_db: RMS level;
    tilt_db_per_octave: added slope of the spectral envelope, 100 Hz to 8 kHz; breathiness: share of the periodic
    amplitude that is turned into noise above 2 kHz (none below 500 Hz, linear between).
    """

    f0_shift_st: float = 0.0
    f0_range: float = 1.0
    tempo: float = 1.0
    level_db: float = 0.0
    tilt_db_per_octave: float = 0.0
    breathiness: float = 0.0


FULL = {
    "sad": Cues(-2.0, 0.55, 0.78, -5.0, -3.0, 0.70),
    "neu": Cues(),
    "ang": Cues(1.5, 1.25, 1.22, 4.0, 3.5, 0.0),
    "hap": Cues(3.2, 1.80, 1.10, 2.0, 0.0, 0.30),
}
# One dimension of tempo has to tell four emotions apart, hence the wider steps.
TEMPO = {"sad": 0.75, "neu": 1.0, "ang": 1.32, "hap": 1.15}

# Standard deviations of the seeded variation from utterance to utterance.
JITTER = Cues(0.3, 0.05, 0.02, 0.8, 0.3, 0.03)
FAMILIES = {
    "f0": ("f0_shift_st", "f0_range"),
    "tempo": ("tempo",),
    "voice": ("tilt_db_per_octave", "breathiness"),
}
ALL_CUES = tuple(Cues.__dataclass_fields__)

SENTENCES = {
    "s1": "My father was a good man.",
    "s2": "They were walking along the river.",
    "s3": "She is waiting for her brother.",
    "s4": "I never knew the name of the woman.",
    "e1": "I have never been in this country.",
    "e2": "The young man made no answer.",
}
TRAINING_SENTENCES = {
    "t1": "The children went home after school.",
    "t2": "We have a little house near the sea.",
    "t3": "He put the letter on the table.",
    "t4": "There was nobody in the street.",
    "t5": "I think it will rain this evening.",
    "t6": "Please give me a glass of water.",
    "t7": "The old dog was sleeping in the garden.",
    "t8": "You should tell them what happened.",
    "t9": "It was a long and quiet winter.",
    "t10": "Many people were looking for work.",
    "t11": "The doctor came back on Monday.",
    "t12": "His voice was full of joy.",
    "t13": "They shut the window and went to bed.",
    "t14": "A small bird was singing above the roof.",
    "t15": "What do you know about these books?",
    "t16": "Her husband had sold the black horse.",
}
ACTED = tuple(TRAINING_SENTENCES)[
    :8
]  # of the training sentences, those said with every emotion; the others are neutral
SENTENCES |= TRAINING_SENTENCES
# Each sentence is said by speakers of two folds and both genders, so that no fold is known by its words.
TRIAL_SENTENCES = {"1": ("s1", "s2"), "2": ("s3", "s4"), "3": ("s1", "s4"), "4": ("s2", "s3")}
ENROLMENT_SENTENCES = ("e1", "e2")
ISOLATION_SPEAKERS = ("f1", "f2", "m1", "m2")
ISOLATION_SENTENCE = {"f0": "s2", "tempo": "s2", "voice": "s1"}
SETS = ("test", *FAMILIES)
TRAINING = "train"  # a further set, which is not shipped: models learn from it


@dataclass(frozen=True)
class Item:
    """One utterance to render."""

    id: str
    speaker: Speaker
    emotion: str
    sentence: str
    cues: Cues
    enrolment: bool = False

    @property
    def text(self) -> str:
        """Transcript, upper case without punctuation."""
        return SENTENCES[self.sentence].upper().rstrip(".?")


def emotion_cues(emotion: str, family: str | None) -> Cues:
    """Mean cues of an emotion; with a family, only this family's cues move and the level stays equal."""
    full = replace(FULL[emotion], tempo=TEMPO[emotion]) if family == "tempo" else FULL[emotion]
    return full if family is None else replace(Cues(), **{name: getattr(full, name) for name in FAMILIES[family]})


def jittered(cues: Cues, key: str, names: tuple[str, ...]) -> Cues:
    """The cues `names` of one utterance: mean plus variation (at most two standard deviations), seeded by the key."""
    rng = np.random.default_rng([SEED, zlib.crc32(key.encode())])
    steps = dict(zip(ALL_CUES, np.clip(rng.standard_normal(len(ALL_CUES)), -2, 2), strict=True))
    moved = {name: round(float(getattr(cues, name) + steps[name] * getattr(JITTER, name)), 4) for name in names}
    if "breathiness" in moved:  # a share: the variation must not take it below zero
        moved["breathiness"] = max(moved["breathiness"], 0.0)
    return replace(cues, **moved)


def items(name: str) -> list[Item]:
    """All utterances of one set ("test", "f0", "tempo", "voice", "train"), sorted by id."""
    made = {"test": _test_items, TRAINING: _training_items}.get(name, lambda: _isolation_items(name))
    return sorted(made(), key=lambda item: item.id)


def _test_items() -> list[Item]:
    rendered = []
    for speaker in SPEAKERS:
        for sentence in TRIAL_SENTENCES[speaker.fold]:
            rendered += [_item("test", speaker, emotion, sentence) for emotion in EMOTIONS]
        rendered += [_item("test", speaker, "neu", sentence, enrolment=True) for sentence in ENROLMENT_SENTENCES]
    return rendered


def _training_items() -> list[Item]:
    said = [(sentence, emotion) for sentence in TRAINING_SENTENCES for emotion in EMOTIONS]
    said = [(sentence, emotion) for sentence, emotion in said if emotion == "neu" or sentence in ACTED]
    return [_item(TRAINING, speaker, emotion, sentence) for speaker in TRAINING_SPEAKERS for sentence, emotion in said]


def _isolation_items(family: str) -> list[Item]:
    speakers = [speaker for speaker in SPEAKERS if speaker.id in ISOLATION_SPEAKERS]
    return [_item(family, speaker, emotion, ISOLATION_SENTENCE[family]) for speaker in speakers for emotion in EMOTIONS]


def _item(name: str, speaker: Speaker, emotion: str, sentence: str, *, enrolment: bool = False) -> Item:
    family = name if name in FAMILIES else None
    item_id = f"{speaker.id}-{name}-{emotion}-{sentence}"
    cues = jittered(emotion_cues(emotion, family), item_id, FAMILIES.get(name, ALL_CUES))
    return Item(item_id, speaker, emotion, sentence, cues, enrolment)
