"""A report of an evaluation as one HTML file: the book's figures for one's own system, beside the recorded rows.

Nothing is loaded from elsewhere: pictures, style and script are inside. All numbers come from the table that
``emotrace evaluate`` prints and writes as summary.csv; the recorded rows of profile scale are only read.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from emotrace import __version__
from emotrace.corpus.files import write_text_atomic
from emotrace.show.notebook import RECOGNISER_NAMES
from emotrace.show.report.comparison import KINDS, compare_with_recorded, training
from emotrace.show.report.figures import pictures
from emotrace.study.directories import Evaluation
from emotrace.analysis.summary import difference_table, summary_table
from emotrace.analysis.tables import RECOGNISERS, confusion_table

TEMPLATE = "report.html.j2"
TOLD = ("UAR [%]", "WER [%]", "EER [%]")  # in the sentences at the top


def write_report(path: Path, evaluation: Evaluation, summary: pd.DataFrame | None = None) -> None:
    """Write the report of an evaluation to ``path``, atomically; ``summary`` where it was computed already."""
    write_text_atomic(path, render_report(evaluation, summary))


def render_report(evaluation: Evaluation, summary: pd.DataFrame | None = None) -> str:
    """The report as HTML."""
    summary = summary_table(evaluation) if summary is None else summary
    differences = difference_table(evaluation)
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"number": number, "sort_key": sort_key}
    return environment.get_template(TEMPLATE).render(
        evaluation=evaluation,
        version=__version__,
        facts=facts(evaluation),
        findings=list(findings(summary, differences, evaluation)),
        summary=readable_metrics(summary),
        differences=readable_metrics(differences),
        confusions=list(_confusions(evaluation)),
        pictures=pictures(evaluation, summary, differences),
        comparison=compare_with_recorded(evaluation, summary),
        csv=base64.b64encode(summary.to_csv(index=False).encode()).decode(),
    )


def facts(evaluation: Evaluation) -> dict[str, str]:
    """What was evaluated, with what."""
    lines, identity = evaluation.utterances, evaluation.identity
    corpora = ", ".join(f"{len(part) // 2} {name}" for name, part in lines.groupby("corpus"))
    found = {
        "Versions": ", ".join(evaluation.rows),
        "Utterances": f"{corpora}; {lines['speaker'].nunique()} speakers",
        "Intervals": f"95 %, bootstrap over speakers, {evaluation.n_bootstrap} draws, seed {evaluation.seed}",
    }
    backends = identity.get("backends", {})
    found |= {kind.capitalize(): backends[name] for name, kind in KINDS.items() if name in backends}
    if identity:
        found["Recognisers of emotion learned from"] = training(identity)
        found["Digest of the originals"] = ", ".join(f"{name} {sha[:12]}" for name, sha in identity["data"].items())
    return found


def findings(summary: pd.DataFrame, differences: pd.DataFrame, evaluation: Evaluation) -> Iterator[str]:
    """The result in sentences: UAR by recogniser, words, EER of the strongest attacker measured."""
    before, after = (summary[summary["version"] == row].set_index(["metric", "of"]) for row in evaluation.rows)
    told = differences[differences["metric"].isin(TOLD) & ~differences["of"].str.startswith("ignorant")]
    for line in told.sort_values("metric", key=lambda metrics: metrics.map(TOLD.index), kind="stable").itertuples():
        source = f"original, {line.of.rpartition(', ')[2]}" if line.metric == "EER [%]" else line.of
        old, new = before.loc[(line.metric, source)], after.loc[(line.metric, line.of)]
        what = line.metric.removesuffix(" [%]") + (f" ({RECOGNISER_NAMES.get(line.of, line.of)})" if line.of else "")
        change = f"difference {number(line.estimate, line.low, line.high, signed=True)} points"
        yield f"{what} {_direction(line)}: {number(*_values(old))} % before, {number(*_values(new))} % after, {change}."


def readable_metrics(table: pd.DataFrame) -> pd.DataFrame:
    """A table of metrics with the recognisers' names."""
    return table.assign(of=table["of"].replace(RECOGNISER_NAMES))


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


def _values(line: pd.Series) -> tuple[float, float, float]:
    return line["estimate"], line["low"], line["high"]


def _direction(line: Any) -> str:
    if pd.isna(line.low):
        return "without an interval, for there are too few speakers"
    return "rises" if line.low > 0 else "falls" if line.high < 0 else "shows no clear change"


def _confusions(evaluation: Evaluation) -> Iterator[tuple[str, pd.DataFrame]]:
    for recogniser in RECOGNISERS:
        for row in evaluation.rows:
            counts = confusion_table(evaluation, row, recogniser)
            if counts.to_numpy().any():
                counts = counts.rename_axis(index=None, columns=None).rename_axis(index="true \\ predicted")
                yield f"{row}, {RECOGNISER_NAMES[recogniser]}: counts of utterances", counts.reset_index()
