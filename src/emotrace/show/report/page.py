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
from emotrace.analysis.summary import difference_table, summary_table
from emotrace.corpus.files import write_text_atomic
from emotrace.show.report.comparison import backends, compare_with_recorded, training
from emotrace.show.report.figures import confusions, named, pictures
from emotrace.study.results import Results

TEMPLATE = "report.html.j2"
IN_WORDS = ("UAR [%]", "WER [%]", "EER [%]")  # in the sentences at the top


def write_report(path: Path, results: Results, summary: pd.DataFrame | None = None) -> None:
    """Write the report of an evaluation to ``path``, atomically; ``summary`` where it was computed already."""
    write_text_atomic(path, render_report(results, summary))


def render_report(results: Results, summary: pd.DataFrame | None = None) -> str:
    """The report as HTML; ``results`` of two versions, as `evaluate` returns them, the original first."""
    summary = summary_table(results) if summary is None else summary
    differences = difference_table(results)
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"number": number, "sort_key": sort_key}
    return environment.get_template(TEMPLATE).render(
        results=results,
        version=__version__,
        facts=facts(results),
        findings=list(findings(summary, differences, results)),
        summary=readable_metrics(summary),
        differences=readable_metrics(differences),
        confusions=list(_confusion_tables(results)),
        pictures=pictures(results, summary, differences),
        comparison=compare_with_recorded(results, summary),
        csv=base64.b64encode(summary.to_csv(index=False).encode()).decode(),
    )


def facts(results: Results) -> dict[str, str]:
    """What was evaluated, with what."""
    lines, identity = results.utterances, results.identity
    corpora = ", ".join(f"{len(part) // 2} {name}" for name, part in lines.groupby("corpus"))
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
    before, after = (summary[summary["version"] == row].set_index(["metric", "of"]) for row in results.rows)
    chosen = differences[differences["metric"].isin(IN_WORDS) & ~differences["of"].str.startswith("ignorant")]
    chosen = chosen.sort_values("metric", key=lambda names: names.map(IN_WORDS.index), kind="stable")
    for line in chosen.itertuples():
        source = f"original, {line.of.rpartition(', ')[2]}" if line.metric == "EER [%]" else line.of
        old, new = before.loc[(line.metric, source)], after.loc[(line.metric, line.of)]
        what = line.metric.removesuffix(" [%]") + (f" ({named(line.of)})" if line.of else "")
        change = f"difference {number(line.estimate, line.low, line.high, signed=True)} points"
        yield f"{what} {_direction(line)}: {number(*_values(old))} % before, {number(*_values(new))} % after, {change}."


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


def _values(line: pd.Series) -> tuple[float, float, float]:
    return line["estimate"], line["low"], line["high"]


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
