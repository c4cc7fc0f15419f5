"""What the probes read of one utterance: every layer and embedding, pooled and in a part of the frames, and targets.

A task is a pure function of the recording and the models. Axes: T samples at 16 kHz, L frames (50 per second), K of
them kept, C channels, E embedding. Frames are HuBERT's: 25 ms every 20 ms, frame l over samples 320 l to 320 l + 399,
L = (T - 400) // 320 + 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file

from emotrace.corpus.audio import SAMPLE_RATE, load_audio, peak_normalise
from emotrace.corpus.datadir import Utterance
from emotrace.corpus.files import atomic_file
from emotrace.representation import STREAMS
from emotrace.weights import ModelFolder

if TYPE_CHECKING:  # who reads what was recorded needs neither
    import pocketsphinx
    import torch

FRAME, HOP = 400, 320
SPEECH_DB = 40.0  # frames within this distance of the loudest are speech; RAVDESS is trimmed by the same rule
FLOOR_DB = -120.0  # level of digital silence
BAND_EDGES = 125.0 * 2 ** (np.arange(13) / 2)  # Hz, half-octave bands up to 8 kHz
ROUNDING = 1e-6  # relative: the last edge is the last bin
LAYERS, WHISPER_LAYERS = tuple(range(13)), tuple(range(7))
STRIDE, FIRST = 5, 2  # one frame in five, from the third: neighbours say nearly the same
READ = {"soft": "soft units", "soft-whisper": "W6 soft units"}  # streams of 50 frames/s, by what tables call them
FRAME_STREAMS = (
    "log-mel",
    *(f"T{n}" for n in LAYERS),
    "soft units",
    *(f"W{n}" for n in WHISPER_LAYERS),
    "W6 soft units",
)
EMBEDDINGS = ("ECAPA", "GST")
REPRESENTATIONS = (*FRAME_STREAMS, *EMBEDDINGS)
# ARPAbet as the CMU dictionary has it; silence and noise are no phones
PHONES = (
    *("AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH"),
    *("K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH"),
)


def write_probe_features(output: Path, utterance: Utterance, models: Path, device: str, aligned: bool) -> None:
    """Write one utterance's tensors (float32) to a safetensors file.

    - frames/R (K, C) for R in FRAME_STREAMS, and frames/F0 (log2 Hz), frames/energy (dB) and frames/spectral tilt
      (dB/octave), each (K,) and NaN where undefined; with ``aligned`` frames/phone (K,), the place in PHONES, NaN
      where there is none. K: every fifth frame.
    - pooled/R (2 C,): mean and standard deviation over all frames; pooled/ECAPA, pooled/GST (E,): the embedding.
    - mean/F0 over voiced frames, mean/energy (dB re full scale of the peak-normalised utterance, which is the level
      that the models get) and mean/spectral tilt over speech frames; (1,) each, NaN where there is no such frame.

    Raises AudioError or ValueError for audio that cannot be used, FileNotFoundError for a missing model.
    """
    import torch

    from emotrace.representation.hubert import load_hubert

    waveform = load_audio(utterance.path)
    levelled = torch.from_numpy(peak_normalise(waveform))
    names = (*READ, "f0", "ecapa", "gst", "log-mel")
    read = {name: _stream(name, models, device)(levelled).numpy() for name in names}
    layers = load_hubert(ModelFolder(models), "hubert", device).layers(levelled.to(device))
    streams = _streams(layers, _stream("whisper", models, device, WHISPER_LAYERS[-1]).layers(levelled), read)
    tensors = {f"pooled/{name}": np.concatenate([x.mean(0), x.std(0)]) for name, x in streams.items()}
    tensors |= {"pooled/ECAPA": read["ecapa"], "pooled/GST": read["gst"]}
    targets, means = _targets(levelled.numpy(), read["f0"], len(streams["T0"]))
    if aligned:
        targets["phone"] = _phones(waveform, utterance.text, len(targets["F0"]))
    tensors |= {f"frames/{name}": x[FIRST::STRIDE] for name, x in (streams | targets).items()}
    tensors |= {f"mean/{name}": np.array([value]) for name, value in means.items()}
    with atomic_file(output) as temporary:
        save_file({name: np.ascontiguousarray(x, dtype=np.float32) for name, x in tensors.items()}, temporary)


def _streams(
    layers: list[torch.Tensor], whisper: list[torch.Tensor], read: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Every stream at 50 frames/s, (L, C): of the log-mel at 100 frames/s the frame nearest to HuBERT's, as of F0.

    A frame of Whisper is that of the same number, as in its IRs.
    """
    frames = len(layers[0])
    numbered = {f"T{n}": layers[n].cpu().numpy() for n in LAYERS}
    numbered |= {f"W{n}": whisper[n][:frames].numpy() for n in WHISPER_LAYERS}
    return {"log-mel": read["log-mel"][1 : 2 * frames : 2], **numbered} | {
        title: read[name][:frames] for name, title in READ.items()
    }


