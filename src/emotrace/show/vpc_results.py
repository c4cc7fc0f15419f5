"""Our results in the tables of VoicePrivacy 2024, and its published baselines in ours; `vpc_files` writes them.

Columns as its evaluation writes them (github.com/Voice-Privacy-Challenge/Voice-Privacy-Challenge-2024:
run_evaluation.py, evaluation/*/*/evaluate_*.py) and as they stand in its published results/result_for_rank_*; looked up
on 2026-11-22 in a stored copy of that repository.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from emotrace.corpus.datadir import Emotion
from emotrace.analysis.metrics import eer, recalls, uar
from emotrace.paths import ROOT
from emotrace.analysis.tables import COLUMNS, RECOGNISERS

BASELINES = ROOT / "data" / "paper" / "vpc2024_baselines.csv"
# Our corpora of the paper profile as (data set, split) of VoicePrivacy.
PAPER_DATASETS = {"read": ("libri", "test"), "emotional": ("IEMOCAP", "test")}
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
B4_NOTE = (
    "the paper's table II prints 54.64 for happy, with which the four recalls average 43.53 and not its UAR of 42.78; "
    "VoicePrivacy's published 51.639 does average to it"
)


class VpcResultsError(ValueError):
    """Results that do not fit VoicePrivacy's files; the message names the file or what is missing."""


@dataclass(frozen=True, eq=False)
class VpcResults:
    """VoicePrivacy's tables, columns as LAYOUTS says, rates in percent with three decimals; empty where not measured.

    Attributes:
        asv: EER of the recogniser trained on originals: original-original, ignorant (original, anon) and
            lazy-informed (anon, anon).
        asr: WER. ser_folds: UAR and recalls (VoicePrivacy calls them ACC) per fold.
    """

    asv: pd.DataFrame
    asr: pd.DataFrame
    ser_folds: pd.DataFrame

    @property
    def ser(self) -> pd.DataFrame:
        """Means over the folds."""
        keys = ["dataset", "split", "ser"]
        return self.ser_folds.groupby(keys)[["UAR", *ACCURACIES]].mean().reset_index()


def vpc_results(
    utterances: pd.DataFrame,
    trials: pd.DataFrame,
    row: str,
    *,
    datasets: Mapping[str, tuple[str, str]],
    recogniser: str = "ser",
    original: str = "original",
) -> VpcResults:
    """VoicePrivacy's tables of one row beside the originals, from lines as in utterances.parquet and trials.parquet.

    `utterances` and `trials` hold the lines of both rows, of a study or of `emotrace evaluate`. `datasets` says which
    of our corpora is which of VoicePrivacy's (data set, split): PAPER_DATASETS for the paper profile, otherwise names
    that do not pass for it. Corpora that are not named are left out. Folds that a recogniser does not have are "all".
    Raises VpcResultsError for a row, recogniser or corpus that is not there, MetricError as the metrics do.
    """
    if recogniser not in RECOGNISERS:
        raise VpcResultsError(f"unknown recogniser {recogniser!r}; there are {', '.join(RECOGNISERS)}")
    kinds = {original: "original", row: "anon"}
    if missing := [name for name in kinds if name not in set(utterances["row"])]:
        raise VpcResultsError(
            f"no results of row '{missing[0]}'; there are {', '.join(sorted(set(utterances['row'])))}"
        )
    if unknown := sorted(set(datasets) - set(utterances["corpus"])):
        raise VpcResultsError(
            f"no corpus '{unknown[0]}' in the results: {', '.join(sorted(set(utterances['corpus'])))}"
        )
    for names in datasets.values():
        if any(re.search(r"[\s_]", name) or not name for name in names):
            raise VpcResultsError(f"data set and split {names}: VoicePrivacy splits names at '_', give two plain words")
    lines = utterances[utterances["row"].isin(kinds) & utterances["corpus"].isin(datasets)]
    lines = lines.assign(kind=lines["row"].map(kinds), place=lines["corpus"].map(datasets))
    scores = trials[trials["row"].isin(kinds)]
    return VpcResults(
        vpc_table("asv", _asv(scores, lines)),
        vpc_table("asr", _asr(lines)),
        vpc_table("ser_folds", _ser(lines, recogniser)),
    )


