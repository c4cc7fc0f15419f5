"""What the probes read of one utterance: every layer and embedding, pooled and in a part of the frames, and targets.

A task is a pure function of the recording and the models. Axes: T samples at 16 kHz, L frames (50 per second), K of
them kept, C channels, E embedding.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pocketsphinx
from safetensors.numpy import save_file

from emotrace.corpus.audio import load_audio, peak_normalise
from emotrace.corpus.datadir import Utterance
from emotrace.corpus.files import atomic_file
from emotrace.experiments.frame_targets import (
    FRAME,
    HOP,
    frame_levels,
    log_f0,
    relative_energy,
    spectral_tilt,
    speech_frames,
)
from emotrace.models import load_models
from emotrace.representation.features import Features, FrontEnds
from emotrace.engine.workers import Task
from emotrace.training.phones import ALIGNER_RATE, align

LAYERS = tuple(range(13))
STRIDE, FIRST = 5, 2  # one frame in five, from the third: neighbours say nearly the same
FRAME_STREAMS = ("log-mel", *(f"T{n}" for n in LAYERS), "soft units")
EMBEDDINGS = ("ECAPA", "GST")
REPRESENTATIONS = (*FRAME_STREAMS, *EMBEDDINGS)
# ARPAbet as the CMU dictionary has it; silence and noise are no phones
PHONES = (
    *("AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH"),
    *("K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH"),
)


def probe_feature_task(utterance: Utterance, output: Path, models: Path, device: str, aligned: bool) -> Task:
    """The task that writes what the probes read of an utterance; ``aligned``: with its phones."""
    name = f"layers and probe targets of {utterance.id}"
    return Task(name, output, write_probe_features, (utterance, models, device, aligned))


def write_probe_features(output: Path, utterance: Utterance, models: Path, device: str, aligned: bool) -> None:
    """Write one utterance's tensors (float32) to a safetensors file.

    - frames/R (K, C) for R in FRAME_STREAMS, and frames/F0 (log2 Hz), frames/energy (dB) and frames/spectral tilt
      (dB/octave), each (K,) and NaN where undefined; with ``aligned`` frames/phone (K,), the place in PHONES, NaN
      where there is none. K: every fifth frame.
    - pooled/R (2 C,): mean and standard deviation over all frames; pooled/ECAPA, pooled/GST (E,): the embedding.
    - mean/F0 over voiced frames, mean/energy (dB re full scale of the peak-normalised utterance, which is the level
      that the models hear) and mean/spectral tilt over speech frames; (1,) each, NaN where there is no such frame.

    Raises AudioError or ValueError for audio that cannot be used, FileNotFoundError for a missing model.
    """
    waveform = load_audio(utterance.path)
    features = _front_ends(models, device)(waveform)
    streams = _streams(features)
    tensors = {f"pooled/{name}": np.concatenate([x.mean(0), x.std(0)]) for name, x in streams.items()}
    tensors |= {"pooled/ECAPA": features.ecapa.numpy(), "pooled/GST": features.gst.numpy()}
    targets, means = _targets(peak_normalise(waveform), features)
    if aligned:
        targets["phone"] = _phones(waveform, utterance.text, len(targets["F0"]))
    tensors |= {f"frames/{name}": x[FIRST::STRIDE] for name, x in (streams | targets).items()}
    tensors |= {f"mean/{name}": np.array([value]) for name, value in means.items()}
    with atomic_file(output) as temporary:
        save_file({name: np.ascontiguousarray(x, dtype=np.float32) for name, x in tensors.items()}, temporary)


def _streams(features: Features) -> dict[str, np.ndarray]:
    """Every stream at 50 frames/s, (L, C): of the log-mel at 100 frames/s the frame nearest to HuBERT's, as of F0."""
    frames = len(features.layers[0])
    layers = {f"T{n}": features.layers[n].numpy() for n in LAYERS}
    log_mel = features.log_mel.numpy().T[1 : 2 * frames : 2]
    return {"log-mel": log_mel, **layers, "soft units": features.soft.numpy()[:frames]}


def _targets(heard: np.ndarray, features: Features) -> tuple[dict[str, np.ndarray], Mapping[str, float]]:
    """Targets by frame (L,), and their means over the utterance."""
    levels = frame_levels(heard)
    speech = speech_frames(levels)
    f0 = log_f0(features.f0.numpy(), len(features.layers[0]))
    tilt = np.where(speech, spectral_tilt(heard), np.nan)
    means = {"F0": _mean(f0), "energy": _mean(levels[speech]), "spectral tilt": _mean(tilt)}
    return {"F0": f0, "energy": relative_energy(levels), "spectral tilt": tilt}, means


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _phones(waveform: np.ndarray, text: str | None, frames: int) -> np.ndarray:
    """The phone at the centre of each frame (L,), as a place in PHONES; all NaN where the aligner loses its way."""
    names = align(_aligner(), waveform, text) if text else []
    numbers = np.array([PHONES.index(name) if name in PHONES else np.nan for name in names] or [np.nan])
    centres = np.arange(frames) * HOP + FRAME // 2
    return numbers[np.minimum(centres * ALIGNER_RATE // 16_000, len(numbers) - 1)]


@lru_cache(maxsize=1)
def _front_ends(models: Path, device: str) -> FrontEnds:
    return load_models(models).front_ends(LAYERS, device)


@lru_cache(maxsize=1)
def _aligner() -> pocketsphinx.Decoder:
    return pocketsphinx.Decoder(loglevel="FATAL", lm=None)
