"""Phone labels of read speech: pocketsphinx's forced alignment of the transcripts, at HuBERT's frames.

A small HuBERT learns far less of phones from clusters alone than the big ones do; its last iteration may learn from
these (the model card says so).
"""

import numpy as np
import pocketsphinx

from emotrace.corpus.audio import to_pcm16
from emotrace.training.data import TrainingSet, repeat_to
from emotrace.training.hubert import FRAME_HOP, FRAME_WINDOW, Targets, n_frames

ALIGNER_RATE = 100  # frames per second


def phone_targets(data: TrainingSet, samples: int) -> tuple[list[np.ndarray], Targets]:
    """Waveforms of at least ``samples`` samples and the phone ids (L,) of their frames, 50 per second.

    Left out are utterances without transcript, with a word that the dictionary lacks, or that the aligner loses.
    Shorter ones are repeated. Raises ValueError when nothing is left.
    """
    aligner = pocketsphinx.Decoder(loglevel="FATAL", lm=None)
    pairs = zip(data.utterances, data.waveforms, strict=True)
    found = [(waveform, align(aligner, waveform, utterance.text)) for utterance, waveform in pairs if utterance.text]
    aligned = [(waveform, phones) for waveform, phones in found if phones]
    if not aligned:
        raise ValueError(f"none of {len(data.utterances)} utterances could be aligned with its transcript")
    ids = {name: number for number, name in enumerate(sorted({phone for _, phones in aligned for phone in phones}))}
    waveforms = [repeat_to(waveform, samples) for waveform, _ in aligned]
    labels = []
    for (once, phones), waveform in zip(aligned, waveforms, strict=True):
        centres = (np.arange(n_frames(len(waveform))) * FRAME_HOP + FRAME_WINDOW // 2) % len(once)
        frames = np.minimum(centres * ALIGNER_RATE // 16_000, len(phones) - 1)
        labels.append(np.array([ids[phones[frame]] for frame in frames], dtype=np.int64))
    return waveforms, Targets(tuple(labels), len(ids))


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
