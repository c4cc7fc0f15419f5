"""From measurements of utterances to the two tables of a rendering: one line an utterance, one line a trial."""

import io
from collections.abc import Mapping, Sequence
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
from emotrace.evaluation import SEEDS, SER
from emotrace.pipeline.measures import Measure, Recognisers, Rendering, recogniser

_TEXT = ("row", "corpus", "utterance", "speaker", "gender", "emotion", "fold")
_FRAMES = {
    **dict.fromkeys(("centroid_histogram", "kurtosis_histogram"), pa.list_(pa.int32())),
    "speech_frames": pa.int32(),
    "f0_voiced": pa.float64(),
}
MATCHED = "_matched"
"""After a recogniser's name: trained on speech as the row renders it, not on recordings.

What a recogniser trained on recordings misses in a row may be gone, or may only sound unfamiliar to it; what a matched
one misses as well is gone, as far as a recogniser of this kind can tell.
"""
TRIALS = pa.schema(
    {
        **dict.fromkeys(("row", "corpus", "attacker", "speaker", "utterance", "trial_speaker", "gender"), pa.string()),
        "target": pa.bool_(),
        "score": pa.float64(),
    }
)


def emotion_column(name: str, seed: int = 0) -> str:
    """The column of a recogniser's predictions by its name and seed: "emotion_ge2e", "emotion_ge2e_seed1", ..."""
    return f"emotion_{name}" if seed == 0 else f"emotion_{name}_seed{seed}"


def emotion_columns(recognisers: Recognisers) -> tuple[str, ...]:
    """The columns of predicted emotions, of every recogniser and seed, and of matched ones."""
    names = [emotion_column(name, seed) for name in recognisers.ser for seed in SEEDS]
    return (*names, *(emotion_column(name + MATCHED) for name in recognisers.ser if recognisers.matched))


def utterance_schema(recognisers: Recognisers) -> pa.Schema:
    """The columns of utterances.parquet."""
    return pa.schema(
        {
            **dict.fromkeys(_TEXT, pa.string()),
            "seconds": pa.float64(),
            **dict.fromkeys(("text", "hypothesis", "guard"), pa.string()),
            **dict.fromkeys(("words", "word_errors"), pa.int32()),
            **dict.fromkeys(emotion_columns(recognisers), pa.string()),
            **dict.fromkeys(("mos",) if recognisers.naturalness else (), pa.float64()),
            **dict.fromkeys(recognisers.acoustics, pa.float64()),
            **_FRAMES,
        }
    )


@dataclass(frozen=True)
class Training:
    """What recognisers of emotion and attackers learn from.

    Attributes:
        recorded: recordings: of the speakers under test themselves, fold by fold, or of others.
        rendered: the same as the row renders them; None where nobody has rendered them.
    """

    recorded: Rendering
    rendered: Rendering | None = None


def utterance_lines(rendering: Rendering, training: Training, recognisers: Recognisers) -> pd.DataFrame:
    """One line per utterance of a rendering, columns of `utterance_schema`; None where a measure does not apply."""
    words = rendering.read(recognisers.words) if Measure.WORDS in rendering.measures else {}
    acoustics = rendering.read(recognisers.acoustic) if Measure.ACOUSTICS in rendering.measures else {}
    rates = rendering.measures & {Measure.NATURALNESS} if recognisers.naturalness else ()
    natural = rendering.read(recognisers.natural) if rates else {}
    emotions = recognised_emotions(rendering, training, recognisers)
    lines = []
    for utterance in rendering.data:
        line = {name: getattr(utterance, name) for name in ("speaker", "gender", "emotion", "fold")}
        line |= {"row": rendering.name, "corpus": rendering.corpus, "utterance": utterance.id}
        line |= {"seconds": soundfile.info(rendering.audio[utterance.id]).duration, "text": utterance.text}
        line |= _words(utterance.text, words.get(utterance.id))
        line |= {"mos": natural.get(utterance.id)}
        line |= {column: predicted.get(utterance.id) for column, predicted in emotions.items()}
        lines.append(line | acoustics.get(utterance.id, {}))
    return pd.DataFrame(lines).reindex(columns=utterance_schema(recognisers).names)


def recognised_emotions(
    rendering: Rendering, training: Training, recognisers: Recognisers
) -> dict[str, dict[str, str]]:
    """Predicted emotion by utterance id, for each recogniser and each of its seeds, by column; `MATCHED` ones last.

    A recogniser that comes trained has one seed, 0, and no matched one. Empty where nothing can be learned from.
    """
    tested = labelled(rendering.data)
    if Measure.EMOTION not in rendering.measures or not tested:
        return {}
    if training.recorded.data == rendering.data and any(utterance.fold is None for utterance in tested):
        return {}
    usual, matched = {}, {}
    for name in recognisers.ser:
        for seed, predicted in _recognise(rendering, training.recorded, name, recognisers).items():
            usual[emotion_column(name, seed)] = predicted
        if recognisers.matched and training.rendered is not None and not _comes_trained(name, recognisers):
            predicted = _recognise(rendering, training.rendered, name, recognisers, seeds=(0,))
            matched[emotion_column(name + MATCHED)] = predicted[0]
    return usual | matched


