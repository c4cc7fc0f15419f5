"""A report of an evaluation as one HTML file: the book's figures for one's own system, beside the recorded rows.

Nothing is loaded from elsewhere: pictures, style and script are inside. All numbers come from the table that
``emotrace evaluate`` prints and writes as summary.csv; the recorded rows of profile scale are only read.
"""

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import pandas as pd

from emotrace import __version__
from emotrace.analysis.comparison import among_recorded, privacy_and_emotion, same_corpus, standing
from emotrace.analysis.contrasts import EMOTIONS, TableError
from emotrace.analysis.stages import diagnosis
from emotrace.analysis.summary import difference_table, summary_table
from emotrace.analysis.tables import table2
from emotrace.analysis.verdict import verdict
from emotrace.engine.keys import IN_PLACE
from emotrace.pipeline.measures import Recognisers
from emotrace.pipeline.results import emotion_column
from emotrace.show.explorer import explorer_html
from emotrace.show.figures import interval_figure, plane_figure
from emotrace.show.pages import RECORDED, recorded_study
from emotrace.show.report.figures import Picture, confusions, named, picture, pictures, recall_lines
from emotrace.show.tables import table2_display
from emotrace.study.results import Results, label_of
from emotrace.study.study import StudyResults

TEMPLATE = "report.html.j2"
IN_WORDS = ("UAR [%]", "WER [%]", "EER [%]")  # in the sentences at the top
RECORDED_SPEECH = "RAVDESS (acted), LibriSpeech (read)"
Identity = Mapping[str, Any]


def render_report(
    results: Results,
    summary: pd.DataFrame | None = None,
    stages: pd.DataFrame | None = None,
    folder: Path | None = None,
) -> str:
    """The report as HTML; ``results`` of two versions or more, as `evaluate` returns them, the original first.

    ``stages``: the `stage_table` where the versions are the stages of one system. ``folder``: where the report will
    lie; its explorer then plays the files that were evaluated, by their relative paths.
    """
    summary = summary_table(results) if summary is None else summary
    differences = difference_table(results)
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"number": number, "sort_key": sort_key}
    return environment.get_template(TEMPLATE).render(
        results=results,
        systems=", ".join(results.rows[1:]),
        version=__version__,
        facts=facts(results),
        verdicts={row: verdict(results, row) for row in results.rows[1:]},
        findings=list(findings(summary, differences, results)),
        stages=None if stages is None else readable_metrics(stages),
        diagnosis=[] if stages is None else diagnosis(results, stages),
        summary=readable_metrics(summary),
        differences=readable_metrics(differences),
        confusions=list(_confusion_tables(results)),
        pictures=pictures(results, summary, differences),
        comparison=compare_with_recorded(results, summary),
        explorer=_explorer(results, folder),
        csv=base64.b64encode(summary.to_csv(index=False).encode()).decode(),
    )


def _explorer(results: Results, folder: Path | None) -> str:
    """The utterances behind every cell of the confusion matrices; "" where no emotion was recognised."""
    if results.utterances[[emotion_column(name) for name in results.recognisers]].isna().all(axis=None):
        return ""
    files = {} if folder is None else results.audio
    audio = {key: quote(os.path.relpath(path, folder)) for key, path in files.items()}
    return explorer_html({results.source: results}, results.rows[1], audio)


def facts(results: Results) -> dict[str, str]:
    """What was evaluated, with what."""
    lines, identity = results.utterances, results.identity
    corpora = ", ".join(f"{len(part)} {name}" for name, part in results.lines(results.rows[0]).groupby("corpus"))
    shown = {
        "Versions": ", ".join(results.rows),
        "Utterances": f"{corpora}; {lines['speaker'].nunique()} speakers",
        "Intervals": f"95 %, bootstrap over speakers, {results.n_bootstrap} draws, seed {results.seed}",
    }
    if identity:
        shown |= {kind.capitalize(): names for kind, names in backends(identity["recognisers"]).items()}
        shown["Recognisers of emotion learned from"] = training(identity)
        shown["Digest of the originals"] = identity["data"][:12]
    return shown


