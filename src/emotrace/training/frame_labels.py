"""What HuBERT's frames are labelled with, to be predicted: clusters of features, or phones.

Phones are pocketsphinx's forced alignment of the transcripts. A small HuBERT learns far less of phones from clusters
alone than the big ones do; its last iteration may learn from these (the model card says so).

Axes: T samples at 16 kHz, L frames of HuBERT (50/s), C channels, K labels, B batch.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pocketsphinx
import torch
import torchaudio
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor

from emotrace.corpus.audio import to_pcm16
from emotrace.representation.hubert import Hubert
from emotrace.training.data import TrainingSet, draw_by_length, repeat_to
from emotrace.training.processes import from_main

FRAME_HOP, FRAME_WINDOW = 320, 400
ALIGNER_RATE = 100  # frames per second
UNITS = 100
UNIT_LAYER = 6


@dataclass(frozen=True)
class LabelledSpeech:
    """Waveforms (T,), the labels (L,) of the frames of each, and how many labels there are."""

    waveforms: Sequence[np.ndarray]
    labels: Sequence[np.ndarray]
    count: int


def n_frames(samples: int) -> int:
    """HuBERT's frames for a waveform of ``samples`` samples: windows of 25 ms every 20 ms that fit entirely."""
    return (samples - FRAME_WINDOW) // FRAME_HOP + 1


def whole_frames(seconds: float) -> int:
    """Samples of a crop of about ``seconds`` that holds HuBERT frames without a rest."""
    return int(seconds * 16_000) // FRAME_HOP * FRAME_HOP + FRAME_WINDOW - FRAME_HOP


def aligned_crops(speech: LabelledSpeech, rng: np.random.Generator, batch: int, samples: int) -> tuple[Tensor, Tensor]:
    """Crops (B, T) that start on a HuBERT frame, and the labels (B, L) of their frames."""
    frames, audio, labels = n_frames(samples), [], []
    chosen = draw_by_length(rng, list(map(len, speech.waveforms)), batch)
    for i in chosen:
        start = int(rng.integers(0, len(speech.labels[i]) - frames + 1))
        audio.append(speech.waveforms[i][start * FRAME_HOP : start * FRAME_HOP + samples])
        labels.append(speech.labels[i][start : start + frames])
    return torch.from_numpy(np.stack(audio)), torch.from_numpy(np.stack(labels))


def labelled_by_cluster(waveforms: Sequence[np.ndarray], features: Iterable[np.ndarray], seed: int) -> LabelledSpeech:
    """Waveforms with clusters (100) of their ``features`` (L, C), which the main process computes for all."""
    return LabelledSpeech(waveforms, from_main(lambda: cluster(list(features), UNITS, seed)[0]), UNITS)


def mfcc_features(waveform: np.ndarray) -> np.ndarray:
    """MFCC with first and second differences (L, 39) at HuBERT's own frames, from a waveform (T,)."""
    spectrum = {"n_fft": FRAME_WINDOW, "hop_length": FRAME_HOP, "n_mels": 40, "center": False}
    mfcc = torchaudio.transforms.MFCC(16_000, 13, melkwargs=spectrum)(torch.from_numpy(waveform))
    first = torchaudio.functional.compute_deltas(mfcc)
    second = torchaudio.functional.compute_deltas(first)
    return torch.cat([mfcc, first, second]).T.numpy()


def unit_features(hubert: Hubert, waveforms: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """T6 (L, C) of waveforms (T,) by a HuBERT, in evaluation mode."""
    return (hubert.layer(torch.from_numpy(waveform), UNIT_LAYER).numpy() for waveform in waveforms)


def cluster(features: Sequence[np.ndarray], clusters: int, seed: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """k-means over all frames of all utterances (L, C), standardised: labels (L,) of each, and the centres (K, C)."""
    frames = np.concatenate(features)
    mean, std = frames.mean(0), frames.std(0) + 1e-6
    kmeans = MiniBatchKMeans(clusters, random_state=seed, batch_size=8192, n_init=3, max_iter=50)
    kmeans.fit((frames - mean) / std)
    labels = tuple(kmeans.predict((feature - mean) / std).astype(np.int64) for feature in features)
    return labels, kmeans.cluster_centers_ * std + mean


def labelled_by_phone(data: TrainingSet, samples: int) -> LabelledSpeech:
    """Waveforms of at least ``samples`` samples and the phones of their frames.

    Left out are utterances without transcript, with a word that the dictionary lacks, or that the aligner loses.
    Shorter ones are repeated. Raises ValueError when nothing is left.
    """
    aligner = pocketsphinx.Decoder(loglevel="FATAL", lm=None)
    pairs = zip(data.utterances, data.waveforms, strict=True)
    aligned = [(waveform, align(aligner, waveform, utterance.text)) for utterance, waveform in pairs if utterance.text]
    aligned = [(waveform, phones) for waveform, phones in aligned if phones]
    if not aligned:
        raise ValueError(f"none of {len(data.utterances)} utterances could be aligned with its transcript")
    ids = {name: number for number, name in enumerate(sorted({phone for _, phones in aligned for phone in phones}))}
    waveforms, labels = [repeat_to(waveform, samples) for waveform, _ in aligned], []
    for (once, phones), waveform in zip(aligned, waveforms, strict=True):
        centres = (np.arange(n_frames(len(waveform))) * FRAME_HOP + FRAME_WINDOW // 2) % len(once)
        frames = np.minimum(centres * ALIGNER_RATE // 16_000, len(phones) - 1)
        labels.append(np.array([ids[phones[frame]] for frame in frames], dtype=np.int64))
    return LabelledSpeech(waveforms, labels, len(ids))


def align(aligner: pocketsphinx.Decoder, waveform: np.ndarray, text: str) -> list[str]:
    """The phone of every 10 ms of a waveform (T,) at 16 kHz; empty where alignment fails."""
    samples = to_pcm16(waveform)
    aligner.reinit_feat()
    try:
        aligner.set_align_text(text.lower())
        _decode(aligner, samples)
        aligner.set_alignment()  # the second pass finds the phones in the words
        _decode(aligner, samples)
    except RuntimeError:
        return []
    return [phone.name for word in aligner.get_alignment() for phone in word for _ in range(phone.duration)]


def _decode(aligner: pocketsphinx.Decoder, samples: bytes) -> None:
    aligner.start_utt()
    aligner.process_raw(samples, full_utt=True)
    aligner.end_utt()
