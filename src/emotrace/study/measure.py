"""Measurement of one utterance, one measure at a time, as a small JSON file. T samples at 16 kHz.

A task is a pure function of its two audio files, so measurements can be made in any order, by any number of workers,
and be interrupted at any time.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.corpus.audio import load_audio
from emotrace.corpus.datadir import DataDir, Emotion, Utterance
from emotrace.corpus.files import write_text_atomic
from emotrace.evaluation.acoustics import acoustic_features, oracle_mask
from emotrace.evaluation.ser import FoldRecogniser, SerError
from emotrace.study.profiles import Backends, Measure
from emotrace.study.provenance import code_version, digest
from emotrace.study.recognisers import emotion_recogniser, speaker_encoder, speech_recogniser
from emotrace.study.workers import Task

# What each measure is computed by; a change elsewhere, of a classifier or a table, leaves the measurements valid.
_CODE = ("study/measure.py", "corpus/audio.py")
_MEASURING = {
    Measure.WORDS: (*_CODE, "evaluation/asr.py", "evaluation/signal.py", "evaluation/metrics.py"),
    Measure.SPEAKER: (*_CODE, "evaluation/asv.py"),
    Measure.EMOTION: (*_CODE, "evaluation/ser.py"),
    Measure.ACOUSTICS: (
        *_CODE,
        "evaluation/acoustics.py",
        "evaluation/spectrum.py",
        "evaluation/signal.py",
        "representation/f0.py",
    ),
}


def measure_keys(backends: Backends) -> dict[Measure, str]:
    """For each measure, a short digest of the code and the back-end that take it."""
    names = {Measure.WORDS: backends.asr, Measure.SPEAKER: backends.asv, Measure.EMOTION: backends.ser}
    return {measure: digest([code_version(_MEASURING[measure]), names.get(measure)])[:16] for measure in Measure}


@dataclass(frozen=True)
class Version:
    """A data directory as one row renders it, and where its measurements lie.

    Attributes:
        row, corpus: names, for the results and for messages.
        original: the data directory with the recordings; metadata are taken from it.
        audio: file by utterance id, all at 16 kHz or resampled on reading.
        folder: <folder>/<measure>-<key>/<utterance>.json.
        keys: by measure, of the code and back-end that take it.
        measures: what is measured.
        transcribed: ids of the utterances whose words are recognised.
        enrolment: audio of a separate invocation, for the lazy-informed attacker; empty where ``audio`` serves.
    """

    row: str
    corpus: str
    original: DataDir
    audio: Mapping[str, Path]
    folder: Path
    keys: Mapping[Measure, str]
    measures: frozenset[Measure]
    transcribed: frozenset[str] = frozenset()
    enrolment: Mapping[str, Path] = field(default_factory=dict)

    def file(self, measure: Measure, utterance: str) -> Path:
        return self.folder / f"{measure}-{self.keys[measure]}" / f"{utterance}.json"

    def enrolment_file(self, utterance: str) -> Path:
        """Embedding of an enrolment utterance as the lazy-informed attacker hears it."""
        if not self.enrolment:
            return self.file(Measure.SPEAKER, utterance)
        return self.folder / f"enrolment-{self.keys[Measure.SPEAKER]}" / f"{utterance}.json"

    def read(self, measure: Measure) -> dict[str, Any]:
        """Finished measurements by utterance id."""
        return {name: json.loads(self.file(measure, name).read_text()) for name in self.measured(measure)}

    def measured(self, measure: Measure) -> list[str]:
        """Ids of the utterances that ``measure`` is taken on, sorted."""
        if measure not in self.measures:
            return []
        return sorted(u.id for u in self.original if measure is not Measure.WORDS or u.id in self.transcribed)


def measure_tasks(version: Version, backends: Backends, only: Iterable[Measure] = Measure) -> list[Task]:
    """One task per utterance and measure, and the enrolment utterances of a separate invocation."""
    tasks = [
        _task(version, measure, version.file(measure, name), name, version.audio, backends)
        for measure in sorted(only)
        for name in version.measured(measure)
    ]
    if Measure.SPEAKER in only:
        for name in sorted(version.enrolment):
            tasks.append(
                _task(version, Measure.SPEAKER, version.enrolment_file(name), name, version.enrolment, backends)
            )
    return tasks


def _task(
    version: Version, measure: Measure, output: Path, name: str, audio: Mapping[str, Path], backends: Backends
) -> Task:
    arguments = (measure, version.original[name], audio[name], backends)
    return Task(f"{version.row}, {version.corpus}, {measure} of {name}", output, measure_utterance, arguments)


def measure_utterance(output: Path, measure: Measure, utterance: Utterance, audio: Path, backends: Backends) -> None:
    """Measure the audio file of one version of an utterance and write the result to ``output``.

    Raises:
        ValueError: the audio cannot be measured, or a result is not finite.
    """
    value = _MEASURES[measure](utterance, load_audio(audio), backends)
    write_text_atomic(output, json.dumps(value, sort_keys=True, allow_nan=False))


def _words(_: Utterance, waveform: np.ndarray, backends: Backends) -> str:
    return speech_recogniser(backends.asr, backends.device).transcribe(waveform)


def _speaker(_: Utterance, waveform: np.ndarray, backends: Backends) -> list[float]:
    return _floats(speaker_encoder(backends.asv, backends.device).embed(waveform))


def _emotion(utterance: Utterance, waveform: np.ndarray, backends: Backends) -> list[float]:
    """Features (F,), or the posteriors of a recogniser that comes trained, in the order of `Emotion`."""
    recogniser = emotion_recogniser(backends.ser, backends.device)
    if isinstance(recogniser, FoldRecogniser):
        if utterance.fold is None:
            raise SerError(f"utterance '{utterance.id}' has no fold, which says whose model may judge it")
        probabilities = recogniser.posteriors(waveform, utterance.fold)
        return [probabilities[emotion] for emotion in Emotion]
    return _floats(recogniser.features(waveform))


def _acoustics(utterance: Utterance, waveform: np.ndarray, _: Backends) -> dict[str, float | list[int] | None]:
    """Oracle voice activity: found on the recording, used on every version of it (STUDY.md section 7)."""
    features = acoustic_features(waveform, oracle_mask(load_audio(utterance.path)))
    return {name: value if isinstance(value, list) else _number(value) for name, value in features.items()}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _floats(vector: np.ndarray) -> list[float]:
    return [float(value) for value in vector]


_MEASURES = {
    Measure.WORDS: _words,
    Measure.SPEAKER: _speaker,
    Measure.EMOTION: _emotion,
    Measure.ACOUSTICS: _acoustics,
}
