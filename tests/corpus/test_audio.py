"""Reading, writing and levelling audio."""

import numpy as np
import pytest
import soundfile
from stand_in import tone

from emotrace.corpus.audio import AudioError, level_normalise, load_audio, peak_normalise, save_audio


@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_sixteen_bit_samples_survive_bit_for_bit(tmp_path, suffix):
    pcm = np.array([0, 1, -1, 12345, 32767, -32768, 16385, -20000], dtype=np.int16)
    soundfile.write(tmp_path / f"in{suffix}", pcm, 16_000)
    save_audio(tmp_path / f"out{suffix}", load_audio(tmp_path / f"in{suffix}"))
    written, rate = soundfile.read(tmp_path / f"out{suffix}", dtype="int16")
    assert rate == 16_000
    np.testing.assert_array_equal(written, pcm)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_any_rate_becomes_sixteen_kilohertz(tmp_path, rate, suffix):
    time = np.arange(rate) / rate
    soundfile.write(tmp_path / f"a{suffix}", 0.5 * np.sin(2 * np.pi * 440 * time), rate)
    waveform = load_audio(tmp_path / f"a{suffix}")
    assert waveform.dtype == np.float32 and waveform.shape == (16_000,)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    # The resampling filter needs a few milliseconds at either end.
    assert np.abs(waveform - expected)[800:-800].max() < 1e-3


def test_content_above_the_new_nyquist_frequency_is_removed(tmp_path):
    time = np.arange(48_000) / 48_000
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 12_000 * time), 48_000)
    assert np.abs(load_audio(tmp_path / "a.wav"))[800:-800].max() < 1e-3


def test_channels_are_averaged(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.tile([[0.5, 0.25]], (100, 1)), 16_000, subtype="FLOAT")
    np.testing.assert_allclose(load_audio(tmp_path / "a.wav"), 0.375)


def test_other_sample_rates_on_request(tmp_path):
    save_audio(tmp_path / "a.flac", tone(0.5), sample_rate=16_000)
    assert load_audio(tmp_path / "a.flac", sample_rate=22_050).shape == (11_025,)


@pytest.fixture
def broken(tmp_path):
    """Files that cannot be used, by name."""
    (tmp_path / "text.wav").write_text("this is not audio")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16_000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan, 0.1]), 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "inf.wav", np.array([0.0, np.inf, 0.1]), 16_000, subtype="FLOAT")
    for suffix in ("flac", "wav"):
        soundfile.write(tmp_path / f"whole.{suffix}", tone(1.0), 16_000)
        whole = (tmp_path / f"whole.{suffix}").read_bytes()
        (tmp_path / f"cut.{suffix}").write_bytes(whole[: len(whole) // 2])
    return tmp_path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.wav", "No such file"),
        ("text.wav", "unreadable audio"),
        ("empty.wav", "no samples"),
        ("nan.wav", "NaN"),
        ("inf.wav", "infinite"),
        ("cut.wav", "shorter than its header says"),
        ("cut.flac", "unreadable audio"),
    ],
)
def test_unusable_audio_is_refused_by_name(broken, name, reason):
    with pytest.raises(AudioError, match=f"{name}.*{reason}"):
        load_audio(broken / name)


@pytest.mark.parametrize(
    ("waveform", "name", "reason"),
    [
        ([0.0, np.nan], "a.wav", "NaN"),
        ([0.0, 1.001], "a.flac", "beyond 1"),
        ([0.0, -1.001], "a.flac", "beyond 1"),
        ([], "a.wav", "shape"),
        ([[0.1, 0.2]], "a.wav", "shape"),
        ([0.1], "a.mp3", "flac or .wav"),
    ],
)
def test_unwritable_waveforms_are_refused_and_leave_nothing(tmp_path, waveform, name, reason):
    with pytest.raises(AudioError, match=reason):
        save_audio(tmp_path / name, np.array(waveform))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_keeps_the_old_file(tmp_path, monkeypatch):
    save_audio(tmp_path / "a.wav", tone())
    before = (tmp_path / "a.wav").read_bytes()

    def interrupted(file, *_, **__):
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(soundfile, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_audio(tmp_path / "a.wav", tone(f0=300))
    assert (tmp_path / "a.wav").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]


def test_peak_and_level_are_what_was_asked_for():
    loud, soft = tone(peak=0.9), tone(peak=0.01)
    assert np.abs(peak_normalise(loud)).max() == pytest.approx(0.95, abs=1e-6)
    assert np.abs(peak_normalise(soft, 0.5)).max() == pytest.approx(0.5, abs=1e-6)
    level = level_normalise(loud)
    assert 20 * np.log10(np.sqrt(np.mean(level.astype(float) ** 2))) == pytest.approx(-26, abs=1e-4)
    np.testing.assert_allclose(level, level_normalise(soft), atol=1e-6)


@pytest.mark.parametrize("normalise", [peak_normalise, level_normalise])
@pytest.mark.parametrize("waveform", [np.zeros(10), np.zeros(0), np.array([0.1, np.nan])])
def test_silence_and_nan_have_no_level(normalise, waveform):
    with pytest.raises(AudioError, match="cannot normalise"):
        normalise(waveform)
