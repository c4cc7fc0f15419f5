"""VoicePrivacy 2024's result files, written and read, and its published baselines in our columns.

The files are results<suffix>.csv of every task and result_for_rank<suffix>. Columns and layout as its evaluation writes
them (github.com/Voice-Privacy-Challenge/Voice-Privacy-Challenge-2024: run_evaluation.py, evaluation/*/*/evaluate_*.py,
README "get the final results for ranking") and as they stand in its published results/result_for_rank_*; looked up on
2026-11-22 in a stored copy of that repository.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from emotrace.analysis.contrasts import COLUMNS
from emotrace.analysis.metrics import eer, recalls, uar
from emotrace.corpus.datadir import Emotion
from emotrace.corpus.files import write_text_atomic
from emotrace.corpus.importers.vpc import refuse_vpc_suffix
from emotrace.paths import ROOT
from emotrace.pipeline.results import emotion_column
from emotrace.study.results import Results

BASELINES = ROOT / "data" / "paper" / "vpc2024_baselines.csv"
Datasets = Mapping[str, tuple[str, str]]
"""Our corpora as VoicePrivacy's (data set, split)."""
PAPER_DATASETS: Datasets = {"read": ("libri", "test"), "emotional": ("IEMOCAP", "test")}
"""Those of the paper profile."""
# Our attackers as (enrolment, trial). VoicePrivacy's ranking attacker, semi-informed, is a recogniser trained anew on
# anonymised speech; its scores are not among these.
SCENARIOS = {"original": ("original", "original"), "ignorant": ("original", "anon"), "lazy-informed": ("anon", "anon")}
ACCURACIES = tuple(f"ACC_{emotion}" for emotion in Emotion)
LAYOUTS = {
    "asv": ("dataset", "split", "gender", "enrollment", "trial", "EER"),
    "asr": ("dataset", "split", "asr", "WER"),
    "ser": ("dataset", "split", "ser", "UAR", *ACCURACIES),
    "ser_folds": ("dataset", "split", "fold", "ser", "UAR", *ACCURACIES),
}
FILES = {
    "asv": "asv_orig/results{}.csv",
    "asr": "asr/results{}.csv",
    "ser": "ser/results{}.csv",
    "ser_folds": "ser/results_folds{}.csv",
    "rank": "results_summary/result_for_rank{}",
}
SECTIONS = {"ser": "SER", "asv": "ASV_eval", "asr": "ASR", "asv_anon": "ASV_eval^anon"}
PUBLISHED_COLUMNS = {
    "system": "row",
    **{"eer_f_semi_informed": "eer_f", "eer_m_semi_informed": "eer_m", "wer_libri": "wer_read"},
    **{"recall_sad": "sad", "recall_neutral": "neu", "recall_angry": "ang", "recall_happy": "hap"},
}
B4_NOTE = (
    "the paper's table II prints 54.64 for happy, with which the four recalls average 43.53 and not its UAR of 42.78; "
    "VoicePrivacy's published 51.639 does average to it"
)


class VpcResultsError(ValueError):
    """Results that do not fit VoicePrivacy's files; the message names the file or what is missing."""


@dataclass(frozen=True, eq=False)
class VpcTables:
    """VoicePrivacy's tables, columns as LAYOUTS says, rates in percent with three decimals; empty where not measured.

    Attributes:
        asv: EER of the recogniser trained on originals: original-original, ignorant (original, anon) and
            lazy-informed (anon, anon).
        asr: WER.
        ser_folds: UAR and recalls (VoicePrivacy calls them ACC) per fold.
    """

    asv: pd.DataFrame
    asr: pd.DataFrame
    ser_folds: pd.DataFrame

    @property
    def ser(self) -> pd.DataFrame:
        """Means over the folds."""
        keys = ["dataset", "split", "ser"]
        return self.ser_folds.groupby(keys)[["UAR", *ACCURACIES]].mean().reset_index()

    @property
    def measured(self) -> dict[str, pd.DataFrame]:
        """The tables that have lines, by name."""
        tables = {"asv": self.asv, "asr": self.asr, "ser": self.ser, "ser_folds": self.ser_folds}
        return {name: table for name, table in tables.items() if len(table)}


def write_vpc_results(
    results: Results,
    folder: str | Path,
    suffix: str,
    *,
    datasets: Datasets | None = None,
    when: datetime | None = None,
) -> dict[str, Path]:
    """Write an evaluation of two data directories as VoicePrivacy's evaluation writes its own.

    That is asv_orig, asr and ser/results<suffix>.csv, ser/results_folds<suffix>.csv and
    results_summary/result_for_rank<suffix> below ``folder``, each atomically; a task that was not measured has no file.

    Args:
        results: as `evaluate` returns them, or of a study: the first row beside the last.
        folder: where the files go.
        suffix: of the anonymised data, e.g. "_mine".
        datasets: as of `vpc_tables`.
        when: stands in the rank file; now by default.

    Returns the files by table name, and "rank".
    Raises VpcResultsError when nothing was measured, CorpusError for a suffix that VoicePrivacy mistakes.
    """
    tables, folder = vpc_tables(results, datasets=datasets), Path(folder)
    for table in tables.measured.values():
        for dataset, split in zip(table["dataset"], table["split"], strict=True):
            refuse_vpc_suffix(Path(f"{dataset}_{split}"), suffix)
    texts = {name: (_two_levels(table) if name == "ser" else table).to_csv() for name, table in tables.measured.items()}
    if not texts:
        raise VpcResultsError(f"{folder}: nothing was measured, so there is nothing to write")
    texts["rank"] = rank_text(tables, when or datetime.now())
    files = {name: folder / FILES[name].format(suffix) for name in texts}
    for name, text in texts.items():
        write_text_atomic(files[name], text)
    return files


