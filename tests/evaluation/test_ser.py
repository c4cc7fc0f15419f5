"""Emotion recognition: the fold protocol, level, determinism, and that the phantom's emotions are recognised."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import opensmile
import pytest
from speech import phantom, phantom_speech

from emotrace.analysis.metrics import uar
from emotrace.corpus.audio import AudioError, level_normalise, load_audio, peak_normalise
from emotrace.corpus.datadir import Emotion, Utterance
from emotrace.evaluation import ASV, SEEDS, SER
from emotrace.evaluation.ser import (
    FUNCTIONALS,
    EgemapsAsRecordedSvm,
    EgemapsSvm,
    FunctionalsSvm,
    Ge2eSvm,
    SerError,
    bootstrap_sample,
    cross_validated,
    most_probable,
    trained_on,
)

OURS = sorted(SER.keys() - {"vpc", "egemaps-as-recorded"})
"""The recognisers that are trained here on level-normalised speech."""


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


def test_egemaps_has_88_features_that_do_not_depend_on_the_level(egemaps):
    expected = egemaps.features(phantom_speech())
    assert expected.shape == (88,)
    np.testing.assert_array_equal(egemaps.features(phantom_speech(1)), EgemapsSvm().features(phantom_speech(1)))
    for factor in (0.1, 3.0):
        scaled = egemaps.features(phantom_speech() * np.float32(factor))
        np.testing.assert_allclose(scaled, expected, rtol=1e-2, atol=1e-2)


def test_egemaps_is_opensmiles_on_level_normalised_speech(egemaps, oracle):
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    expected = smile.process_signal(level_normalise(phantom_speech()), 16_000).to_numpy()[0]
    features = egemaps.features(phantom_speech())
    oracle("eGeMAPS", "opensmile, called directly", features, expected.astype(features.dtype), 1e-5, relative=True)


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


@pytest.mark.parametrize("name", OURS)
def test_emotions_of_the_phantom_are_recognised_at_any_level(name):
    """A recogniser that depends on the level calls most peak-normalised originals angry."""
    recogniser = SER.find(name).make()
    spoken = list({(u.speaker, u.emotion): u for u in phantom()}.values())
    audio = {u.id: load_audio(u.path) for u in spoken}
    originals = {key: recogniser.features(waveform) for key, waveform in audio.items()}
    first_fold = {u.id for u in spoken if u.fold == "1"}
    loud = originals | {key: recogniser.features(peak_normalise(audio[key])) for key in first_fold}
    predicted = cross_validated(recogniser, spoken, originals, originals)
    assert cross_validated(recogniser, spoken, originals, loud) == predicted
    labels = [(u.emotion, predicted[u.id], u.fold) for u in spoken]
    assert uar(*map(list, zip(*labels, strict=True))) > (0.4 if name == "ge2e" else 0.7)


def test_the_features_of_ge2e_are_the_speaker_embedding():
    features = Ge2eSvm().features(phantom_speech())
    assert features.shape == (256,)
    np.testing.assert_array_equal(features, ASV.find(Ge2eSvm.embedding).make().embed(phantom_speech()))


def test_only_the_variant_as_recorded_depends_on_the_level():
    quiet = phantom_speech() / 4
    as_recorded, normalised = EgemapsAsRecordedSvm(), EgemapsSvm()
    np.testing.assert_allclose(normalised.features(quiet), normalised.features(4 * quiet), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(as_recorded.features(level_normalise(quiet)), normalised.features(quiet))
    loudness = list(as_recorded._smile.column_names).index("equivalentSoundLevel_dBp")
    quieter, louder = (as_recorded.features(quiet * np.float32(factor))[loudness] for factor in (1, 4))
    assert louder - quieter == pytest.approx(20 * np.log10(4), abs=0.1)


def test_the_most_probable_emotion_is_that_of_the_largest_posterior():
    posteriors = {"u0": np.array([0.1, 0.2, 0.6, 0.1]), "u1": np.array([0.4, 0.3, 0.2, 0.1])}
    assert most_probable(corpus()[:2], posteriors) == {"u0": Emotion.ANGRY, "u1": Emotion.SAD}
    with pytest.raises(SerError, match="no features of 2 utterances, first 'u2'"):
        most_probable(corpus(), posteriors)


@pytest.fixture(scope="module")
def functionals() -> FunctionalsSvm:
    return FunctionalsSvm()


def test_the_functionals_are_those_of_both_sets_and_do_not_depend_on_the_level(functionals, egemaps):
    found = functionals.features(phantom_speech())
    assert found.shape == (sum(size for size, _ in FUNCTIONALS.values()),) == (6461,)
    np.testing.assert_array_equal(found[6373:], egemaps.features(phantom_speech()))
    scaled = functionals.features(phantom_speech() * np.float32(0.5))  # a power of two: no rounding anywhere
    np.testing.assert_allclose(scaled, found, rtol=1e-5, atol=1e-5)


def test_each_set_of_functionals_has_its_share_of_the_variance(functionals):
    points = np.random.default_rng(0).normal(3.0, 5.0, (200, 6461))
    functionals.fit(points, [Emotion.SAD, Emotion.HAPPY] * 100)
    variances = functionals._classifier[:-1].transform(points).var(axis=0)
    # what lies beyond three standard deviations is cut off, 0.3 % of a normal distribution
    assert [variances[:6373].sum(), variances[6373:].sum()] == pytest.approx([0.8, 0.2], rel=0.01)


def test_an_extreme_value_counts_no_more_than_a_large_one(functionals):
    """Synthetic speech may lie far outside what was learned from; one functional must not decide alone."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, 6461)).astype(np.float32)
    points[:, :500] += np.repeat([[-0.5], [0.5]], 20, axis=0)
    emotions = [Emotion.SAD] * 20 + [Emotion.ANGRY] * 20
    functionals.fit(points, emotions)
    strange = points.copy()
    strange[:, ::100] = 1e9
    assert functionals.predict(points) == emotions and functionals.predict(strange) == emotions


