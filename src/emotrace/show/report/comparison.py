"""An evaluation beside the recorded rows of profile scale, which are only read, and what sets them apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emotrace.show.figures import interval_figure
from emotrace.show.notebook import CLASSES, RECORDED, recorded_rows
from emotrace.show.report.figures import Picture, picture, recall_lines
from emotrace.study import Study
from emotrace.study.directories import Evaluation
from emotrace.study.layout import Layout
from emotrace.study.profiles import get_profile
from emotrace.pipeline.rows import select_rows
from emotrace.study.runner import read_provenance
from emotrace.analysis.tables import TableError, table2, table2_display

RECORDED_SPEECH = "RAVDESS (acted), LibriSpeech (read)"
KINDS = {
    "asr": "speech recogniser",
    "asv": "speaker recogniser",
    "ser": "first recogniser of emotion",
    "ser_second": "second recogniser of emotion",
}


@dataclass(frozen=True)
class Comparison:
    """The recorded rows beside the evaluation.

    Attributes:
        table: one line per version and row, as table II for reading.
        remarks: where corpus, recognisers or code differ, or that they are the same.
        picture: recalls and UAR of all.
    """

    table: pd.DataFrame
    remarks: list[str]
    picture: Picture | None


def compare_with_recorded(evaluation: Evaluation, summary: pd.DataFrame) -> Comparison | None:
    """The recorded rows of profile scale beside the evaluation; None where none are recorded. Nothing is run."""
    rows = recorded_rows(RECORDED, [], layer=6, seed=0)
    if not rows:
        return None
    study = Study(RECORDED, rows, n_bootstrap=evaluation.n_bootstrap, seed=0)
    layout = Layout(get_profile(RECORDED))
    recorded = {
        row.name: read_provenance(layout, row)["identity"] for row in select_rows(rows, rows=layout.profile.rows)
    }
    try:
        theirs = table2(study)
    except (TableError, KeyError) as error:
        return Comparison(pd.DataFrame(), [f"The recorded rows cannot be read: {error}"], None)
    theirs = theirs[theirs["source"].str.startswith("measured")]
    shown = pd.concat([_own_lines(evaluation, summary), theirs], ignore_index=True)
    table = table2_display(shown)
    identities = [evaluation.identity] * 2 + [recorded[row] for row in theirs["row"]]
    table.insert(
        2, "recogniser of emotion", [found.get("backends", {}).get("ser", "not known") for found in identities]
    )
    table.insert(3, "corpus", ["yours"] * 2 + [RECORDED_SPEECH] * len(theirs))
    return Comparison(table, remarks(evaluation.identity, recorded, study), _beside(summary, theirs))


def remarks(ours: Mapping[str, Any], recorded: Mapping[str, Mapping[str, Any]], study: Study) -> list[str]:
    """In sentences, where corpus, recognisers, their training or the code differ from those of the recorded rows."""
    if not ours:
        return ["What this evaluation was made with is not known: compare directions at most."]
    theirs = next(iter(recorded.values()))
    found = [_corpus(ours["data"], theirs["data"])]
    for name, kind in KINDS.items():
        others = sorted({identity["backends"].get(name, "none") for identity in recorded.values()})
        if others != [ours["backends"][name]]:
            found.append(f"Other {kind}: here {ours['backends'][name]}, recorded {', '.join(others)}.")
    if ours["data"].get("ser training") != theirs["data"].get("ser training"):
        found.append(
            f"Other training of the recognisers of emotion: here {training(ours)}, recorded {training(theirs)}."
        )
    if any(identity["evaluation_code"] != ours["evaluation_code"] for identity in recorded.values()):
        found.append("The recorded rows were measured by another version of the evaluation's code.")
    stale = [state.row for state in study.states if state.state != "done"]
    return found + (
        [f"Recorded with other code, models or data than those at hand: {', '.join(stale)}."] if stale else []
    )


def _corpus(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    if {sha for name, sha in ours.items() if name != "ser training"} & set(theirs.values()):
        return "Same corpus."
    return f"Other corpus: the recorded rows were measured on {RECORDED_SPEECH}. Compare directions, not values."


def _own_lines(evaluation: Evaluation, summary: pd.DataFrame) -> pd.DataFrame:
    """The evaluation in the columns of table II: its first recogniser, the lazy-informed attacker."""
    words = f"wer_{evaluation.utterances['corpus'].iloc[0]}"
    recalls = {("UAR [%]", "ser"): "uar"} | {(f"recall {e} [%]", "ser"): e for e in ("sad", "neu", "ang", "hap")}
    lines = []
    for row, attacker in zip(evaluation.rows, ("original", "lazy-informed"), strict=True):
        eer = {("EER [%]", f"{attacker}, {gender}"): f"eer_{gender[0]}" for gender in ("female", "male")}
        names = {("WER [%]", ""): words, **recalls, **eer}
        line: dict[str, object] = {"row": row, "source": "measured: this evaluation", "attacker": attacker}
        for found in summary[summary["version"] == row].itertuples():
            if (name := names.get((found.metric, found.of))) is not None:
                line |= {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
        lines.append(line)
    return pd.DataFrame(lines)


def _beside(summary: pd.DataFrame, recorded: pd.DataFrame) -> Picture | None:
    """Recalls of the evaluation above those of the recorded rows, by the first recogniser."""
    own = recall_lines(summary[summary["of"] == "ser"]).assign(panel="this evaluation")
    if own.empty:
        return None
    theirs = pd.DataFrame(
        {"panel": f"recorded: {RECORDED}", "line": line["row"], "emotion": name, "estimate": line[name],
         "low": line[f"{name}_low"], "high": line[f"{name}_high"]}
        for line in recorded.to_dict("records") for name in CLASSES
    )  # fmt: skip
    kept = ["panel", "line", "emotion", "estimate", "low", "high"]
    figure = interval_figure(pd.concat([own[kept], theirs]), label="recall [%]", hue="emotion", limits=(0, 100))
    alt = "Recall of each emotion and UAR, in percent with 95 % intervals: this evaluation above, recorded rows below."
    return picture("comparison", alt, figure)


def training(identity: Mapping[str, Any]) -> str:
    """What the recognisers of emotion learned from."""
    return "originals of other speakers" if identity["ser_training"] else "the originals' other folds"
