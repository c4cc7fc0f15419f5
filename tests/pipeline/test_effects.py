"""Effects change one quantity of speech and hold the others."""

import numpy as np
import pytest
from scipy.signal import lfilter
from speech import phantom_speech
from stand_in import make_corpus

from emotrace.corpus.audio import AudioError, level_normalise, load_audio, save_audio
from emotrace.corpus.datadir import Emotion
from emotrace.evaluation.ser import EgemapsAsRecordedSvm, EgemapsSvm, cross_validated
from emotrace.evaluation.spectrum import HOP, spectra, spectral_moments
from emotrace.pipeline import spectral_shaping
from emotrace.pipeline.effects import CENTROID_FACTOR, EFFECTS, KURTOSIS_FACTOR, LEVEL_DB, LEVELS, SHAPES, change_level
from emotrace.pipeline.spectral_shaping import ShapingError, shape_spectrum, speech_frames
from emotrace.study.groups import GROUPS

SHAPED = {
    "kurtosis-up": (1, KURTOSIS_FACTOR),
    "kurtosis-down": (1, 1 / KURTOSIS_FACTOR),
    "centroid-up": (CENTROID_FACTOR, 1),
    "centroid-down": (1 / CENTROID_FACTOR, 1),
    "ripple": (1, 1),
}


def made_up_speech() -> np.ndarray:
    """Two seconds (T,) of pulses and noise through three resonances, with pauses, peak 0.95 as synthesis has it."""
    rng, time = np.random.default_rng(5), np.arange(32_000) / 16_000
    wave = (np.diff(np.floor(130 * time + 4 * np.sin(9 * time)), prepend=0) > 0) + 0.02 * rng.standard_normal(len(time))
    for frequency, width in ((600, 80), (1500, 120), (2800, 200)):
        pole = np.exp((-np.pi * width + 2j * np.pi * frequency) / 16_000)
        wave = lfilter([1.0], [1, -2 * pole.real, abs(pole) ** 2], wave)
    wave *= np.clip(np.sin(2 * np.pi * 1.5 * time), 0.001, 1)
    return (0.95 * wave / np.abs(wave).max()).astype(np.float32)


SPEECH = {"phantom": lambda: phantom_speech(3), "made up": made_up_speech}


def moments(waveform: np.ndarray, speech: np.ndarray) -> np.ndarray:
    """Median centroid and kurtosis (2,) of the speech frames, by the evaluation's own code."""
    found = spectral_moments(spectra(waveform)[speech])
    return np.median([found.centroid, found.kurtosis], axis=1)


def level(waveform: np.ndarray, speech: np.ndarray) -> float:
    """RMS in dB of the samples in speech frames."""
    samples = np.repeat(speech, HOP)
    return 10 * np.log10(np.mean(np.square(waveform[: len(samples)][samples], dtype=np.float64)))


@pytest.mark.parametrize("speech", SPEECH)
@pytest.mark.parametrize("effect", SHAPED)
def test_a_filter_moves_its_moment_and_holds_the_others(effect, speech):
    before = SPEECH[speech]()
    after, frames = EFFECTS[effect](before), speech_frames(before)
    assert after.shape == before.shape and after.dtype == np.float32
    assert np.isfinite(after).all() and np.abs(after).max() <= spectral_shaping.PEAK
    assert moments(after, frames) / moments(before, frames) == pytest.approx(SHAPED[effect], rel=0.011)
    louder, limited = level(after, frames) - level(before, frames), np.abs(after).max() > spectral_shaping.PEAK - 1e-6
    assert louder < 0.1 and (louder > -0.1 or limited)
    assert not np.allclose(level_normalise(after), level_normalise(before), atol=1e-3)


def test_every_filter_is_tried():
    assert set(SHAPED) == set(SHAPES)


def test_the_spread_is_held_too():
    before = phantom_speech(3)
    frames = speech_frames(before)
    logs = [spectral_shaping.log_moments(spectra(wave)[frames]) for wave in (before, EFFECTS["kurtosis-up"](before))]
    assert np.median(logs[1][1]) - np.median(logs[0][1]) == pytest.approx(0, abs=0.011)


def test_factors_of_one_change_nothing():
    np.testing.assert_allclose(shape_spectrum(phantom_speech(2)), phantom_speech(2), rtol=0, atol=1e-6)


