"""The McAdams coefficient moves the angles of poles as the paper says, and leaves everything else of a recording."""

from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import companion, toeplitz
from scipy.signal import lfilter, sosfilt, welch
from speech import phantom_speech
from stand_in import tone
from voices import VOICES, say

from emotrace.anonymizer import WAVEFORM_ANONYMIZERS
from emotrace.anonymizer.draws import Selection
from emotrace.anonymizer.mcadams import McAdams, linear_prediction, move_formants, move_poles
from emotrace.corpus.audio import AudioError, peak_normalise
from emotrace.corpus.datadir import Utterance
from emotrace.weights import ModelFolder

RATE = 16_000
FORMANTS = np.array([500.0, 1500.0, 2500.0, 3500.0])  # Hz
UTTERANCES = [Utterance(f"{s}-{n}", s, "f", Path()) for s in ("s1", "s2", "s3") for n in range(20)]


def alphas(**settings: str) -> dict[str, float]:
    """The coefficient of each utterance."""
    anonymizer = McAdams(Selection(**settings))
    return {one.id: anonymizer.alpha(one) for one in UTTERANCES}


def section(radius: float, angle: float) -> np.ndarray:
    """The second-order section (6,) of a conjugate pair of poles."""
    return np.array([1.0, 0.0, 0.0, 1.0, -2 * radius * np.cos(angle), radius**2])


@pytest.mark.parametrize("number", [0, 5])
def test_with_alpha_1_the_recording_comes_back(number):
    recording = phantom_speech(number)
    np.testing.assert_allclose(move_formants(recording, 1.0), recording, rtol=0, atol=1e-9)
    again = peak_normalise(move_formants(recording, 1.0))
    np.testing.assert_allclose(again, peak_normalise(recording), rtol=0, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.5, 0.7, 0.9])
def test_angles_are_raised_to_the_power_and_radii_and_real_poles_stay(alpha):
    radii, angles, real = np.array([0.98, 0.95, 0.9]), np.array([0.2, 1.0, 2.9]), (0.8, -0.6)
    before, after = (_product(radii, each, real) for each in (angles, angles**alpha))
    np.testing.assert_allclose(move_poles(before, alpha), after, atol=1e-9)


def _product(radii: np.ndarray, angles: np.ndarray, real: tuple[float, ...]) -> np.ndarray:
    """Coefficients of a filter with these pairs of poles and these real ones."""
    found = np.ones(1)
    for factor in [*(section(*pair)[3:] for pair in zip(radii, angles, strict=True)), *([1.0, -pole] for pole in real)]:
        found = np.convolve(found, factor)
    return found


@pytest.mark.parametrize("alpha", [0.6, 0.8])
def test_the_formants_of_a_vowel_move(alpha):
    """A whispered vowel of ten seconds: the peaks of its average spectrum."""
    pairs = [section(np.exp(-np.pi * 80 / RATE), 2 * np.pi * formant / RATE) for formant in FORMANTS]
    vowel = sosfilt(pairs, np.random.default_rng(0).standard_normal(10 * RATE))
    expected = (2 * np.pi * FORMANTS / RATE) ** alpha * RATE / (2 * np.pi)
    for waveform, formants in ((vowel, FORMANTS), (move_formants(vowel, alpha), expected)):
        frequencies, power = welch(waveform, RATE, nperseg=512)
        for formant in formants:
            near = np.abs(frequencies - formant) < 200
            assert frequencies[near][power[near].argmax()] == pytest.approx(formant, abs=60), formant


