"""What the probes read of an utterance: targets measured on signals that are known, and the stored frames."""

from pathlib import Path

import numpy as np
import pocketsphinx
import pytest
from speech import phantom
from tiny_models import make_models

from emotrace.corpus.audio import load_audio
from emotrace.experiments.probe_features import (
    FLOOR_DB,
    FRAME_STREAMS,
    PHONES,
    frame_levels,
    log_f0,
    relative_energy,
    spectral_tilt,
    speech_frames,
    write_probe_features,
)
from emotrace.experiments.probing import TARGETS, Material, Probe, read_lines
from emotrace.training.hubert import align

RATE = 16_000


def test_a_click_has_no_tilt():
    click = np.zeros(400)
    click[200] = 1.0
    np.testing.assert_allclose(spectral_tilt(click), 0, atol=1e-9)


@pytest.mark.parametrize("tilt", [-9.0, -6.0, 3.0])
def test_a_filter_of_so_many_db_per_octave_adds_them(tilt):
    noise = np.random.default_rng(0).standard_normal(20 * RATE)
    frequency = np.fft.rfftfreq(len(noise), 1 / RATE)
    gain = (np.maximum(frequency, 20) / 1000) ** (tilt / (20 * np.log10(2)))
    tilted = np.fft.irfft(np.fft.rfft(noise) * gain)
    assert spectral_tilt(tilted).mean() - spectral_tilt(noise).mean() == pytest.approx(tilt, abs=0.2)


def test_tilt_does_not_hear_the_level():
    noise = np.random.default_rng(1).standard_normal(RATE)
    np.testing.assert_allclose(spectral_tilt(noise), spectral_tilt(0.01 * noise), atol=1e-9)


def test_levels_are_those_of_a_sine_and_relative_energy_forgets_the_gain():
    time = np.arange(RATE) / RATE
    sine = np.sin(2 * np.pi * 400 * time)  # ten periods in a frame
    np.testing.assert_allclose(frame_levels(sine), 10 * np.log10(0.5), atol=1e-6)
    swell = sine * np.linspace(0.1, 1, RATE)
    energy, softer = (relative_energy(frame_levels(gain * swell)) for gain in (1.0, 0.05))
    np.testing.assert_allclose(energy, softer, atol=1e-9)
    assert np.mean(10 ** (energy / 10)) == pytest.approx(1)


def test_only_frames_within_forty_db_are_speech_and_silence_has_none():
    time = np.arange(RATE) / RATE
    steps = np.sin(2 * np.pi * 400 * time) * np.where(time < 0.5, 1, np.where(time < 0.75, 0.02, 0.002))
    speech = speech_frames(frame_levels(steps))
    assert speech[:36].all() and not speech[39:].any()
    silence = frame_levels(np.zeros(RATE))
    assert not speech_frames(silence).any() and np.isnan(relative_energy(silence)).all()
    assert silence.max() == FLOOR_DB


def test_frames_are_as_many_as_huberts_and_f0_is_the_nearest_value():
    waveform = np.random.default_rng(0).standard_normal(16_123)
    frames = (len(waveform) - 80) // 320
    assert len(frame_levels(waveform)) == len(spectral_tilt(waveform)) == frames
    track = np.arange(-(-len(waveform) // 160), dtype=float)  # value j is centred on sample 160 j
    centres = 320 * np.arange(frames) + 200
    nearest = np.abs(160 * track[None] - centres[:, None]).argmin(axis=1)
    np.testing.assert_allclose(2 ** log_f0(track, frames), nearest)
    assert np.isnan(log_f0(np.zeros(20), 10)).all()
    with pytest.raises(ValueError, match="does not cover"):
        log_f0(np.zeros(19), 10)
    with pytest.raises(ValueError, match="at least 400 samples"):
        frame_levels(np.zeros(399))


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    return make_models(tmp_path_factory.mktemp("models"), layers=(6,))


def test_stored_frames_are_every_fifth_and_stored_phones_those_of_the_sentence(models, tmp_path):
    utterance = phantom().utterances[0]
    write_probe_features(tmp_path / "u", utterance, models, "cpu", True)
    material = Material((utterance,), (tmp_path / "u",), ())
    phone = next(target for target in TARGETS if target.name == "phone")
    lines = read_lines(material, "T6", phone)
    frames = len(frame_levels(load_audio(utterance.path)))
    assert 0.5 * frames / 5 < len(lines.x) < frames / 5
    assert set(lines.targets) <= set(PHONES) and len(set(lines.targets)) > 5
    assert set(lines.owners["utterance"]) == {utterance.id}
    energy = next(target for target in TARGETS if (target.name, target.probe) == ("energy", Probe.FRAME))
    shapes = {name: read_lines(material, name, energy).x.shape[1] for name in FRAME_STREAMS}
    hubert = {"log-mel": 80, **{f"T{n}": 16 for n in range(13)}, "soft units": 8}
    assert shapes == hubert | {f"W{n}": 512 for n in range(7)} | {"W6 soft units": 8}


def test_phones_do_not_depend_on_what_was_aligned_before():
    """The tasks of a worker share an aligner, and which tasks those are is chance."""
    aligner = pocketsphinx.Decoder(loglevel="FATAL", lm=None)
    speech = {u.id: (load_audio(u.path), u.text) for u in phantom().utterances[:3]}
    forward = {name: align(aligner, *pair) for name, pair in speech.items()}
    backward = {name: align(aligner, *pair) for name, pair in reversed(speech.items())}
    assert forward == backward and all(forward.values())


def test_a_damaged_file_is_named(models, tmp_path):
    (tmp_path / "u").write_bytes(b"not tensors")
    with pytest.raises(ValueError, match="u: damaged .*repeat the command"):
        read_lines(Material((phantom().utterances[0],), (tmp_path / "u",), ()), "T6", TARGETS[0])
