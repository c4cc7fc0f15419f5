"""What bfloat16 does to speech: copy-synthesis by the universal HiFi-GAN in float32 and in bfloat16.

T samples at 16 kHz, F features. Measured on the phantom corpus, which is synthetic: it shows differences between the
two precisions, not how people would be recognised.
"""

from collections.abc import Callable

import numpy as np
import torch

from emotrace.analysis.metrics import uar
from emotrace.corpus.audio import load_audio
from emotrace.corpus.datadir import DataDir, Utterance
from emotrace.evaluation.asr import PocketSphinx, word_errors
from emotrace.evaluation.ser import EgemapsSvm, cross_validated
from emotrace.paths import ROOT
from emotrace.representation.mel import universal_mel
from emotrace.vocoder.universal import load_universal, normalise_peak, vocode

CORPUS = ROOT / "data" / "phantom" / "test"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
Speech = dict[str, np.ndarray]  # utterance id -> (T,)


def fidelity(*, quick: bool = False) -> dict[str, dict[str, float]]:
    """Mel error against the recording, WER and UAR of the recordings and of both precisions; quick: mel error of two.

    Mel error is the mean absolute difference of the vocoder's own log-mels (natural logarithm); the recognisers of
    emotion learn from the recordings of the other folds.
    """
    data = DataDir.read(CORPUS)
    utterances = list(data)[:2] if quick else list(data)
    versions = {"original": {u.id: load_audio(u.path) for u in utterances}}
    for name in PRECISIONS:
        versions[name] = _copies(versions["original"], name)
    measured = {"mel_error": _mel_errors(versions)}
    if not quick:
        measured |= {"wer": _wers(versions, data), "uar": _uars(versions, _trial_utterances(data))}
    return measured


def _copies(originals: Speech, precision: str) -> Speech:
    universal = load_universal(PRECISIONS[precision])
    return {name: vocode(_mel(speech), universal, len(speech)).numpy() for name, speech in originals.items()}


def _mel_errors(versions: dict[str, Speech]) -> dict[str, float]:
    pairs = {f"{name} to original": (name, "original") for name in PRECISIONS}
    pairs["bfloat16 to float32"] = ("bfloat16", "float32")
    mels = {name: {key: _mel(wave) for key, wave in speech.items()} for name, speech in versions.items()}
    return {title: _mean(lambda key, a=a, b=b: mels[a][key] - mels[b][key], mels[a]) for title, (a, b) in pairs.items()}


def _mel(waveform: np.ndarray) -> torch.Tensor:
    return universal_mel(normalise_peak(torch.from_numpy(waveform)))


def _mean(difference: Callable[[str], torch.Tensor], keys: dict[str, torch.Tensor]) -> float:
    """Mean absolute difference over all values of all utterances."""
    return float(torch.cat([difference(key).abs().ravel() for key in keys]).mean())


def _wers(versions: dict[str, Speech], data: DataDir) -> dict[str, float]:
    recogniser = PocketSphinx()
    rates = {}
    for name, speech in versions.items():
        counts = [word_errors(data[key].text, recogniser.transcribe(wave).text) for key, wave in speech.items()]
        rates[name] = sum(errors for errors, _ in counts) / sum(words for _, words in counts)
    return rates


def _trial_utterances(data: DataDir) -> list[Utterance]:
    """Those with trials: all emotions equally often."""
    tested = {trial.utterance for trial in data.trials}
    return [utterance for utterance in data if utterance.id in tested]


def _uars(versions: dict[str, Speech], utterances: list[Utterance]) -> dict[str, float]:
    recogniser = EgemapsSvm()
    features = {
        name: {u.id: recogniser.features(speech[u.id]) for u in utterances} for name, speech in versions.items()
    }
    true, folds = [str(u.emotion) for u in utterances], [str(u.fold) for u in utterances]
    rates = {}
    for name in versions:
        predicted = cross_validated(recogniser, utterances, features["original"], features[name])
        rates[name] = uar(true, [str(predicted[u.id]) for u in utterances], folds)
    return rates
