"""From measurements of utterances to the two tables of a rendering: one line an utterance, one line a trial."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from emotrace.corpus.datadir import DataDir, Utterance
from emotrace.corpus.files import atomic_file
from emotrace.evaluation import SEEDS
from emotrace.pipeline.measures import Measure, Recognisers, Rendering, recogniser

_TEXT = ("row", "corpus", "utterance", "speaker", "gender", "emotion", "fold")
_FRAMES = {
    **dict.fromkeys(("centroid_histogram", "kurtosis_histogram"), pa.list_(pa.int32())),
    "speech_frames": pa.int32(),
    "f0_voiced": pa.float64(),
}
TRIALS = pa.schema(
    {
        **dict.fromkeys(("row", "attacker", "speaker", "utterance", "trial_speaker", "gender"), pa.string()),
        "target": pa.bool_(),
        "score": pa.float64(),
    }
)


def emotion_column(name: str, seed: int = 0) -> str:
    """The column of a recogniser's predictions by its name and seed: "emotion_ge2e", "emotion_ge2e_seed1", ..."""
    return f"emotion_{name}" if seed == 0 else f"emotion_{name}_seed{seed}"


def emotion_columns(recognisers: Recognisers) -> tuple[str, ...]:
    """The columns of predicted emotions, of every recogniser and seed."""
    return tuple(emotion_column(name, seed) for name in recognisers.ser for seed in SEEDS)


def utterance_schema(recognisers: Recognisers) -> pa.Schema:
    """The columns of utterances.parquet."""
    return pa.schema(
        {
            **dict.fromkeys(_TEXT, pa.string()),
            "seconds": pa.float64(),
            **dict.fromkeys(("text", "hypothesis"), pa.string()),
            **dict.fromkeys(("words", "word_errors"), pa.int32()),
            **dict.fromkeys(emotion_columns(recognisers), pa.string()),
            **dict.fromkeys(recognisers.acoustics, pa.float64()),
            **_FRAMES,
        }
    )


def utterance_lines(
    rendering: Rendering, original: Rendering, training: Rendering | None, recognisers: Recognisers
) -> pd.DataFrame:
    """One line per utterance, columns of `utterance_schema`; None where a measure does not apply.

    Args:
        rendering: whose lines they are.
        original: the same data as recorded, that the recognisers of emotion learn from, fold by fold,
        training: unless other speakers' recordings are given.
    """
    words = rendering.read(recognisers.words) if Measure.WORDS in rendering.measures else {}
    acoustics = rendering.read(recognisers.acoustic) if Measure.ACOUSTICS in rendering.measures else {}
    emotions = recognised_emotions(rendering, original, training, recognisers)
    lines = []
    for utterance in rendering.data:
        line = {name: getattr(utterance, name) for name in ("speaker", "gender", "emotion", "fold")}
        line |= {"row": rendering.name, "corpus": rendering.corpus, "utterance": utterance.id}
        line |= {"seconds": soundfile.info(rendering.audio[utterance.id]).duration, "text": utterance.text}
        line |= _words(utterance.text, words.get(utterance.id))
        line |= {column: predicted.get(utterance.id) for column, predicted in emotions.items()}
        lines.append(line | acoustics.get(utterance.id, {}))
    return pd.DataFrame(lines).reindex(columns=utterance_schema(recognisers).names)


def recognised_emotions(
    rendering: Rendering, original: Rendering, training: Rendering | None, recognisers: Recognisers
) -> dict[str, dict[str, str]]:
    """Predicted emotion by utterance id, for each recogniser and each of its seeds, by column.

    A recogniser that comes trained has one seed, 0. Empty where nothing can be learned from.
    """
    tested = labelled(rendering.data)
    if Measure.EMOTION not in rendering.measures or not tested:
        return {}
    if training is None and any(utterance.fold is None for utterance in tested):
        return {}
    return {
        emotion_column(name, seed): predicted
        for name in recognisers.ser
        for seed, predicted in _recognise(rendering, original, training, name, recognisers).items()
    }


def _recognise(
    rendering: Rendering, original: Rendering, training: Rendering | None, name: str, recognisers: Recognisers
) -> dict[int, dict[str, str]]:
    """Predicted emotion by utterance id, for every seed of a recogniser."""
    from emotrace.evaluation import SER
    from emotrace.evaluation.ser import cross_validated, most_probable, trained_on

    tested, measurement = labelled(rendering.data), recognisers.emotion(name)
    vectors, backend = vectors_of(rendering.read(measurement)), recogniser(SER.find(name), recognisers.device)
    if hasattr(backend, "posteriors"):
        return {0: most_probable(tested, vectors)}
    if training is None:
        known = vectors_of(original.read(measurement))
        return {seed: cross_validated(backend, tested, known, vectors, seed=seed) for seed in SEEDS}
    known, learned = vectors_of(training.read(measurement)), labelled(training.data)
    return {seed: trained_on(backend, learned, known, tested, vectors, seed=seed) for seed in SEEDS}


def labelled(data: DataDir) -> list[Utterance]:
    """The utterances whose emotion is known."""
    return [utterance for utterance in data if utterance.emotion is not None]


def trial_lines(rendering: Rendering, original: Rendering, recognisers: Recognisers) -> pd.DataFrame:
    """Scores of every attacker on the trials, columns of TRIALS; empty without trials.

    The ignorant attacker enrols recordings, the lazy-informed one what a separate invocation made of them.
    """
    from emotrace.evaluation.asv import asv_scores

    data = rendering.data
    if not data.trials or Measure.SPEAKER not in rendering.measures:
        return pd.DataFrame(columns=TRIALS.names)
    measurement = recognisers.speaker
    tested = vectors_of(rendering.read(measurement))
    if rendering.name == original.name:
        attackers = {"original": tested}
    else:
        attackers = {"ignorant": vectors_of(original.read(measurement))}
        attackers |= {"lazy-informed": vectors_of(rendering.read_enrolment(measurement))}
    parts = [
        asv_scores(data, enrolment, tested).assign(row=rendering.name, attacker=attacker)
        for attacker, enrolment in attackers.items()
    ]
    return pd.concat(parts, ignore_index=True)[TRIALS.names]


def vectors_of(measured: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Measurements that are vectors (F,), by utterance id."""
    return {name: np.array(vector) for name, vector in measured.items()}


def _words(text: str | None, hypothesis: str | None) -> dict[str, Any]:
    from emotrace.evaluation.asr import normalise_text, word_errors

    if hypothesis is None or text is None:
        return {}
    errors, words = word_errors(text, hypothesis)
    return {"hypothesis": normalise_text(hypothesis), "words": words, "word_errors": errors}


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables below each other; empty ones, which know no types, are left out."""
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def write_parquet(path: Path, lines: pd.DataFrame, schema: pa.Schema) -> None:
    """Write sorted lines atomically; the same lines give the same bytes, whatever their order and whenever written."""
    keys = [name for name in ("corpus", "attacker", "speaker", "utterance") if name in schema.names]
    untyped = {name: object for name in lines if lines[name].isna().all()}  # nothing was measured
    table = pa.Table.from_pandas(lines.astype(untyped).sort_values(keys, kind="stable"), schema, preserve_index=False)
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(None), buffer, compression="zstd")
    with atomic_file(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
