"""Emotion recognition: the fold protocol, level, determinism, and that it hears the phantom's emotions."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from speech import phantom, phantom_speech

from emotrace.corpus.audio import AudioError, load_audio, peak_normalise
from emotrace.corpus.datadir import Emotion, Utterance
from emotrace.evaluation.metrics import uar
from emotrace.evaluation.ser import SER_BACKENDS, EgemapsSvm, Ge2eSvm, SerError, cross_validated, trained_on


@pytest.fixture(scope="module")
def egemaps() -> EgemapsSvm:
    return EgemapsSvm()


class Recorder:
    """Remembers what it is trained on and predicts sad, so that the protocol itself can be tested."""

    def __init__(self):
        self.trained, self.tested = [], []

    def fit(self, features, emotions):
        self.trained.append((features[:, 0].tolist(), list(emotions)))

    def predict(self, features):
        self.tested.append(features[:, 0].tolist())
        return [Emotion.SAD] * len(features)


def corpus(folds: str = "1122", speakers: str = "abcd") -> list[Utterance]:
    emotions = list(Emotion)
    return [
        Utterance(f"u{n}", speaker, "f", Path("none"), None, emotions[n], fold)
        for n, (fold, speaker) in enumerate(zip(folds, speakers, strict=True))
    ]


def features(offset: float) -> dict[str, np.ndarray]:
    return {f"u{n}": np.array([offset + n, 0.0]) for n in range(4)}


def test_each_fold_is_tested_by_what_was_trained_on_originals_of_the_others():
    recorder = Recorder()
    predicted = cross_validated(recorder, corpus(), features(0), features(100))
    assert recorder.trained == [([2, 3], ["ang", "hap"]), ([0, 1], ["sad", "neu"])]
    assert recorder.tested == [[100, 101], [102, 103]]
    assert predicted == dict.fromkeys(["u0", "u1", "u2", "u3"], Emotion.SAD)


def test_a_training_corpus_of_its_own():
    recorder = Recorder()
    assert set(trained_on(recorder, corpus()[:2], features(0), corpus()[2:], features(100))) == {"u2", "u3"}
    assert recorder.trained == [([0, 1], ["sad", "neu"])]


def test_what_would_leak_or_is_missing_is_refused():
    cases = [
        (corpus(speakers="abca"), features(0), "in training and in test"),
        (corpus(folds="1111"), features(0), "two folds"),
        ([Utterance("u0", "a", "f", Path("none"), emotion=Emotion.SAD)], features(0), "has no fold"),
        ([*corpus(), Utterance("u0", "e", "f", Path("none"), fold="3")], features(0), "has no emotion"),
        (corpus(), {"u0": np.zeros(2)}, "no features of"),
    ]
    for utterances, table, message in cases:
        with pytest.raises(SerError, match=message):
            cross_validated(Recorder(), utterances, table, table)


def test_egemaps_has_88_features_and_does_not_hear_the_level(egemaps):
    expected = egemaps.features(phantom_speech())
    assert expected.shape == (88,)
    np.testing.assert_array_equal(egemaps.features(phantom_speech(1)), EgemapsSvm().features(phantom_speech(1)))
    for factor in (0.1, 3.0):
        scaled = egemaps.features(phantom_speech() * np.float32(factor))
        np.testing.assert_allclose(scaled, expected, rtol=1e-2, atol=1e-2)


def test_egemaps_refuses_what_opensmile_fills_with_nan(egemaps):
    with warnings.catch_warnings(), pytest.raises(SerError, match="0.025 s"):
        warnings.simplefilter("ignore")
        egemaps.features(phantom_speech()[4000:4400])
    with pytest.raises(AudioError):
        egemaps.features(np.zeros(16_000, dtype=np.float32))


def test_the_classifier_is_deterministic_and_balances_classes():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(0, 1, (60, 2)), rng.normal(1.5, 1, (6, 2))])
    emotions = [Emotion.NEUTRAL] * 60 + [Emotion.ANGRY] * 6
    predictions = []
    for _ in range(2):
        recogniser = EgemapsSvm()
        recogniser.fit(points, emotions)
        predictions.append(recogniser.predict(points))
    assert predictions[0] == predictions[1]
    assert predictions[0][60:].count(Emotion.ANGRY) >= 4


def test_the_classifier_refuses_nan_one_class_and_to_guess_untrained(egemaps):
    with pytest.raises(SerError, match="NaN"):
        egemaps.fit(np.full((2, 88), np.nan), [Emotion.SAD, Emotion.HAPPY])
    with pytest.raises(SerError, match="two emotions"):
        egemaps.fit(np.zeros((2, 88)), [Emotion.SAD, Emotion.SAD])
    with pytest.raises(SerError, match="not been trained"):
        EgemapsSvm().predict(np.zeros((1, 88)))


@pytest.mark.parametrize("name", sorted(SER_BACKENDS.keys() - {"egemaps-as-recorded"}))
def test_emotions_of_the_phantom_are_recognised_at_any_level(name):
    """Study section 9: a recogniser that hears the level calls most peak-normalised originals angry."""
    recogniser = SER_BACKENDS[name]()
    audio = {u.id: load_audio(u.path) for u in phantom()}
    originals = {key: recogniser.features(waveform) for key, waveform in audio.items()}
    first_fold = {u.id for u in phantom() if u.fold == "1"}
    loud = originals | {key: recogniser.features(peak_normalise(audio[key])) for key in first_fold}
    predicted = cross_validated(recogniser, phantom().utterances, originals, originals)
    assert cross_validated(recogniser, phantom().utterances, originals, loud) == predicted
    labels = [(u.emotion, predicted[u.id], u.fold) for u in phantom()]
    assert uar(*map(list, zip(*labels, strict=True))) > (0.7 if name == "egemaps" else 0.4)


def test_the_two_recognisers_share_no_features():
    assert Ge2eSvm().features(phantom_speech()).shape == (256,)