def vpc_table(name: str, lines: Iterable[tuple] = ()) -> pd.DataFrame:
    """Lines in the columns of LAYOUTS."""
    return pd.DataFrame(list(lines), columns=list(LAYOUTS[name]))


def baseline_results(split: str = "test") -> pd.DataFrame:
    """VoicePrivacy's published baselines, one line per system, in the columns of `tables.table2` and a note.

    The EER is the semi-informed attacker's, so it does not compare with the lazy-informed one of table II; that of
    "original" is the originals'. The WER of the emotional corpus was not published. Raises VpcResultsError for a split
    other than dev and test.
    """
    if split not in ("dev", "test"):
        raise VpcResultsError(f"unknown split {split!r}: dev or test")
    published = pd.read_csv(BASELINES)
    published = published[published["split"] == split].reset_index(drop=True)
    emotions = {"sad": "sad", "neutral": "neu", "angry": "ang", "happy": "hap"}
    names = {f"recall_{long}": short for long, short in emotions.items()} | {"wer_libri": "wer_read"}
    names |= {"eer_f_semi_informed": "eer_f", "eer_m_semi_informed": "eer_m", "system": "row"}
    lines = published.rename(columns=names).replace({"row": {"Original": "original"}})
    lines = lines.assign(source="reported: VoicePrivacy 2024", wer_emotional=float("nan"))
    lines["attacker"] = ["original" if row == "original" else "semi-informed" for row in lines["row"]]
    lines["note"] = [B4_NOTE if (row, split) == ("B4", "test") else "" for row in lines["row"]]
    return lines[["row", "source", "attacker", *COLUMNS, "note"]]


def _asv(scores: pd.DataFrame, lines: pd.DataFrame) -> Iterator[tuple]:
    """A line per data set, gender and scenario; a trial belongs to the data set of its utterance."""
    owners = lines[["utterance", "place"]].drop_duplicates()
    tried = owners[owners["utterance"].isin(set(scores["utterance"]))]
    if (twice := tried["utterance"].duplicated()).any():
        raise VpcResultsError(f"utterance '{tried['utterance'][twice].iloc[0]}' is in two corpora: name one of them")
    scores = scores.merge(tried, on="utterance")
    for (place, gender), own in scores.groupby(["place", "gender"]):
        for attacker, (enrolled, tested) in SCENARIOS.items():
            of = own[own["attacker"] == attacker]
            if len(of):
                rate, _ = eer(of.loc[of["target"], "score"], of.loc[~of["target"], "score"])
                yield (*place, gender, enrolled, tested, _percent(rate))


def _asr(lines: pd.DataFrame) -> Iterator[tuple]:
    transcribed = lines.dropna(subset=["word_errors"])
    for kind in ("original", "anon"):
        for place, own in transcribed[transcribed["kind"] == kind].groupby("place"):
            yield (*place, kind, _percent(own["word_errors"].sum() / own["words"].sum()))


def _ser(lines: pd.DataFrame, recogniser: str) -> Iterator[tuple]:
    recognised = lines.dropna(subset=[recogniser, "emotion"]).fillna({"fold": "all"})
    for kind in ("original", "anon"):
        for (place, fold), own in recognised[recognised["kind"] == kind].groupby(["place", "fold"]):
            true, predicted = list(own["emotion"]), list(own[recogniser])
            found = recalls(true, predicted)
            accuracies = (_percent(found.get(emotion, float("nan"))) for emotion in Emotion)
            yield (*place, fold, kind, _percent(uar(true, predicted)), *accuracies)


def _percent(rate: float) -> float:
    return round(100 * float(rate), 3)