def vpc_tables(
    results: Results, row: str | None = None, *, datasets: Datasets | None = None, recogniser: str | None = None
) -> VpcTables:
    """VoicePrivacy's tables of a row beside the originals, which are the first row of the results.

    Args:
        results: of a study, or of an evaluation of two data directories.
        row: the anonymised one; the last by default.
        datasets: which of our corpora is which of VoicePrivacy's (data set, split): PAPER_DATASETS for the paper
            profile, otherwise names that do not pass for it; by default the corpora's own, "test". Others are left out.
        recogniser: of emotion; the first by default. Folds that it does not have are "all".

    Raises VpcResultsError for a row, recogniser or corpus that is not there, MetricError as the metrics do.
    """
    utterances, recogniser = results.utterances, recogniser or results.recognisers[0]
    kinds = {results.rows[0]: "original", row or results.rows[-1]: "anon"}
    corpora = sorted(set(utterances["corpus"]))
    datasets = {name: (name, "test") for name in corpora} if datasets is None else datasets
    if recogniser not in results.recognisers:
        raise VpcResultsError(f"unknown recogniser {recogniser!r}; there are {', '.join(results.recognisers)}")
    if missing := sorted(set(kinds) - set(utterances["row"])):
        there = ", ".join(sorted(set(utterances["row"])))
        raise VpcResultsError(f"no results of row '{missing[0]}'; there are {there}")
    if unknown := sorted(set(datasets) - set(corpora)):
        raise VpcResultsError(f"no corpus '{unknown[0]}' in the results: {', '.join(corpora)}")
    for names in datasets.values():
        if any(re.search(r"[\s_]", name) or not name for name in names):
            raise VpcResultsError(f"data set and split {names}: VoicePrivacy splits names at '_', give two plain words")
    lines = utterances[utterances["row"].isin(kinds) & utterances["corpus"].isin(datasets)]
    lines = lines.assign(kind=lines["row"].map(kinds), place=lines["corpus"].map(datasets))
    scores = results.trials[results.trials["row"].isin(kinds)]
    emotions = _ser(lines, emotion_column(recogniser))
    return VpcTables(_table("asv", _asv(scores, lines)), _table("asr", _asr(lines)), _table("ser_folds", emotions))


def _asv(scores: pd.DataFrame, lines: pd.DataFrame) -> Iterator[tuple]:
    """A line per data set, gender and scenario; a trial belongs to the data set of its utterance."""
    owners = lines[["utterance", "place"]].drop_duplicates()
    tried = owners[owners["utterance"].isin(set(scores["utterance"]))]
    if (twice := tried["utterance"].duplicated()).any():
        raise VpcResultsError(f"utterance '{tried['utterance'][twice].iloc[0]}' is in two corpora: name one of them")
    for (place, gender), of_gender in scores.merge(tried, on="utterance").groupby(["place", "gender"]):
        for attacker, (enrolled, tested) in SCENARIOS.items():
            trials = of_gender[of_gender["attacker"] == attacker]
            if len(trials):
                rate, _ = eer(trials.loc[trials["target"], "score"], trials.loc[~trials["target"], "score"])
                yield (*place, gender, enrolled, tested, _percent(rate))


def _asr(lines: pd.DataFrame) -> Iterator[tuple]:
    transcribed = lines.dropna(subset=["word_errors"])
    for kind in ("original", "anon"):
        for place, part in transcribed[transcribed["kind"] == kind].groupby("place"):
            yield (*place, kind, _percent(part["word_errors"].sum() / part["words"].sum()))


def _ser(lines: pd.DataFrame, column: str) -> Iterator[tuple]:
    recognised = lines.dropna(subset=[column, "emotion"]).fillna({"fold": "all"})
    for kind in ("original", "anon"):
        for (place, fold), part in recognised[recognised["kind"] == kind].groupby(["place", "fold"]):
            true, predicted = list(part["emotion"]), list(part[column])
            rates = recalls(true, predicted)
            accuracies = (_percent(rates.get(emotion, float("nan"))) for emotion in Emotion)
            yield (*place, fold, kind, _percent(uar(true, predicted)), *accuracies)


def _percent(rate: float) -> float:
    return round(100 * float(rate), 3)


def _table(name: str, lines: Iterable[tuple] = ()) -> pd.DataFrame:
    """Lines in the columns of LAYOUTS."""
    return pd.DataFrame(list(lines), columns=list(LAYOUTS[name]))