def _comes_trained(name: str, recognisers: Recognisers) -> bool:
    return hasattr(recogniser(SER.find(name), recognisers.device), "posteriors")


def _recognise(
    rendering: Rendering, known: Rendering, name: str, recognisers: Recognisers, seeds: Sequence[int] = SEEDS
) -> dict[int, dict[str, str]]:
    """Predicted emotion by utterance id, for every seed of a recogniser that learns from ``known``."""
    from emotrace.evaluation.ser import cross_validated, most_probable, trained_on

    tested, measurement = labelled(rendering.data), recognisers.emotion(name)
    vectors, backend = vectors_of(rendering.read(measurement)), recogniser(SER.find(name), recognisers.device)
    if _comes_trained(name, recognisers):
        return {0: most_probable(tested, vectors)}
    features = vectors_of(known.read(measurement))
    if known.data == rendering.data:
        return {seed: cross_validated(backend, tested, features, vectors, seed=seed) for seed in seeds}
    learned = labelled(known.data)
    return {seed: trained_on(backend, learned, features, tested, vectors, seed=seed) for seed in seeds}


def labelled(data: DataDir) -> list[Utterance]:
    """The utterances whose emotion is known."""
    return [utterance for utterance in data if utterance.emotion is not None]


def trial_lines(
    rendering: Rendering, original: Rendering, training: Training, recognisers: Recognisers
) -> pd.DataFrame:
    """Scores of every attacker on the trials, columns of TRIALS; empty without trials.

    The ignorant attacker enrols recordings, the lazy-informed one what a separate invocation made of them. The
    semi-informed one does as well, and has trained a back-end on other speakers as the row renders them.
    """
    from emotrace.evaluation.asv import asv_scores

    data = rendering.data
    if not data.trials or Measure.SPEAKER not in rendering.measures:
        return pd.DataFrame(columns=TRIALS.names)
    measurement = recognisers.speaker
    tested = vectors_of(rendering.read(measurement))
    if rendering.name == original.name:
        scores = {"original": asv_scores(data, tested, tested)}
    else:
        enrolled = vectors_of(rendering.read_enrolment(measurement))
        scores = {"ignorant": asv_scores(data, vectors_of(original.read(measurement)), tested)}
        scores |= {"lazy-informed": asv_scores(data, enrolled, tested)}
        if recognisers.attacker and training.rendered is not None and _speakers_left(rendering, training.rendered):
            scores |= {"semi-informed": _semi_informed(rendering, training.rendered, enrolled, tested, recognisers)}
    parts = [part.assign(row=rendering.name, corpus=rendering.corpus, attacker=name) for name, part in scores.items()]
    return pd.concat(parts, ignore_index=True)[TRIALS.names]


def _speakers_left(rendering: Rendering, rendered: Rendering) -> bool:
    """Whether there are speakers to train an attacker on when those of a trial are left out."""
    folds = {utterance.fold for utterance in rendering.data}
    return rendered.data != rendering.data or (None not in folds and len(folds) > 2)


def _semi_informed(
    rendering: Rendering,
    rendered: Rendering,
    enrolled: Mapping[str, np.ndarray],
    tested: Mapping[str, np.ndarray],
    recognisers: Recognisers,
) -> pd.DataFrame:
    """Scores of the attacker that trains on ``rendered``: other speakers, or the other folds of the same ones."""
    from emotrace.evaluation.attackers import BACKENDS, semi_informed_scores, semi_informed_scores_by_fold

    backend, learned = BACKENDS.find(recognisers.attacker)(), vectors_of(rendered.read(recognisers.speaker))
    if rendered.data == rendering.data:
        return semi_informed_scores_by_fold(rendering.data, learned, enrolled, tested, backend)
    speakers = [rendered.data[name].speaker for name in learned]
    return semi_informed_scores(rendering.data, np.stack([*learned.values()]), speakers, enrolled, tested, backend)


def vectors_of(measured: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Measurements that are vectors (F,), by utterance id."""
    return {name: np.array(vector) for name, vector in measured.items()}


def _words(text: str | None, transcript: Mapping[str, str] | None) -> dict[str, Any]:
    from emotrace.evaluation.asr import normalise_text, word_errors

    if transcript is None or text is None:
        return {}
    errors, words = word_errors(text, transcript["text"])
    hypothesis = normalise_text(transcript["text"])
    return {"hypothesis": hypothesis, "guard": transcript["guard"], "words": words, "word_errors": errors}


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
