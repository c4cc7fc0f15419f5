"""An evaluation as VoicePrivacy 2024's result files: results<suffix>.csv of every task and result_for_rank<suffix>.

Columns and layout as its evaluation writes them (github.com/Voice-Privacy-Challenge/Voice-Privacy-Challenge-2024:
run_evaluation.py, evaluation/*/*/evaluate_*.py, README "get the final results for ranking") and as they stand in its
published results/result_for_rank_*; looked up on 2026-11-22 in a stored copy of that repository.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pandas as pd

from emotrace.analysis.metrics import eer, recalls, uar
from emotrace.corpus.datadir import Emotion
from emotrace.corpus.files import write_text_atomic
from emotrace.corpus.importers.vpc import refuse_vpc_suffix
from emotrace.pipeline.results import emotion_column
from emotrace.study.results import Results

# Our attackers as (enrolment, trial). VoicePrivacy's ranking attacker, semi-informed, is a recogniser trained anew on
# anonymised speech; its scores are not among these.
SCENARIOS = {"original": ("original", "original"), "ignorant": ("original", "anon"), "lazy-informed": ("anon", "anon")}
MEASURES = ["UAR", *(f"ACC_{emotion}" for emotion in Emotion)]
LAYOUTS = {
    "asv": ["dataset", "split", "gender", "enrollment", "trial", "EER"],
    "asr": ["dataset", "split", "asr", "WER"],
    "ser_folds": ["dataset", "split", "fold", "ser", *MEASURES],
}
FILES = {
    "asv": "asv_orig/results{}.csv",
    "asr": "asr/results{}.csv",
    "ser": "ser/results{}.csv",
    "ser_folds": "ser/results_folds{}.csv",
    "rank": "results_summary/result_for_rank{}",
}


class VpcResultsError(ValueError):
    """Results that do not fit VoicePrivacy's files; the message says what is missing."""


def write_vpc_results(results: Results, folder: str | Path, suffix: str) -> dict[str, Path]:
    """Write an evaluation of two data directories as VoicePrivacy's evaluation writes its own.

    That is asv_orig, asr and ser/results<suffix>.csv, ser/results_folds<suffix>.csv and
    results_summary/result_for_rank<suffix> below ``folder``, each atomically; a task that was not measured has no file.

    Args:
        results: as `evaluate` returns them, the original first.
        folder: where the files go.
        suffix: of the anonymised data, e.g. "_mine".

    Returns the files by table name, and "rank".
    Raises VpcResultsError when nothing was measured, CorpusError for a suffix that VoicePrivacy mistakes.
    """
    folder, tables = Path(folder), vpc_tables(results)
    for name in set(results.utterances["corpus"]):
        refuse_vpc_suffix(Path(f"{name}_test"), suffix)
    texts = {name: (_two_levels(table) if name == "ser" else table).to_csv() for name, table in tables.items()}
    if not texts:
        raise VpcResultsError(f"{folder}: nothing was measured, so there is nothing to write")
    texts["rank"] = _rank_text(tables)
    files = {name: folder / FILES[name].format(suffix) for name in texts}
    for name, text in texts.items():
        write_text_atomic(files[name], text)
    return files


def vpc_tables(results: Results) -> dict[str, pd.DataFrame]:
    """VoicePrivacy's tables of the last row beside the originals, the first row; without what was not measured.

    A corpus is a data set with the split "test". Rates are in percent with three decimals: "asv" has the EER of the
    recogniser trained on originals, original-original, ignorant (original, anon) and lazy-informed (anon, anon); "asr"
    the WER; "ser_folds" UAR and recalls (VoicePrivacy calls them ACC) of the first recogniser per fold, "ser" their
    means. Raises MetricError as the metrics do.
    """
    kinds = {results.rows[0]: "original", results.rows[-1]: "anon"}
    lines = results.utterances[results.utterances["row"].isin(kinds)]
    lines = lines.assign(kind=lines["row"].map(kinds))
    trials = results.trials[results.trials["row"].isin(kinds)]
    found = {"asv": _asv(trials), "asr": _asr(lines), "ser_folds": _ser(lines, emotion_column(results.recognisers[0]))}
    tables = {name: pd.DataFrame(list(found[name]), columns=columns) for name, columns in LAYOUTS.items()}
    tables["ser"] = tables["ser_folds"].groupby(["dataset", "split", "ser"])[MEASURES].mean().reset_index()
    return {name: table for name, table in tables.items() if len(table)}


def _asv(trials: pd.DataFrame) -> Iterator[tuple]:
    """A line per data set, gender and scenario; a trial names its data set."""
    for (corpus, gender), of_gender in trials.groupby(["corpus", "gender"]):
        for attacker, scenario in SCENARIOS.items():
            tried = of_gender[of_gender["attacker"] == attacker]
            if len(tried):
                rate, _ = eer(tried.loc[tried["target"], "score"], tried.loc[~tried["target"], "score"])
                yield corpus, "test", gender, *scenario, _percent(rate)


def _asr(lines: pd.DataFrame) -> Iterator[tuple]:
    transcribed = lines.dropna(subset=["word_errors"])
    for (kind, corpus), part in transcribed.groupby(["kind", "corpus"], sort=False):
        yield corpus, "test", kind, _percent(part["word_errors"].sum() / part["words"].sum())


def _ser(lines: pd.DataFrame, column: str) -> Iterator[tuple]:
    recognised = lines.dropna(subset=[column, "emotion"]).fillna({"fold": "all"})
    for kind in ("original", "anon"):
        for (corpus, fold), part in recognised[recognised["kind"] == kind].groupby(["corpus", "fold"]):
            true, predicted = list(part["emotion"]), list(part[column])
            rates = recalls(true, predicted)
            accuracies = (_percent(rates.get(emotion, float("nan"))) for emotion in Emotion)
            yield corpus, "test", fold, kind, _percent(uar(true, predicted)), *accuracies


def _percent(rate: float) -> float:
    return round(100 * float(rate), 3)


def _two_levels(ser: pd.DataFrame) -> pd.DataFrame:
    """The means with VoicePrivacy's second header line: "mean" below every measure."""
    levels = [(name, "mean" if name in MEASURES else "") for name in ser.columns]
    return ser.set_axis(pd.MultiIndex.from_tuples(levels), axis=1)


def _rank_text(tables: dict[str, pd.DataFrame]) -> str:
    """The text of result_for_rank: SER, the originals' EER and WER, as VoicePrivacy selects them.

    Its last section, ASV_eval^anon, is of the semi-informed attacker: a recogniser trained on anonymised speech, which
    we do not have. It is left out rather than filled with another attacker's numbers.
    """
    shown = {}
    if "ser" in tables:
        shown["SER"] = _two_levels(tables["ser"])
    if "asv" in tables:
        shown["ASV_eval"] = tables["asv"].query("enrollment == 'original' and trial == 'original'")
    if "asr" in tables:
        shown["ASR"] = tables["asr"]
    parts = [f"---- Time: {datetime.now():%d-%m-%y_%H:%M} ----\n"]
    for heading, table in shown.items():
        ordered = table.sort_values(["dataset", "split"], kind="stable")
        parts.append(f"---- {heading} results ----\n{ordered.to_string()}\n")
    return "\n".join(parts)