def test_the_same_bytes_every_time_and_at_any_level():
    once, again = (EFFECTS["kurtosis-up"](phantom_speech(2)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    np.testing.assert_allclose(EFFECTS["kurtosis-up"](phantom_speech(2) / 8), once / 8, rtol=0, atol=1e-5)


def test_a_filter_has_no_phase():
    """A pulse stays where it is and symmetric: nothing is delayed against the recording's speech frames."""
    pulse = np.zeros(8000)
    pulse[4000] = 0.5
    gain = 6 * spectral_shaping.COSINES[0]
    filtered = spectral_shaping._filtered(pulse, np.ones(50, bool), gain)
    assert np.abs(filtered).argmax() == 4000
    np.testing.assert_allclose(filtered[4001:4100], filtered[3999:3900:-1], atol=1e-12)


def test_where_the_gain_does_not_suffice_less_of_the_change_is_made(monkeypatch):
    before = phantom_speech(3)
    frames = speech_frames(before)
    monkeypatch.setattr(spectral_shaping, "MAX_GAIN", 0.8 * peak_gain(before, KURTOSIS_FACTOR))
    made = np.log(moments(shape_spectrum(before, kurtosis=KURTOSIS_FACTOR), frames) / moments(before, frames))
    assert min(abs(made[1] / np.log(KURTOSIS_FACTOR) - share) for share in (0.75, 0.5)) < 0.06
    monkeypatch.setattr(spectral_shaping, "MAX_GAIN", 0.1)
    with pytest.raises(ShapingError, match="no filter within 0.1 dB"):
        shape_spectrum(before, kurtosis=KURTOSIS_FACTOR)


def peak_gain(waveform: np.ndarray, kurtosis: float) -> float:
    magnitudes = spectra(waveform)[speech_frames(waveform)]
    x = spectral_shaping._solve(magnitudes, np.log([1, 1, kurtosis]), np.zeros(spectral_shaping.N_COSINES))
    return float(np.abs(x @ spectral_shaping.COSINES).max())


@pytest.mark.parametrize("waveform", [np.zeros(16_000), np.full(16_000, np.nan), np.ones(100)])
def test_what_is_no_speech_is_refused(waveform):
    with pytest.raises(ShapingError, match="silence, NaN, or less"):
        shape_spectrum(waveform, kurtosis=1.1)


def test_levels_are_plain_gains_as_far_as_the_scale_reaches(tmp_path):
    quiet = (0.1 * phantom_speech(0) / np.abs(phantom_speech(0)).max()).astype(np.float32)
    for effect, db in LEVELS.items():
        np.testing.assert_allclose(EFFECTS[effect](quiet), quiet * 10 ** (db / 20), rtol=1e-6)
    loud = EFFECTS["level-up"](5 * quiet)
    assert np.abs(loud).max() == pytest.approx(0.99)
    np.testing.assert_allclose(loud / np.abs(loud).max(), quiet / np.abs(quiet).max(), atol=1e-6)
    save_audio(tmp_path / "loud.flac", loud)
    assert np.abs(load_audio(tmp_path / "loud.flac") - loud).max() <= 2**-16 + 1e-7
    full = quiet / np.abs(quiet).max()
    np.testing.assert_array_equal(change_level(full, LEVEL_DB), full)
    with pytest.raises(AudioError, match="silence"):
        change_level(np.zeros(100), 6.0)


def test_the_group_has_every_row_that_an_effect_is_compared_with():
    names = [row.name for row in GROUPS["effects"]]
    assert {name.partition("~")[0] for name in names} == {"original", "none-T1", "ECAPA-anon-T12-soft"} <= set(names)
    possible = {row: {effect for effect in EFFECTS if f"{row}~{effect}" in names} for row in ("original", "none-T1")}
    assert set(EFFECTS) - possible["original"] == {"level-down"}
    assert set(EFFECTS) - possible["none-T1"] == {"peak", "level-up"}


def test_peak_normalisation_fools_who_depends_on_the_level_and_nobody_else(tmp_path):
    """In a made-up corpus whose emotions differ by their level alone."""
    peaks = {"sad": 0.03, "neu": 0.1, "ang": 0.9, "hap": 0.3}
    data = make_corpus(tmp_path / "corpus")
    audio = {u.id: (2 * peaks[u.emotion] * load_audio(u.path)).astype(np.float32) for u in data}
    labels = {}
    for kind in (EgemapsSvm, EgemapsAsRecordedSvm):
        recogniser = kind()
        recorded, loud = (
            {key: recogniser.features(change(wave)) for key, wave in audio.items()}
            for change in (lambda wave: wave, EFFECTS["peak"])
        )
        labels[kind] = [
            cross_validated(recogniser, data.utterances, recorded, versions) for versions in (recorded, loud)
        ]
    assert labels[EgemapsSvm][0] == labels[EgemapsSvm][1]
    others = [u.id for u in data if u.emotion is not Emotion.ANGRY]
    before, after = (sum(found[name] is Emotion.ANGRY for name in others) for found in labels[EgemapsAsRecordedSvm])
    assert before == 0 and after > len(others) / 2
