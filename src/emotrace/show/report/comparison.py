"""An evaluation beside the recorded rows of profile scale, which are only read, and what sets them apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emotrace.analysis.contrasts import EMOTIONS, TableError
from emotrace.analysis.tables import table2
from emotrace.pipeline.measures import Recognisers
from emotrace.show.figures import interval_figure
from emotrace.show.pages import CLASSES, RECORDED, recorded_study
from emotrace.show.report.figures import Picture, picture, recall_lines
from emotrace.show.tables import table2_display
from emotrace.study.results import Results, label_of

RECORDED_SPEECH = "RAVDESS (acted), LibriSpeech (read)"
Identity = Mapping[str, Any]


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


def compare_with_recorded(results: Results, summary: pd.DataFrame) -> Comparison | None:
    """The recorded rows of profile scale beside the evaluation; None where none are recorded. Nothing is run."""
    study = recorded_study(RECORDED, n_bootstrap=results.n_bootstrap)
    if study is None:
        return None
    try:
        recorded = table2(study)
    except (TableError, KeyError) as error:
        return Comparison(pd.DataFrame(), [f"The recorded rows cannot be read: {error}"], None)
    recorded = recorded[recorded["source"].str.startswith("measured")]
    evaluated = _lines_of_table2(results, summary)
    table = table2_display(pd.concat([evaluated, recorded], ignore_index=True))
    both = ((results, evaluated, "yours"), (study, recorded, RECORDED_SPEECH))
    labels = [label_of(each.recognisers[0]) for each, lines, _ in both for _ in range(len(lines))]
    table.insert(2, "recogniser of emotion", labels)
    table.insert(3, "corpus", [corpus for _, lines, corpus in both for _ in range(len(lines))])
    identities = [work.record.read()["identity"] for work in study.works]
    stale = [state.name for state in study.states if state.state != "done"]
    sentences = remarks(results.identity, identities, study.profile.recognisers, stale)
    return Comparison(table, sentences, _recalls_beside(results, summary, recorded))


def remarks(
    ours: Identity, recorded: Sequence[Identity], recognisers: Recognisers, stale: Sequence[str] = ()
) -> list[str]:
    """In sentences, where corpus, recognisers, their training or the code differ from those of the recorded rows.

    Args:
        ours: identity of the evaluation.
        recorded: identities of the recorded rows.
        recognisers: of the recorded rows.
        stale: the recorded rows whose code, models or data are not those at hand.
    """
    if not ours:
        return ["What this evaluation was made with is not known: compare directions at most."]
    sentences = [_corpus(ours, recorded)]
    there = backends(recognisers)
    for kind, here in backends(ours["recognisers"]).items():
        if here != there[kind]:
            sentences.append(f"Other {kind}: here {here}; recorded {there[kind]}.")
    if ours["ser_training"] != recorded[0]["ser_training"]:
        learned = f"here {training(ours)}, recorded {training(recorded[0])}"
        sentences.append(f"Other training of the recognisers of emotion: {learned}.")
    if changed := ", ".join(_changed_components(ours, recorded)):
        sentences.append(f"The recorded rows were measured by another version of the evaluation's code: {changed}.")
    if stale:
        sentences.append(f"Recorded with other code, models or data than those at hand: {', '.join(stale)}.")
    return sentences


def backends(recognisers: Recognisers) -> dict[str, str]:
    """The names of the recognisers by what they recognise."""
    return {
        "speech recogniser": recognisers.asr,
        "speaker recogniser": recognisers.asv,
        "recognisers of emotion": ", ".join(map(label_of, recognisers.ser)),
    }


def training(identity: Identity) -> str:
    """What the recognisers of emotion learned from."""
    return "originals of other speakers" if identity["ser_training"] else "the originals' other folds"


def _corpus(ours: Identity, recorded: Sequence[Identity]) -> str:
    if ours["data"] in {corpus["data"] for identity in recorded for corpus in identity["corpora"].values()}:
        return "Same corpus."
    return f"Other corpus: the recorded rows were measured on {RECORDED_SPEECH}. Compare directions, not values."


def _changed_components(ours: Identity, recorded: Sequence[Identity]) -> list[str]:
    """Names of what measures both and differs, in code or weights."""
    return [
        name
        for name, component in ours["components"].items()
        if any(identity["components"].get(name, component) != component for identity in recorded)
    ]


def _lines_of_table2(results: Results, summary: pd.DataFrame) -> pd.DataFrame:
    """The evaluation in the columns of table II: its first recogniser, the lazy-informed attacker."""
    words, recogniser = f"wer_{results.utterances['corpus'].iloc[0]}", results.recognisers[0]
    recalls = {("UAR [%]", recogniser): "uar"} | {(f"recall {name} [%]", recogniser): name for name in EMOTIONS}
    lines = []
    for row, attacker in zip(results.rows, ("original", "lazy-informed"), strict=True):
        eer = {("EER [%]", f"{attacker}, {gender}"): f"eer_{gender[0]}" for gender in ("female", "male")}
        names = {("WER [%]", ""): words, **recalls, **eer}
        line: dict[str, object] = {"row": row, "source": "measured: this evaluation", "attacker": attacker}
        for value in summary[summary["version"] == row].itertuples():
            if (name := names.get((value.metric, value.of))) is not None:
                line |= {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}
        lines.append(line)
    return pd.DataFrame(lines)


def _recalls_beside(results: Results, summary: pd.DataFrame, recorded: pd.DataFrame) -> Picture | None:
    """Recalls of the evaluation above those of the recorded rows, each by its first recogniser."""
    evaluated = recall_lines(summary[summary["of"] == results.recognisers[0]]).assign(panel="this evaluation")
    if evaluated.empty:
        return None
    lines = pd.DataFrame(
        {"panel": f"recorded: {RECORDED}", "line": line["row"], "emotion": name, "estimate": line[name],
         "low": line[f"{name}_low"], "high": line[f"{name}_high"]}
        for line in recorded.to_dict("records") for name in CLASSES
    )  # fmt: skip
    both = pd.concat([evaluated[list(lines)], lines])
    figure = interval_figure(both, label="recall [%]", hue="emotion", limits=(0, 100))
    alt = "Recall of each emotion and UAR, in percent with 95 % intervals: this evaluation above, recorded rows below."
    return picture("comparison", alt, figure)