def findings(summary: pd.DataFrame, differences: pd.DataFrame, results: Results) -> Iterator[str]:
    """The result in sentences: UAR by recogniser, words, EER of the strongest attacker measured."""
    before, *_ = versions = [summary[summary["version"] == row].set_index(["metric", "of"]) for row in results.rows]
    after = dict(zip(results.rows, versions, strict=True))
    chosen = differences[differences["metric"].isin(IN_WORDS) & ~differences["of"].str.startswith("ignorant")]
    chosen = chosen.sort_values("metric", key=lambda names: names.map(IN_WORDS.index), kind="stable")
    for line in chosen.itertuples():
        source = f"original, {line.of.rpartition(', ')[2]}" if line.metric == "EER [%]" else line.of
        ends = ["estimate", "low", "high"]
        old, new = before.loc[(line.metric, source), ends], after[line.version].loc[(line.metric, line.of), ends]
        what = f"{line.version}: " if len(results.rows) > 2 else ""
        what += line.metric.removesuffix(" [%]") + (f" ({named(line.of)})" if line.of else "")
        change = f"difference {number(line.estimate, line.low, line.high, signed=True)} points"
        yield f"{what} {_direction(line)}: {number(*old)} % before, {number(*new)} % after, {change}."


def readable_metrics(table: pd.DataFrame) -> pd.DataFrame:
    """A table of metrics with the recognisers' labels."""
    return table.assign(of=table["of"].map(named))


def number(estimate: float, low: float, high: float, *, signed: bool = False) -> str:
    """ "55.8 [49.5, 62.7]"; two decimals below 10, so that small numbers keep their digits."""
    if pd.isna(estimate):
        return "not defined"
    kind = f"{'+' if signed else ''}.{1 if abs(estimate) >= 10 else 2}f"
    return f"{estimate:{kind}}" + (" (no interval)" if pd.isna(low) else f" [{low:{kind}}, {high:{kind}}]")


def sort_key(cell: object) -> str:
    """What a cell is sorted by: the number that it begins with, or its text."""
    first = str(cell).partition(" ")[0]
    try:
        return repr(float(first))
    except ValueError:
        return str(cell)


def _direction(line: Any) -> str:
    if pd.isna(line.low):
        return "without an interval, for there are too few speakers"
    return "rises" if line.low > 0 else "falls" if line.high < 0 else "shows no clear change"


def _confusion_tables(results: Results) -> Iterator[tuple[str, pd.DataFrame]]:
    """Confusions of every version and recogniser, each below its caption."""
    for recogniser in results.recognisers:
        for row, counts in confusions(results, recogniser).items():
            counts = counts.rename_axis(index=None, columns=None).rename_axis(index="true \\ predicted")
            yield f"{row}, {named(recogniser)}: counts of utterances", counts.reset_index()


