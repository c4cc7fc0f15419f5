"""Audio files in and out, and the two level conventions. T is the number of samples."""

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from emotrace.corpus.files import atomic_file

SAMPLE_RATE = 16_000


class AudioError(ValueError):
    """Audio that cannot be used; the message names the file."""


def load_audio(path: str | Path, *, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Read FLAC or WAV of any rate as mono float32 (T,) in [-1, 1] at `sample_rate` Hz.

    Channels are averaged, other rates resampled (soxr, high quality). Resampling may overshoot 1 slightly.
    Raises AudioError if the file is missing, unreadable, empty, or holds NaN or infinite samples.
    """
    try:
        with open(path, "rb") as file:
            return decode_audio(file, name=str(path), sample_rate=sample_rate)
    except OSError as error:
        raise AudioError(f"{path}: cannot be opened: {error.strerror}") from error


def decode_audio(file: BinaryIO, *, name: str, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Like `load_audio`, (T,) float32, from an open file; `name` is what the AudioError names."""
    try:
        samples, rate = read_samples(file)
    except AudioError as error:
        raise AudioError(f"{name}: unreadable audio: {error}") from error
    if not len(samples):
        raise AudioError(f"{name}: holds no samples")
    if not np.isfinite(samples).all():
        raise AudioError(f"{name}: holds NaN or infinite samples")
    mono = samples.mean(axis=1)
    return mono if rate == sample_rate else soxr.resample(mono, rate, sample_rate).astype(np.float32)


def read_samples(file: BinaryIO) -> tuple[np.ndarray, int]:
    """Samples as stored, float32 (T, channels), and their rate in Hz.

    Raises AudioError, without a file name, if libsndfile cannot decode `file` or a WAV is shorter than it declares.
    """
    if _is_cut_off(file):
        raise AudioError("the file is shorter than its header says")
    try:
        return soundfile.read(file, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(error.error_string.removeprefix("Error : ").strip().rstrip(".")) from error


def _is_cut_off(file: BinaryIO) -> bool:
    """Whether a WAV ends before its RIFF header says; libsndfile reads such a file without complaint."""
    head = file.read(8)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    declared = int.from_bytes(head[4:8], "little")
    # Streaming writers leave 0 or the maximum where they cannot know.
    return head[:4] == b"RIFF" and 0 < declared < 0xFFFFFF00 and declared + 8 > size


def save_audio(path: str | Path, waveform: np.ndarray, *, sample_rate: int = SAMPLE_RATE) -> None:
    """Write waveform (T,) in [-1, 1] as 16-bit FLAC or WAV (by suffix), atomically.

    Samples that came from 16-bit audio are written back bit for bit.
    Raises AudioError on another suffix, another shape, no samples, NaN or infinity, or values beyond 1.
    """
    path = Path(path)
    waveform = np.asarray(waveform)
    kind = {".flac": "FLAC", ".wav": "WAV"}.get(path.suffix.lower())
    if kind is None:
        raise AudioError(f"{path}: audio is written as .flac or .wav")
    if waveform.ndim != 1 or not waveform.size:
        raise AudioError(f"{path}: expected samples of shape (T,), got {waveform.shape}")
    if not np.isfinite(waveform).all():
        raise AudioError(f"{path}: refusing to write NaN or infinite samples")
    if (peak := np.abs(waveform).max()) > 1:
        raise AudioError(f"{path}: refusing to clip: peak {peak:.4f} is beyond 1")
    # libsndfile scales floats by 32767 on writing but by 1/32768 on reading; integers survive the round trip.
    pcm = np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)
    with atomic_file(path) as temporary:
        soundfile.write(temporary, pcm, sample_rate, format=kind, subtype="PCM_16")


def peak_normalise(waveform: np.ndarray, peak: float = 0.95) -> np.ndarray:
    """Scale (T,) so that its largest magnitude is `peak` (SSL-SAS's convention). AudioError on silence or NaN."""
    return _scaled(waveform, peak, np.abs(waveform).max(initial=0.0))


def level_normalise(waveform: np.ndarray, dbfs: float = -26.0) -> np.ndarray:
    """Scale (T,) to an RMS level of `dbfs` dB re full scale, what every recogniser is given. AudioError on silence.

    The result may exceed 1 where the crest factor is above -dbfs dB: it is for analysis, not for writing.
    """
    level = np.sqrt(np.mean(np.square(waveform, dtype=np.float64))) if len(waveform) else 0.0
    return _scaled(waveform, 10 ** (dbfs / 20), level)


def _scaled(waveform: np.ndarray, wanted: float, measured: float) -> np.ndarray:
    if not np.isfinite(measured):
        raise AudioError("cannot normalise NaN or infinite samples")
    if measured == 0:
        raise AudioError("cannot normalise silence")
    return (waveform * (wanted / measured)).astype(np.float32)


def to_pcm16(waveform: np.ndarray) -> bytes:
    """Level-normalised 16-bit little-endian samples of a waveform (T,), for webrtcvad and pocketsphinx.

    Both accept the bytes of a float array without a word, and the values that level normalisation lifts beyond full
    scale would wrap around: they are clipped. Raises AudioError on silence and NaN.
    """
    return np.rint(np.clip(level_normalise(waveform), -1, 1) * 32767).astype("<i2").tobytes()
