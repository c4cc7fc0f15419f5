"""Speech recognition that depends on the utterance alone."""

import numpy as np
import pytest
from speech import phantom, phantom_speech

from emotrace.corpus.audio import AudioError, level_normalise, to_pcm16
from emotrace.evaluation.asr import PocketSphinx, word_errors

NEUTRAL = [number for number, utterance in enumerate(phantom()) if utterance.emotion == "neu"][:3]


@pytest.fixture(scope="module")
def recogniser() -> PocketSphinx:
    return PocketSphinx()


@pytest.fixture(scope="module")
def transcripts(recogniser) -> list[str]:
    return [recogniser.transcribe(phantom_speech(number)).text for number in NEUTRAL]


def test_words_are_recognised(transcripts):
    counts = [word_errors(phantom().utterances[n].text, text) for n, text in zip(NEUTRAL, transcripts, strict=True)]
    assert sum(errors for errors, _ in counts) < 0.7 * sum(words for _, words in counts)
    assert all(text == text.upper() for text in transcripts)


def test_the_order_of_utterances_and_the_age_of_the_decoder_do_not_matter(recogniser, transcripts):
    loud_noise = np.random.default_rng(0).normal(0, 0.3, 16_000).astype(np.float32)
    recogniser.transcribe(loud_noise)  # would shift the cepstral mean and the noise estimate
    backwards = [recogniser.transcribe(phantom_speech(number)).text for number in reversed(NEUTRAL)]
    assert backwards[::-1] == transcripts
    assert PocketSphinx().transcribe(phantom_speech(NEUTRAL[-1])).text == transcripts[-1]


@pytest.mark.parametrize("factor", [0.1, 3.0])
def test_the_level_does_not_matter(recogniser, transcripts, factor):
    assert recogniser.transcribe(phantom_speech(NEUTRAL[0]) * np.float32(factor)).text == transcripts[0]


def test_samples_are_16_bit_and_clip_instead_of_wrapping():
    crest = np.full(16_000, 1e-4, dtype=np.float32)
    crest[8000], crest[9000] = 1, -1  # 42 dB above the level
    assert level_normalise(crest).max() > 1
    samples = np.frombuffer(to_pcm16(crest), dtype=np.int16)
    assert len(samples) == 16_000
    assert samples[8000] == 32_767 and samples[9000] == -32_767


def test_noise_has_an_empty_or_short_transcript_and_silence_none(recogniser):
    noise = recogniser.transcribe(np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32))
    assert len(noise.text.split()) <= 2 and noise.guard == ""
    with pytest.raises(AudioError):
        recogniser.transcribe(np.zeros(16_000, dtype=np.float32))
    with pytest.raises(AudioError):
        recogniser.transcribe(np.full(16_000, np.nan, dtype=np.float32))