def _two_levels(ser: pd.DataFrame) -> pd.DataFrame:
    """The means with VoicePrivacy's second header line: "mean" below every measure."""
    levels = [(name, "mean" if name == "UAR" or name in ACCURACIES else "") for name in ser.columns]
    return ser.set_axis(pd.MultiIndex.from_tuples(levels), axis=1)


def rank_text(tables: VpcTables, when: datetime) -> str:
    """The text of result_for_rank: SER, the originals' EER, WER without IEMOCAP's, as VoicePrivacy selects them.

    Its last section, ASV_eval^anon, is of the semi-informed attacker: a recogniser trained on anonymised speech, which
    we do not have. It is left out rather than filled with another attacker's numbers.
    """
    asv, asr = tables.asv, tables.asr
    shown = {
        "ser": _two_levels(tables.ser),
        "asv": asv[(asv["enrollment"] == "original") & (asv["trial"] == "original")],
        "asr": asr[asr["dataset"] != "IEMOCAP"],
    }
    parts = [f"---- Time: {when:%d-%m-%y_%H:%M} ----\n"]
    for name, table in shown.items():
        if len(table):
            ordered = table.sort_values(["dataset", "split"], kind="stable")
            parts.append(f"---- {SECTIONS[name]} results ----\n{ordered.to_string()}\n")
    return "\n".join(parts)


def read_vpc_results(folder: str | Path, suffix: str) -> VpcTables:
    """Read what `write_vpc_results` or VoicePrivacy's evaluation wrote below `folder`; a file not there is empty.

    Raises VpcResultsError when none of the files is there or one has other columns.
    """
    folder, names = Path(folder), ("asv", "asr", "ser_folds")
    files = {name: file for name in names if (file := folder / FILES[name].format(suffix)).is_file()}
    if not files:
        raise VpcResultsError(
            f"{folder}: no asv_orig, asr or ser/results{suffix}.csv: give the folder that holds these"
        )
    return VpcTables(*(_read_csv(name, files[name]) if name in files else _table(name) for name in names))


def _read_csv(name: str, file: Path) -> pd.DataFrame:
    table = pd.read_csv(file, index_col=0, dtype={"fold": str})
    if missing := [column for column in LAYOUTS[name] if column not in table]:
        raise VpcResultsError(f"{file}: has no column {missing[0]}: expected {', '.join(LAYOUTS[name])}")
    return table[list(LAYOUTS[name])].reset_index(drop=True)


def read_rank(text: str) -> dict[str, pd.DataFrame]:
    """The tables of a result_for_rank text by name: ser, asv, asr and, in VoicePrivacy's own, asv_anon.

    Raises VpcResultsError when it has no such section or a section has other columns.
    """
    names = {heading: name for name, heading in SECTIONS.items()}
    sections = re.findall(r"^---- (\S+) results ----\n((?:.+\n?)+)", text, re.MULTILINE)
    tables = {names[heading]: _parsed(names[heading], body) for heading, body in sections if heading in names}
    if not tables:
        raise VpcResultsError("no section like '---- SER results ----': give a file named result_for_rank...")
    return tables


def _parsed(name: str, body: str) -> pd.DataFrame:
    """A table as pandas prints it: a header, for SER a second one, and lines that begin with their number."""
    header, *lines = (line.split() for line in body.splitlines())
    cells = [line[1:] for line in lines if line[0].isdigit()]
    wanted = LAYOUTS["asv" if name == "asv_anon" else name]
    if not set(wanted) <= set(header) or any(len(line) != len(header) for line in cells):
        raise VpcResultsError(
            f"section {SECTIONS[name]}: expected columns {', '.join(wanted)}, found {' '.join(header)}"
        )
    table = pd.DataFrame(cells, columns=header)[list(wanted)]
    return table.astype({column: float for column in wanted if column in ("EER", "WER", "UAR", *ACCURACIES)})


def baseline_results(split: str = "test") -> pd.DataFrame:
    """VoicePrivacy's published baselines, one line per system, in the columns of `tables.table2` and a note.

    The EER is the semi-informed attacker's, so it does not compare with the lazy-informed one of table II; that of
    "original" is the originals'. The WER of the emotional corpus was not published. Raises VpcResultsError for a split
    other than dev and test.
    """
    if split not in ("dev", "test"):
        raise VpcResultsError(f"unknown split {split!r}: dev or test")
    published = pd.read_csv(BASELINES)
    lines = published[published["split"] == split].reset_index(drop=True).rename(columns=PUBLISHED_COLUMNS)
    lines = lines.replace({"row": {"Original": "original"}})
    lines = lines.assign(source="reported: VoicePrivacy 2024", wer_emotional=float("nan"))
    lines["attacker"] = ["original" if row == "original" else "semi-informed" for row in lines["row"]]
    lines["note"] = [B4_NOTE if (row, split) == ("B4", "test") else "" for row in lines["row"]]
    return lines[["row", "source", "attacker", *COLUMNS, "note"]]
