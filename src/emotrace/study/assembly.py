"""From measurements of utterances to the two tables of a row: utterances.parquet and trials.parquet."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from emotrace.corpus.datadir import DataDir, Utterance
from emotrace.corpus.files import atomic_file
from emotrace.evaluation.asv import asv_scores
from emotrace.evaluation.metrics import normalise_text, word_errors
from emotrace.evaluation.ser import SEEDS, FoldRecogniser, cross_validated, most_probable, trained_on
from emotrace.study.measure import Version
from emotrace.study.profiles import Backends, Measure
from emotrace.study.recognisers import emotion_recogniser

RECOGNISERS = ("ser", "ser_second")
_TEXT = ("row", "corpus", "utterance", "speaker", "gender", "emotion", "fold")


def seed_column(recogniser: str, seed: int) -> str:
    """The column of a recogniser's predictions: "ser", "ser_seed1", ..., of one of RECOGNISERS and SEEDS."""
    return recogniser if seed == 0 else f"{recogniser}_seed{seed}"


RECOGNISED = tuple(seed_column(recogniser, seed) for recogniser in RECOGNISERS for seed in SEEDS)
_ACOUSTIC = {
    **dict.fromkeys(("centroid_hz", "kurtosis", "kurtosis_power", "kurtosis_amplitude"), pa.float64()),
    **dict.fromkeys(("loudness_lufs", "loudness_peak_matched_lufs"), pa.float64()),
    **dict.fromkeys(("centroid_histogram", "kurtosis_histogram"), pa.list_(pa.int32())),
    "speech_frames": pa.int32(),
    **dict.fromkeys(("f0_mean_hz", "f0_range_st", "f0_voiced"), pa.float64()),
}
UTTERANCES = pa.schema(
    {
        **dict.fromkeys(_TEXT, pa.string()),
        "seconds": pa.float64(),
        **dict.fromkeys(("text", "hypothesis"), pa.string()),
        **dict.fromkeys(("words", "word_errors"), pa.int32()),
        **dict.fromkeys(RECOGNISED, pa.string()),
        **_ACOUSTIC,
    }
)
TRIALS = pa.schema(
    {
        **dict.fromkeys(("row", "attacker", "speaker", "utterance", "trial_speaker", "gender"), pa.string()),
        "target": pa.bool_(),
        "score": pa.float64(),
    }
)


@dataclass(frozen=True)
class References:
    """What a version is judged against.

    Attributes:
        original: the same corpus as recorded.
        training: other speakers' originals that the emotion recognisers learn from; None for leave-one-fold-out.
    """

    original: Version
    training: Version | None = None


def utterance_lines(version: Version, references: References, backends: Backends) -> pd.DataFrame:
    """One line per utterance of a version, columns of UTTERANCES; None where a measure does not apply."""
    measured = {measure: version.read(measure) for measure in version.measures}
    emotions = recognised_emotions(version, references, backends)
    lines = []
    for utterance in version.original:
        line = {name: getattr(utterance, name) for name in ("speaker", "gender", "emotion", "fold")}
        line |= {"row": version.row, "corpus": version.corpus, "utterance": utterance.id}
        line |= {"seconds": _seconds(version.audio[utterance.id]), "text": utterance.text}
        line |= _words(utterance.text, measured.get(Measure.WORDS, {}).get(utterance.id))
        line |= {column: found.get(utterance.id) for column, found in emotions.items()}
        lines.append(line | measured.get(Measure.ACOUSTICS, {}).get(utterance.id, {}))
    return pd.DataFrame(lines).reindex(columns=UTTERANCES.names)


def recognised_emotions(version: Version, references: References, backends: Backends) -> dict[str, dict[str, str]]:
    """Predicted emotion by utterance id, for each recogniser whose features were measured and each of its seeds.

    Keys are of RECOGNISED. A recogniser that comes trained has one seed, the plain name.
    """
    sources = ((Measure.EMOTION, backends.ser), (Measure.SPEAKER, backends.ser_second))
    labelled = _labelled(version.original)
    if not labelled or (references.training is None and any(utterance.fold is None for utterance in labelled)):
        return {}
    return {
        seed_column(name, seed): emotions
        for name, (measure, backend) in zip(RECOGNISERS, sources, strict=True)
        if measure in version.measures
        for seed, emotions in _recognise(version, references, measure, backend, backends.device).items()
    }


def _recognise(
    version: Version, references: References, measure: Measure, backend: str, device: str
) -> dict[int, dict[str, str]]:
    """Predicted emotion by utterance id, for every seed of a recogniser."""
    tested, vectors = _labelled(version.original), _vectors(version.read(measure))
    recogniser = emotion_recogniser(backend, device)
    if isinstance(recogniser, FoldRecogniser):
        return {0: most_probable(tested, vectors)}
    if references.training is None:
        originals = _vectors(references.original.read(measure))
        return {seed: cross_validated(recogniser, tested, originals, vectors, seed=seed) for seed in SEEDS}
    originals, train = _vectors(references.training.read(measure)), _labelled(references.training.original)
    return {seed: trained_on(recogniser, train, originals, tested, vectors, seed=seed) for seed in SEEDS}


def _labelled(data: DataDir) -> list[Utterance]:
    return [utterance for utterance in data if utterance.emotion is not None]


def trial_lines(version: Version, references: References) -> pd.DataFrame:
    """Scores of every attacker on the trials of a version, columns of TRIALS; empty without trials."""
    data = version.original
    if not data.trials or Measure.SPEAKER not in version.measures:
        return pd.DataFrame(columns=TRIALS.names)
    tested = _vectors(version.read(Measure.SPEAKER))
    if version.row == "original":
        attackers = {"original": tested}
    else:
        recorded = _vectors(references.original.read(Measure.SPEAKER))
        attackers = {"ignorant": recorded, "lazy-informed": _vectors(_enrolment(version))}
    parts = [
        asv_scores(data, enrolment, tested).assign(row=version.row, attacker=attacker)
        for attacker, enrolment in attackers.items()
    ]
    return pd.concat(parts, ignore_index=True)[TRIALS.names]


def _enrolment(version: Version) -> dict[str, Any]:
    return {name: json.loads(version.enrolment_file(name).read_text()) for name in version.original.enrolment}


def _vectors(vectors: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.array(vector) for name, vector in vectors.items()}


def _words(text: str | None, hypothesis: str | None) -> dict[str, Any]:
    if hypothesis is None or text is None:
        return {}
    errors, words = word_errors(text, hypothesis)
    return {"hypothesis": normalise_text(hypothesis), "words": words, "word_errors": errors}


def _seconds(path: Path) -> float:
    return soundfile.info(path).duration


def write_parquet(path: Path, lines: pd.DataFrame, schema: pa.Schema) -> None:
    """Write sorted lines atomically; the same lines give the same bytes, whatever their order and whenever written."""
    keys = [name for name in ("corpus", "attacker", "speaker", "utterance") if name in schema.names]
    table = pa.Table.from_pandas(lines.sort_values(keys, kind="stable"), schema, preserve_index=False)
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(None), buffer, compression="zstd")
    with atomic_file(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def read_parquet(path: Path) -> pd.DataFrame:
    """Read what ``write_parquet`` wrote; missing values are None or NaN."""
    return pd.read_parquet(path)
