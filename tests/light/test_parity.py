"""The recognisers without torch measure what those with torch measure."""

import numpy as np
import pytest
from speech import phantom, phantom_speech

from emotrace.corpus.audio import AudioError, load_audio
from emotrace.evaluation.asv import AsvError, Ge2e
from emotrace.evaluation.naturalness import DistilMos
from emotrace.evaluation.ser import Ge2eSvm, cross_validated
from emotrace.light.ge2e import LightGe2e
from emotrace.light.naturalness import LightDistilMos
from emotrace.light.whisper import LightWhisperLogistic
from emotrace.light.words import LightWhisperBase, LightWhisperTinyEn, decoded
from emotrace.released.whisper import WhisperBase, WhisperLogistic, WhisperTinyEn
from emotrace.weights import CheckpointError

LARGEST = 1e-5


@pytest.fixture(scope="module")
def originals() -> dict[str, np.ndarray]:
    return {utterance.id: load_audio(utterance.path) for utterance in phantom()}


@pytest.fixture(scope="module")
def long_speech() -> np.ndarray:
    """24 s: several parts of GE2E, several windows of Distill-MOS."""
    return np.concatenate([phantom_speech(number) for number in range(16)])


def made(kind):
    try:
        return kind.make()
    except CheckpointError as error:
        pytest.skip(f"needs weights: {error}")


@pytest.mark.parametrize(
    ("light", "usual"), [(LightGe2e, Ge2e), (LightWhisperLogistic, WhisperLogistic)], ids=["ge2e", "whisper"]
)
def test_features_are_the_same_and_so_are_the_labels(light, usual, originals):
    ours, theirs = made(light), made(usual)
    take = (lambda one, x: one.embed(x)) if light is LightGe2e else (lambda one, x: one.features(x))
    features = [{name: take(one, x) for name, x in originals.items()} for one in (ours, theirs)]
    assert max(np.abs(features[0][name] - features[1][name]).max() for name in originals) < LARGEST
    classifier = Ge2eSvm() if light is LightGe2e else ours
    labels = [cross_validated(classifier, phantom().utterances, each, each) for each in features]
    assert labels[0] == labels[1]


def test_embedding_of_long_speech(long_speech):
    difference = made(LightGe2e).embed(long_speech) - made(Ge2e).embed(long_speech)
    assert np.abs(difference).max() < LARGEST


def test_predicted_naturalness_is_the_same(long_speech):
    ours, theirs = made(LightDistilMos), made(DistilMos)
    for speech in (phantom_speech(), long_speech):
        assert ours.score(speech) == pytest.approx(theirs.score(speech), abs=LARGEST)


@pytest.mark.parametrize(
    ("light", "usual"), [(LightWhisperTinyEn, WhisperTinyEn), (LightWhisperBase, WhisperBase)], ids=["tiny.en", "base"]
)
def test_words_and_guards_are_the_same(light, usual, long_speech):
    ours, theirs = made(light), made(usual)
    noise = 0.01 * np.random.default_rng(0).normal(size=32_000).astype(np.float32)
    two_windows = np.concatenate([long_speech, long_speech])[: 36 * 16_000]
    for speech in (*map(phantom_speech, (0, 33, 66)), noise, two_windows):
        assert ours.transcribe(speech) == theirs.transcribe(speech)


def test_tokens_spell_text_byte_by_byte():
    assert decoded(["<|startoftranscript|>", "Ġcaf", "Ã©", "!", "<|endoftext|>"]) == " café!"


@pytest.mark.parametrize("light", [LightGe2e, LightDistilMos, LightWhisperLogistic], ids=lambda kind: kind.__name__)
def test_silence_and_nan_are_refused(light):
    backend = made(light)
    take = next(getattr(backend, name) for name in ("embed", "score", "features") if hasattr(backend, name))
    for bad in (np.zeros(16_000, np.float32), np.full(16_000, np.nan, np.float32)):
        with pytest.raises(AudioError):
            take(bad)


def test_speech_that_is_too_short_for_an_embedding_is_refused():
    with pytest.raises(AsvError, match="at least 0.4 s, got 0.062 s"):
        made(LightGe2e).embed(np.ones(1000, np.float32))
