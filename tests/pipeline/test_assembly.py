"""Predictions of every recogniser and seed, from made-up measurements."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emotrace.corpus.datadir import Emotion, Utterance
from emotrace.evaluation.ser import SEEDS, EgemapsSvm, Ge2eSvm, cross_validated, trained_on
from emotrace.pipeline import results as assembly
from emotrace.pipeline.results import RECOGNISED, UTTERANCES, References, recognised_emotions, seed_column
from emotrace.study.profiles import Backends, Measure

RECOGNISERS = {"first": EgemapsSvm, "second": Ge2eSvm}
BACKENDS = Backends(ser="first", ser_second="second")


class Trained:
    """Comes trained, one model per fold."""

    def posteriors(self, waveform, fold):
        raise AssertionError("posteriors are measured, not asked for again")


@pytest.fixture(autouse=True)
def recognisers(monkeypatch):
    made = {"trained": Trained} | RECOGNISERS
    monkeypatch.setattr(assembly, "emotion_recogniser", lambda name, device: made[name]())


def version(speakers: str, *measures: Measure, size: int = 6) -> SimpleNamespace:
    """Five utterances of each emotion and speaker, features (size,) that overlap, a fold for every two speakers."""
    utterances = [
        Utterance(f"{speaker}-{emotion}-{n}", speaker, "f", Path("none"), None, emotion, str(place // 2))
        for place, speaker in enumerate(speakers)
        for emotion in Emotion
        for n in range(5)
    ]
    rng = np.random.default_rng(len(speakers))
    centres = {emotion: np.eye(size)[place] for place, emotion in enumerate(Emotion)}
    table = {m: {u.id: list(rng.normal(size=size) + centres[u.emotion]) for u in utterances} for m in measures}
    return SimpleNamespace(original=utterances, measures=frozenset(measures), read=table.__getitem__)


def arrays(of: SimpleNamespace, measure: Measure) -> dict[str, np.ndarray]:
    return {name: np.array(vector) for name, vector in of.read(measure).items()}


def test_every_recogniser_and_seed_has_a_column_of_the_results():
    assert RECOGNISED == ("ser", "ser_seed1", "ser_seed2", "ser_second", "ser_second_seed1", "ser_second_seed2")
    assert set(RECOGNISED) <= set(UTTERANCES.names)


def test_seeds_of_recognisers_that_learn_from_other_speakers():
    test, train = (version(names, Measure.EMOTION, Measure.SPEAKER) for names in ("ab", "cde"))
    found = recognised_emotions(test, References(test, train), BACKENDS)
    assert tuple(found) == RECOGNISED
    for column, measure, made in (("ser", Measure.EMOTION, EgemapsSvm), ("ser_second", Measure.SPEAKER, Ge2eSvm)):
        tables = (train.original, arrays(train, measure), test.original, arrays(test, measure))
        plain = trained_on(made(), *tables)
        assert found[column] == plain
        assert len({tuple(found[seed_column(column, seed)].items()) for seed in SEEDS}) == 3
    assert recognised_emotions(test, References(test, train), BACKENDS) == found


def test_seeds_of_recognisers_that_learn_from_the_other_folds():
    own = version("abcd", Measure.EMOTION)
    found = recognised_emotions(own, References(own), BACKENDS)
    features = arrays(own, Measure.EMOTION)
    assert list(found) == ["ser", "ser_seed1", "ser_seed2"]
    for seed in SEEDS:
        expected = cross_validated(EgemapsSvm(), own.original, features, features, seed=seed)
        assert found[seed_column("ser", seed)] == expected


def test_a_recogniser_that_comes_trained_has_no_further_seeds():
    own = version("abcd", Measure.EMOTION, size=4)
    found = recognised_emotions(own, References(own), Backends(ser="trained"))
    posteriors = own.read(Measure.EMOTION)
    assert found == {"ser": {name: list(Emotion)[int(np.argmax(four))] for name, four in posteriors.items()}}
