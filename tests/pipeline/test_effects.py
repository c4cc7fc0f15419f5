"""Effects change one quantity of speech and hold the others; the tables of what they do."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import colors
from scipy.signal import lfilter
from speech import phantom, phantom_speech
from stand_in import make_corpus
from test_tables import Results, utterance_lines

from emotrace.show import experiment_figures
from emotrace.corpus.audio import AudioError, level_normalise, load_audio, save_audio
from emotrace.corpus.datadir import Emotion
from emotrace.evaluation.ser import SER_BACKENDS, cross_validated
from emotrace.evaluation.spectrum import HOP, spectra, spectral_moments
from emotrace.pipeline import spectral_shaping
from emotrace.experiments.effects import (
    effect_changes,
    effect_confusions,
    effect_pairs,
    manipulation_table,
    relabelled,
    wanted,
)
from emotrace.pipeline.effects import CENTROID_FACTOR, EFFECTS, KURTOSIS_FACTOR, LEVEL_DB, LEVELS, SHAPES, change_level
from emotrace.study.groups import GROUPS
from emotrace.experiments.level import HEARINGS, level_profile, level_rows
from emotrace.pipeline.measures import measure_keys
from emotrace.study.profiles import Measure, ProfileError, scale
from emotrace.study.profiles import phantom as phantom_profile
from emotrace.engine.provenance import SYNTHESIS_CODE
from emotrace.pipeline.spectral_shaping import ShapingError, shape_spectrum, speech_frames
from emotrace.analysis.tables import TableError

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
    assert "study/spectral_shaping.py" in SYNTHESIS_CODE


@pytest.mark.parametrize("profile", [scale(), phantom_profile()])
def test_the_level_experiment_keeps_its_results_apart_and_shares_the_rest(profile):
    heard = {hearing: level_profile(profile, hearing) for hearing in HEARINGS}
    assert len({profile.results, *(own.results for own in heard.values())}) == 3
    keys = {name: measure_keys(own.backends) for name, own in heard.items()}
    assert {m for m in Measure if keys["as-recorded"][m] != keys["normalised"][m]} == {Measure.EMOTION}
    for own in heard.values():
        assert own.work == profile.work and own.select() == level_rows()
        assert [corpus.name for corpus in own.corpora] == ["emotional"]
        assert Measure.WORDS not in own.corpora[0].measures and own.groups == {}
    with pytest.raises(ProfileError, match="as-recorded, normalised"):
        level_profile(profile, "loud")


def test_only_the_variant_hears_the_level():
    quiet = phantom().utterances[0]
    audio = load_audio(quiet.path) / 4
    as_recorded, normalised = (SER_BACKENDS[name]() for name in HEARINGS.values())
    np.testing.assert_allclose(normalised.features(audio), normalised.features(4 * audio), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(as_recorded.features(level_normalise(audio)), normalised.features(audio))
    loudness = list(as_recorded._smile.column_names).index("equivalentSoundLevel_dBp")
    quieter, louder = (as_recorded.features(audio * factor)[loudness] for factor in (1, 4))
    assert louder - quieter == pytest.approx(20 * np.log10(4), abs=0.1)


def test_peak_normalisation_fools_who_hears_the_level_and_nobody_else(tmp_path):
    """Study section 9, in a made-up corpus whose emotions differ by their level alone."""
    peaks = {"sad": 0.03, "neu": 0.1, "ang": 0.9, "hap": 0.3}
    data = make_corpus(tmp_path / "corpus")
    audio = {u.id: (2 * peaks[u.emotion] * load_audio(u.path)).astype(np.float32) for u in data}
    called = {}
    for hearing, name in HEARINGS.items():
        recogniser = SER_BACKENDS[name]()
        recorded, loud = (
            {key: recogniser.features(change(wave)) for key, wave in audio.items()}
            for change in (lambda wave: wave, EFFECTS["peak"])
        )
        called[hearing] = [
            cross_validated(recogniser, data.utterances, recorded, versions) for versions in (recorded, loud)
        ]
    assert called["normalised"][0] == called["normalised"][1]
    others = [u.id for u in data if u.emotion is not Emotion.ANGRY]
    before, after = (sum(labels[name] is Emotion.ANGRY for name in others) for labels in called["as-recorded"])
    assert before == 0 and after > len(others) / 2


@pytest.fixture(scope="module")
def results() -> Results:
    """Kurtosis doubles and one in five sad and neutral utterances becomes angry; the ripple does nothing."""
    rows = {"original": {}, "original~kurtosis-up": {"sad": "ang", "neu": "ang"}, "original~ripple": {}}
    lines = pd.DataFrame([line for row, called in rows.items() for line in utterance_lines(row, called, 1)])
    lines["kurtosis"] = np.where(lines["row"] == "original~kurtosis-up", 16.0, 8.0)
    lines["loudness_lufs"] = np.where(lines["row"] == "original~kurtosis-up", -21.0, -20.0)
    return Results(lines, pd.DataFrame(), rows=tuple(rows))


def test_changes_are_those_that_were_made(results):
    table = effect_changes(results).set_index(["effect", "outcome"])
    assert table.loc["kurtosis-up", "estimate"].to_dict() == pytest.approx(
        {"sad": -20, "neu": -20, "ang": 0, "hap": 0, "uar": -10, "called_ang": 40 / 3}
    )
    line = table.loc[("kurtosis-up", "called_ang")]
    assert (line["before"], line["after"]) == pytest.approx((0, 40 / 3)) and line["low"] > 0
    assert (table.loc["ripple", ["estimate", "low", "high"]] == 0).all(axis=None)


def test_the_relabelled_are_counted_in_all_utterances(results):
    table = relabelled(results).set_index("effect")
    assert table["estimate"].to_dict() == pytest.approx({"kurtosis-up": 10, "ripple": 0})
    assert (relabelled(results, "ser_second")["estimate"] == 0).all()


def test_the_manipulation_is_measured_beside_what_was_wanted(results):
    table = manipulation_table(results).set_index(["effect", "quantity"])
    assert table.loc[("kurtosis-up", "kurtosis"), ["wanted", "median"]].tolist() == [KURTOSIS_FACTOR, 2.0]
    assert table.loc[("kurtosis-up", "loudness"), ["wanted", "median"]].tolist() == [0.0, -1.0]
    assert table.loc[("ripple", "centroid"), ["wanted", "median", "q25", "q75"]].tolist() == [1.0] * 4
    assert wanted("level-down", "loudness") == -LEVEL_DB and np.isnan(wanted("peak", "loudness"))
    assert set(SHAPES) == set(SHAPED)


def test_confusions_before_and_after(results):
    confusions = effect_confusions(results, "original")
    assert list(confusions) == ["before", "kurtosis-up", "ripple"]
    assert confusions["before"].at["sad", "ang"] == 0 and confusions["kurtosis-up"].at["sad", "ang"] == 8


def test_an_effect_without_its_row_is_refused(results):
    with pytest.raises(TableError, match="needs original"):
        effect_pairs(Results(results.utterances, results.trials, rows=("original~ripple",)))
    with pytest.raises(TableError, match="no row of the study has an effect"):
        effect_pairs(Results(results.utterances, results.trials, rows=("original",)))


def test_the_figure_marks_what_excludes_zero(results):
    frame = effect_changes(results).rename(columns={"effect": "line"}).assign(panel="original")
    drawing = experiment_figures.change_figure(frame)
    axes = drawing.axes[0]
    assert [text.get_text() for text in axes.texts][:6] == ["-20*", "-20*", "+0", "+0", "-10*", "+13*"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["kurtosis-up", "ripple"]
    assert [label.get_text() for label in axes.get_xticklabels()][-2:] == ["UAR", "called\nangry"]
    assert drawing._repr_png_().startswith(b"\x89PNG")
    faces = axes.collections[0].get_facecolors()
    assert colors.to_hex(faces[0]) != colors.to_hex(faces[2])
    with pytest.raises(ValueError, match="nothing to draw"):
        experiment_figures.change_figure(frame.iloc[:0])