@pytest.mark.parametrize("alpha", [0.5, 0.9])
def test_a_waveform_is_that_of_the_written_out_method(alpha):
    """Frame by frame: normal equations, eigenvalues, sections of second order one after the other."""
    speech = say(VOICES["cem"], "one", "neu")[:4000].astype(float)
    window = np.sin(np.pi * np.arange(320) / 320)  # the root of Hann's
    expected = np.zeros(160 + len(speech) + 320)
    padded = np.pad(speech, (160, 320))
    for start in range(0, len(padded) - 319, 160):
        frame = padded[start : start + 320] * window
        if not frame.any():
            continue
        lags = np.array([frame[: 320 - lag] @ frame[lag:] for lag in range(21)])
        inverse = np.r_[1.0, np.linalg.solve(toeplitz(lags[:20]) + 1e-9 * lags[0] * np.eye(20), -lags[1:])]
        poles = np.linalg.eigvals(companion(inverse))
        filtered = lfilter(inverse, [1.0], frame)
        for pole in poles[poles.imag > 0]:
            filtered = sosfilt([section(abs(pole), np.angle(pole) ** alpha)], filtered)
        for pole in poles[poles.imag == 0]:
            filtered = lfilter([1.0], [1.0, -pole.real], filtered)
        expected[start : start + 320] += filtered * window
    expected = expected[160 : 160 + len(speech)]
    np.testing.assert_allclose(move_formants(speech, alpha), expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("n_samples", [1, 159, 160, 161, 320, 9_601])
def test_length_and_peak_are_those_of_every_version(n_samples):
    waveform = np.random.default_rng(1).standard_normal(n_samples).astype(np.float32)
    made = McAdams(Selection())(waveform, UTTERANCES[0])
    assert made.shape == waveform.shape and made.dtype == np.float32
    assert np.abs(made).max() == pytest.approx(0.95)


def test_a_version_is_the_recording_with_the_drawn_coefficient():
    speech, anonymizer = phantom_speech(), WAVEFORM_ANONYMIZERS.find("mcadams").load(ModelFolder(), Selection())
    expected = peak_normalise(move_formants(speech, alphas()[UTTERANCES[3].id]))
    np.testing.assert_array_equal(anonymizer(speech, UTTERANCES[3]), expected)


def test_a_coefficient_is_that_of_the_speaker_or_of_the_utterance():
    assert len(set(alphas(level="utterance").values())) == len(UTTERANCES)
    by_speaker = alphas(level="speaker")
    assert len(set(by_speaker.values())) == 3
    assert len({(one.speaker, by_speaker[one.id]) for one in UTTERANCES}) == 3


@pytest.mark.parametrize("level", ["speaker", "utterance"])
def test_another_seed_is_another_coefficient(level):
    one, other = alphas(level=level, seed="1"), alphas(level=level, seed="2")
    assert one == alphas(level=level, seed="1") and all(one[name] != other[name] for name in one)
    assert alphas(level=level, n_farthest=3, n_random=2) == alphas(level=level), "no pool"


def test_coefficients_fill_the_range():
    drawn = [value for seed in map(str, range(10)) for value in alphas(seed=seed).values()]
    assert 0.5 <= min(drawn) < 0.51 and 0.89 < max(drawn) <= 0.9
    assert np.mean(drawn) == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize("alpha", [0.5, 0.9, 1.0])
def test_silence_stays_silent(alpha):
    speech = phantom_speech().copy()
    speech[4000:6000] = 0
    moved = move_formants(speech, alpha)
    assert np.isfinite(moved).all() and moved.any()
    assert not moved[4160:5840].any()
    assert not move_formants(np.zeros(1000), alpha).any()


def test_a_silent_recording_is_refused_as_by_every_version():
    with pytest.raises(AudioError, match="silence"):
        McAdams(Selection())(np.zeros(1000, np.float32), UTTERANCES[0])


@pytest.mark.parametrize(
    "waveform",
    [tone(), np.sin(np.arange(8000) * 0.2), np.full(8000, 0.5), np.eye(1, 8000, 3000)[0], np.tile([0.5, -0.5], 4000)],
    ids=["harmonics", "sine", "constant", "click", "alternating"],
)
def test_what_is_predicted_perfectly_stays_bounded(waveform):
    frame = waveform[2900:3220] * np.hanning(320)
    assert np.abs(np.roots(linear_prediction(frame))).max(initial=0) < 1
    np.testing.assert_allclose(move_formants(waveform, 1.0), waveform, rtol=0, atol=1e-6)
    assert np.abs(move_formants(waveform, 0.5)).max() < 1000


@pytest.mark.parametrize("alpha", [0.0, -0.5, 1.1, np.nan])
def test_coefficients_that_reach_beyond_pi_are_refused(alpha):
    with pytest.raises(ValueError, match="McAdams coefficient"):
        move_formants(tone(), alpha)