def compare_with_recorded(results: Results, summary: pd.DataFrame) -> dict[str, Any] | None:
    """The recorded rows of profile scale beside the evaluation; None where none are recorded. Nothing is run.

    Returns table (one line per version and row, as table II for reading), remarks (where corpus, recognisers or code
    differ, or that they are the same) and picture (recalls and UAR of all, or None).
    """
    study = recorded_study(RECORDED, n_bootstrap=results.n_bootstrap)
    if study is None:
        return None
    try:
        recorded = table2(study)
    except (TableError, KeyError) as error:
        message = f"The recorded rows cannot be read: {error}"
        return {"table": pd.DataFrame(), "remarks": [message], "picture": None, "standings": {}, "planes": []}
    recorded = recorded[recorded["source"].str.startswith("measured")]
    evaluated = _lines_of_table2(results, summary)
    table = table2_display(pd.concat([evaluated, recorded], ignore_index=True))
    both = ((results, evaluated, "yours"), (study, recorded, RECORDED_SPEECH))
    table.insert(
        2, "recogniser of emotion", [label_of(of.recognisers[0]) for of, lines, _ in both for _ in lines.index]
    )
    table.insert(3, "corpus", [corpus for _, lines, corpus in both for _ in lines.index])
    identities = [work.record.read()["identity"] for work in study.works]
    stale = [state.name for state in study.states if state.state == "stale"]
    known = same_corpus(results, study) is not None
    sentences = remarks(results.identity, identities, study.profile.recognisers, stale, same_utterances=known)
    found = {"table": table, "remarks": sentences, "picture": _recalls_beside(results, summary, recorded)}
    same = same_protocol(results, study, identities[0]["ser_training"])
    return found | (_among(results, study) if same else {"standings": {}, "planes": []})


def same_protocol(results: Results, study: StudyResults, training: str | None) -> bool:
    """Whether an evaluation took a corpus, recognisers and training that recorded rows took.

    ``training``: digest of the speech that the recognisers of the rows have learned from; None where they did by folds.
    """
    ours = results.identity
    if not ours or same_corpus(results, study) is None or ours["recognisers"] != study.profile.recognisers:
        return False
    return results.utterances["emotion"].isna().all() or (ours["ser_training"] is None) == (training is None)


def _among(results: Results, study: Results) -> dict[str, Any]:
    """The systems against every recorded row, a table for each, and all of them in the plane of privacy and emotion."""
    joined = among_recorded(results, study)
    count = len(results.rows)
    systems, rows = joined.rows[1:count], joined.rows[count:]
    table = standing(joined, systems, rows)
    change = table[["estimate", "low", "high"]].apply(lambda line: number(*line, signed=True), axis=1)
    table = table.assign(cell=table["verdict"] + " " + change)
    standings = {
        system: own.pivot(index="row", columns="metric", values="cell").reindex(rows)[list(own["metric"].unique())]
        for system, own in table.groupby("system", sort=False)
    }
    planes = []
    for name in joined.recognisers:
        both = privacy_and_emotion(joined, name)
        if both.empty:
            continue
        frame = both.rename(columns=lambda column: column.replace("eer", "x").replace("uar", "y"))
        frame = frame.assign(name=both["row"], mine=both["row"].isin(systems))
        attacker = both["attacker"].iloc[0]
        figure = plane_figure(frame, x=f"EER, {attacker} attacker [%]", y=f"UAR, {label_of(name)} [%]")
        what = f"Equal error rate of the {attacker} attacker and UAR by {label_of(name)}, with intervals"
        alt = f"{what}, of your systems and of every recorded row; differences are in the tables."
        planes.append(picture("plane", alt, figure))
    return {"standings": {name: own.fillna("-").reset_index() for name, own in standings.items()}, "planes": planes}


