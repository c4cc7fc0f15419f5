"""Tracks of a clip against closed forms, other libraries and the study's own medians; pictures that compare."""

import io
import warnings

import librosa
import numpy as np
import pyloudnorm
import pytest
from PIL import Image
from scipy.signal import ShortTimeFFT

from emotrace.corpus.audio import SAMPLE_RATE, load_audio
from emotrace.corpus.datadir import DataDir, Emotion
from emotrace.evaluation.acoustics import AcousticsError, acoustic_features, oracle_mask
from emotrace.pipeline.rows import ORIGINAL
from emotrace.show.figures import DPI, WIDTH
from emotrace.show.listening.clips import Clip, choose
from emotrace.show.listening.pictures import (
    HEIGHT,
    alt_text,
    clip_figure,
    common_limits,
    measure_tracks,
    momentary_loudness,
    png,
)
from emotrace.study.profiles import get_profile

TIME = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
INNER = slice(30, -30)  # frames whose 400 ms lie inside


def sine(frequency: float, amplitude: float = 1.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency * TIME)


def tracks(waveform: np.ndarray):
    return measure_tracks(waveform, np.ones(len(waveform) // 160, dtype=bool))


@pytest.fixture(scope="module")
def phantom():
    """Emotion -> an utterance, its waveform, its tracks."""
    chosen = choose(DataDir.read(get_profile("phantom").corpora[0].path))
    waveforms = {emotion: load_audio(utterance.path) for emotion, utterance in chosen.items()}
    return {
        emotion: (chosen[emotion], waveform, measure_tracks(waveform, oracle_mask(waveform)))
        for emotion, waveform in waveforms.items()
    }


@pytest.mark.parametrize(("frequency", "amplitude", "lufs"), [(997, 1.0, -3.01), (997, 0.1, -23.01)])
def test_loudness_of_the_calibrated_sine_of_bs1770(frequency, amplitude, lufs):
    assert momentary_loudness(sine(frequency, amplitude))[INNER] == pytest.approx(lufs, abs=0.1)  # EBU Tech 3341


@pytest.mark.parametrize("frequency", [60, 250, 1000, 4000])
def test_loudness_of_a_steady_sound_is_pyloudnorms(frequency):
    integrated = pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(sine(frequency, 0.2))
    assert momentary_loudness(sine(frequency, 0.2))[INNER] == pytest.approx(integrated, abs=0.1)


def test_loudness_of_speech_is_pyloudnorms_block_by_block(phantom):
    """pyloudnorm's blocks of 400 ms every 100 ms; block j has its middle at the boundary of frames 10 j + 19 and 20."""
    _, waveform, _ = phantom[Emotion.HAPPY]
    meter = pyloudnorm.Meter(SAMPLE_RATE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        meter.integrated_loudness(waveform.astype(np.float64))
    blocks = np.array(meter.blockwise_loudness)[:-1]
    own = momentary_loudness(waveform)
    middles = 10 * np.arange(len(blocks)) + 20
    assert (own[middles - 1] + own[middles]) / 2 == pytest.approx(blocks, abs=0.15)


def test_loudness_falls_by_half_its_window_at_the_ends_and_silence_has_none():
    loudness = momentary_loudness(sine(997))
    assert loudness[0] == pytest.approx(loudness[100] - 3.01, abs=0.15)
    assert np.isnan(momentary_loudness(np.zeros(8000))).all()
    assert len(momentary_loudness(np.zeros(8001))) == 50


@pytest.mark.parametrize("frequency", [500, 1000, 3000])
def test_centroid_of_a_tone_is_its_frequency_as_librosa_has_it(frequency):
    own = tracks(sine(frequency, 0.5)).centroid[INNER]
    theirs = librosa.feature.spectral_centroid(y=sine(frequency, 0.5), sr=SAMPLE_RATE, n_fft=400, hop_length=160)
    assert own == pytest.approx(frequency, abs=10)
    assert own.mean() == pytest.approx(theirs[0, INNER].mean(), abs=5)


def test_kurtosis_of_two_tones_is_one_and_of_a_flat_spectrum_nine_fifths():
    """A distribution with two equal points has kurtosis 1, a uniform one 1.8."""
    assert tracks(sine(1000) + sine(7000)).kurtosis[INNER] == pytest.approx(1.0, abs=0.1)
    click = np.zeros(SAMPLE_RATE)
    click[80::160] = 0.5  # one in the middle of every frame
    assert np.median(tracks(click).kurtosis) == pytest.approx(1.8, abs=0.35)


def test_centroid_and_kurtosis_of_speech_by_scipys_stft(phantom):
    """Frame l has its middle at sample 160 l + 80; scipy's slices have theirs at multiples of the hop."""
    _, waveform, own = phantom[Emotion.ANGRY]
    transform = ShortTimeFFT(np.hanning(401)[:-1], hop=160, fs=SAMPLE_RATE)
    share = np.abs(transform.stft(waveform[80:].astype(np.float64), p0=0, p1=len(own.f0)))
    share, frequencies = share[:, 20:100] / share[:, 20:100].sum(axis=0), transform.f[:, None]
    centroid = (share * frequencies).sum(axis=0)
    second, fourth = ((share * (frequencies - centroid) ** power).sum(axis=0) for power in (2, 4))
    assert own.centroid[20:100] == pytest.approx(centroid)
    assert own.kurtosis[20:100] == pytest.approx(fourth / second**2)


def test_medians_are_those_that_the_study_records(phantom):
    for _, waveform, own in phantom.values():
        recorded = acoustic_features(waveform, oracle_mask(waveform))
        assert own.median("centroid") == pytest.approx(recorded["centroid_hz"])
        assert own.median("kurtosis") == pytest.approx(recorded["kurtosis"])
        assert np.nanmean(own.f0[own.speech]) == pytest.approx(recorded["f0_mean_hz"], rel=1e-4)


def test_f0_is_the_known_cue_of_the_phantom(phantom):
    """Its angry and happy are higher than its neutral, its sad lower."""
    sad, neutral, angry, happy = (phantom[emotion][2].median("f0") for emotion in Emotion)
    assert sad < neutral < angry < happy


def test_another_length_is_refused():
    with pytest.raises(AcousticsError, match="longer than its original"):
        measure_tracks(sine(300), np.ones(100, dtype=bool))


def test_pictures_of_an_utterance_have_the_same_axes(phantom):
    _, waveform, recording = phantom[Emotion.SAD]
    louder = measure_tracks(np.clip(8 * waveform, -1, 1), oracle_mask(waveform))
    limits = common_limits([recording, louder])
    one, two = clip_figure("original", recording, limits), clip_figure("none-T1", louder, limits, recording)
    axes = [[(panel.get_xlim(), panel.get_ylim(), panel.get_position().bounds) for panel in f.axes] for f in (one, two)]
    assert axes[0] == axes[1] and len(axes[0]) == 5
    assert limits["loudness"][1] - common_limits([recording])["loudness"][1] >= 15  # 8 x is 18 dB
    assert len(two.axes[1].lines) == len(one.axes[1].lines) + 1  # the recording behind


def test_picture_is_a_small_png_of_the_promised_size(phantom):
    _, _, own = phantom[Emotion.NEUTRAL]
    content = png(clip_figure("original", own, common_limits([own])))
    picture = Image.open(io.BytesIO(content))
    assert picture.size == (round(WIDTH * DPI), round(HEIGHT * DPI)) and len(content) < 100_000
    assert len(set(picture.convert("L").tobytes())) > 20  # a spectrogram, not a blank


def test_alt_text_has_the_medians(phantom):
    utterance, _, own = phantom[Emotion.HAPPY]
    text = alt_text(Clip(ORIGINAL, utterance, utterance.path), own)
    assert text.startswith("original, happy: ")
    assert f"F0 {own.median('f0'):.0f} Hz" in text and f"kurtosis {own.median('kurtosis'):.1f}" in text