def learned() -> list[Utterance]:
    """Three speakers with five utterances of each emotion."""
    return [
        Utterance(f"{s}-{e}-{n}", s, "f", Path("none"), None, e, str(1 + (s == "c")))
        for s in "abc"
        for e in Emotion
        for n in range(5)
    ]


def scattered(utterances: list[Utterance]) -> dict[str, np.ndarray]:
    """Features (6,) of emotions that overlap."""
    rng = np.random.default_rng(3)
    return {u.id: rng.normal(size=6) + 0.8 * np.eye(6)[list(Emotion).index(u.emotion)] for u in utterances}


def test_seed_0_learns_from_every_utterance_once_and_other_seeds_from_a_bootstrap_sample():
    everything = learned()
    assert bootstrap_sample(everything, 0) == everything
    samples = [[u.id for u in bootstrap_sample(everything, seed)] for seed in SEEDS]
    assert samples[1] != samples[2]
    for sample in samples:
        assert Counter(name.rsplit("-", 1)[0] for name in sample) == Counter(u.id.rsplit("-", 1)[0] for u in everything)
    assert all(len(set(sample)) < len(sample) for sample in samples[1:])
    assert [u.id for u in bootstrap_sample(everything[::-1], 1)] == samples[1]


def test_a_bootstrap_sample_leaves_out_what_chance_says():
    """Of n drawn n times with replacement, each is missed with probability (1 - 1/n)^n."""
    everything = learned()
    kept = [len({u.id for u in bootstrap_sample(everything, seed)}) / len(everything) for seed in range(1, 201)]
    assert np.mean(kept) == pytest.approx(1 - (1 - 1 / 5) ** 5, abs=0.01)


def test_seed_0_is_the_plain_recogniser_a_seed_is_repeatable_and_seeds_differ():
    everything, table = learned(), scattered(learned())
    train, test = everything[:40], everything[40:]
    plain = EgemapsSvm()
    plain.fit(np.stack([table[u.id] for u in train]), [u.emotion for u in train])
    expected = dict(zip((u.id for u in test), plain.predict(np.stack([table[u.id] for u in test])), strict=True))
    found = [trained_on(EgemapsSvm(), train, table, test, table, seed=seed) for seed in (0, 1, 1, 2)]
    assert found[0] == expected == trained_on(EgemapsSvm(), train, table, test, table)
    assert found[1] == found[2] and len({tuple(one.items()) for one in found}) == 3


@pytest.mark.parametrize("seed", SEEDS)
def test_no_seed_learns_from_a_speaker_that_it_is_tested_on(seed):
    recorder = Recorder()
    everything = learned()
    places = {u.id: np.array([n, 0.0]) for n, u in enumerate(everything)}
    cross_validated(recorder, everything, places, places, seed=seed)
    speakers = [{everything[int(n)].speaker for n in one} for one, _ in recorder.trained]
    tested = [{everything[int(n)].speaker for n in one} for one in recorder.tested]
    assert speakers == [{"c"}, {"a", "b"}] and tested == [{"a", "b"}, {"c"}]
    with pytest.raises(SerError, match="in training and in test"):
        trained_on(recorder, everything[:40], places, everything[39:], places, seed=seed)