def remarks(
    ours: Identity,
    recorded: Sequence[Identity],
    recognisers: Recognisers,
    stale: Sequence[str] = (),
    *,
    same_utterances: bool = False,
) -> list[str]:
    """In sentences, where corpus, recognisers, their training or the code differ from those of the recorded rows.

    Args:
        ours: identity of the evaluation.
        recorded: identities of the recorded rows.
        recognisers: of the recorded rows.
        stale: the recorded rows whose code, models or data are not those at hand.
        same_utterances: whether they are of the same utterances, whatever the audio, see `same_corpus`.
    """
    if not ours:
        return ["What this evaluation was made with is not known: compare directions at most."]
    sentences = ["Same corpus."]
    if ours["data"] not in {corpus["data"] for identity in recorded for corpus in identity["corpora"].values()}:
        rows = f"the recorded rows were measured on {RECORDED_SPEECH}"
        sentences = [f"Other corpus: {rows}. Compare directions, not values."]
        if same_utterances:
            sentences = [
                "Same utterances, decoded or trimmed otherwise: the recordings' own numbers say what that does."
            ]
    there = backends(recognisers)
    for kind, here in backends(ours["recognisers"]).items():
        if here != there[kind]:
            sentences.append(f"Other {kind}: here {here}; recorded {there[kind]}.")
    if ours["ser_training"] != recorded[0]["ser_training"]:
        learned = f"here {training(ours)}, recorded {training(recorded[0])}"
        sentences.append(f"Other training of the recognisers of emotion: {learned}.")
    changed = [
        name
        for name, component in ours["components"].items()
        if any(identity["components"].get(name, component)["code"] != component["code"] for identity in recorded)
    ]
    if in_place := [name for name, component in ours["components"].items() if IN_PLACE in component]:
        sentences.append(f"Without torch, by numpy: {', '.join(in_place)}. Their outputs differ by 0.00001 at most.")
    if changed:
        names = ", ".join(changed)
        sentences.append(f"The recorded rows were measured by another version of the evaluation's code: {names}.")
    if stale:
        sentences.append(f"Recorded with other code, models or data than those at hand: {', '.join(stale)}.")
    return sentences


def backends(recognisers: Recognisers) -> dict[str, str]:
    """The names of the recognisers by what they recognise."""
    return {
        "speech recogniser": recognisers.asr,
        "speaker recogniser": recognisers.asv,
        "attacker's back-end": recognisers.attacker or "none",
        "predictor of naturalness": recognisers.naturalness or "none",
        "recognisers of emotion": ", ".join(map(label_of, recognisers.ser)),
    }


def training(identity: Identity) -> str:
    """What the recognisers of emotion learned from."""
    return "originals of other speakers" if identity["ser_training"] else "the originals' other folds"


def _lines_of_table2(results: Results, summary: pd.DataFrame) -> pd.DataFrame:
    """The evaluation in the columns of table II: its first recogniser, the lazy-informed attacker."""
    original, *anonymised = results.rows
    attackers, recogniser = {original: "original"} | dict.fromkeys(anonymised, "lazy-informed"), results.recognisers[0]
    names = {("WER [%]", ""): f"wer_{results.utterances['corpus'].iloc[0]}", ("UAR [%]", recogniser): "uar"}
    names |= {(f"recall {name} [%]", recogniser): name for name in EMOTIONS}
    for attacker in set(attackers.values()):
        names |= {("EER [%]", f"{attacker}, {gender}"): f"eer_{gender[0]}" for gender in ("female", "male")}
    source = "measured: this evaluation"
    lines = {row: {"row": row, "source": source, "attacker": attacker} for row, attacker in attackers.items()}
    for value in summary.itertuples():
        if (name := names.get((value.metric, value.of))) is not None:
            lines[value.version] |= {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}
    return pd.DataFrame(lines.values())


def _recalls_beside(results: Results, summary: pd.DataFrame, recorded: pd.DataFrame) -> Picture | None:
    """Recalls of the evaluation above those of the recorded rows, each by its first recogniser."""
    evaluated = recall_lines(summary[summary["of"] == results.recognisers[0]]).assign(panel="this evaluation")
    if evaluated.empty:
        return None
    lines = pd.DataFrame(
        {"panel": f"recorded: {RECORDED}", "line": line["row"], "emotion": name, "estimate": line[name],
         "low": line[f"{name}_low"], "high": line[f"{name}_high"]}
        for line in recorded.to_dict("records") for name in (*EMOTIONS, "uar")
    )  # fmt: skip
    both = pd.concat([evaluated[list(lines)], lines])
    figure = interval_figure(both, label="recall [%]", hue="emotion", limits=(0, 100))
    alt = "Recall of each emotion and UAR, in percent with 95 % intervals: this evaluation above, recorded rows below."
    return picture("comparison", alt, figure)