def _targets(levelled: np.ndarray, f0: np.ndarray, frames: int) -> tuple[dict[str, np.ndarray], Mapping[str, float]]:
    """Targets by frame (L,) of the waveform that the models read, and their means over the utterance."""
    levels = frame_levels(levelled)
    speech = speech_frames(levels)
    pitch = log_f0(f0, frames)
    tilt = np.where(speech, spectral_tilt(levelled), np.nan)
    means = {"F0": _mean(pitch), "energy": _mean(levels[speech]), "spectral tilt": _mean(tilt)}
    return {"F0": pitch, "energy": relative_energy(levels), "spectral tilt": tilt}, means


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _phones(waveform: np.ndarray, text: str | None, frames: int) -> np.ndarray:
    """The phone at the centre of each frame (L,), as a place in PHONES; all NaN where the aligner loses its way."""
    from emotrace.training.hubert import ALIGNER_RATE, align

    names = align(_aligner(), waveform, text) if text else []
    numbers = np.array([PHONES.index(name) if name in PHONES else np.nan for name in names] or [np.nan])
    centres = np.arange(frames) * HOP + FRAME // 2
    return numbers[np.minimum(centres * ALIGNER_RATE // 16_000, len(numbers) - 1)]


@lru_cache(maxsize=8)
def _stream(name: str, models: Path, device: str, layer: int | None = None):
    return STREAMS.find(name).load(ModelFolder(models), layer, device)


@lru_cache(maxsize=1)
def _aligner() -> pocketsphinx.Decoder:
    import pocketsphinx

    return pocketsphinx.Decoder(loglevel="FATAL", lm=None)


def frame_levels(waveform: np.ndarray) -> np.ndarray:
    """Level (L,) of each frame of a waveform (T,): mean square in dB re full scale, at least -120 dB.

    Raises ValueError for anything but (T,) with T of at least 400 samples.
    """
    power = np.square(_frames(waveform)).mean(axis=1)
    return 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))


def speech_frames(levels: np.ndarray) -> np.ndarray:
    """Which frames (L,) are speech: those within 40 dB of the loudest. Never none, unless all is digital silence."""
    return (levels > levels.max() - SPEECH_DB) & (levels > FLOOR_DB)


def relative_energy(levels: np.ndarray) -> np.ndarray:
    """Level (L,) of each speech frame relative to the utterance's speech level, in dB; NaN in other frames.

    The speech level is that of the mean power over all speech frames, so gain leaves no trace.
    """
    speech = speech_frames(levels)
    if not speech.any():
        return np.full(len(levels), np.nan)
    speech_level = 10 * np.log10(np.mean(10 ** (levels[speech] / 10)))
    return np.where(speech, levels - speech_level, np.nan)


def spectral_tilt(waveform: np.ndarray) -> np.ndarray:
    """Spectral tilt (L,) of a waveform (T,) in dB per octave: negative where the high frequencies are weaker.

    Least-squares slope of the level of twelve half-octave bands, 125 Hz to 8 kHz, over the logarithm of frequency;
    every octave weighs the same. The level of a band is its mean power per bin (Hann window of 25 ms, bins of 40 Hz),
    so a click has tilt 0; white noise has 0.4 on average, for the logarithm of a mean of few bins is low. Raises
    ValueError as `frame_levels` does.
    """
    power = np.abs(np.fft.rfft(_frames(waveform) * np.hanning(FRAME + 1)[:-1])) ** 2
    frequency = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)
    band = np.searchsorted(BAND_EDGES * np.append(np.ones(12), 1 + ROUNDING), frequency, side="right") - 1
    levels = np.stack([power[:, band == number].mean(axis=1) for number in range(12)], axis=1)
    octaves = np.arange(12) / 2
    weights = (octaves - octaves.mean()) / np.square(octaves - octaves.mean()).sum()
    return 10 * np.log10(np.maximum(levels, 10 ** (FLOOR_DB / 10))) @ weights


def log_f0(f0: np.ndarray, frames: int) -> np.ndarray:
    """log2 of F0 in Hz (frames,) from a track of 100 values a second (Hz, 0 unvoiced); NaN where unvoiced.

    YAAPT's value j is centred on sample 160 j, frame l on sample 320 l + 200: the nearest is j = 2 l + 1.
    Raises ValueError when the track is too short for the frames.
    """
    if len(f0) < 2 * frames:
        raise ValueError(f"an F0 track of {len(f0)} values does not cover {frames} frames of 20 ms")
    nearest = np.asarray(f0, dtype=np.float64)[1 : 2 * frames : 2]
    return np.log2(nearest, out=np.full(frames, np.nan), where=nearest > 0)


def _frames(waveform: np.ndarray) -> np.ndarray:
    samples = np.asarray(waveform, dtype=np.float64)
    if samples.ndim != 1 or len(samples) < FRAME:
        raise ValueError(f"frames of 25 ms need a waveform (T,) of at least {FRAME} samples, got {samples.shape}")
    return np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
