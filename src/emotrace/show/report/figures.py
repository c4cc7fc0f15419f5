"""The figures of a report: those of the book, for one evaluation, each with the words that stand in for it."""

import base64
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from emotrace.analysis.contrasts import EMOTIONS, acoustic_columns
from emotrace.analysis.tables import confusion_table
from emotrace.evaluation import SER
from emotrace.pipeline.results import MATCHED
from emotrace.show.figures import (
    Drawing,
    confusion_figure,
    distribution_figure,
    emotion_figure,
    interval_figure,
    use_style,
)
from emotrace.study.results import Results, label_of

RECALLS = {f"recall {name} [%]": name for name in EMOTIONS} | {"UAR [%]": "uar"}
ACOUSTICS = {
    "centroid_hz": ("spectral centroid [Hz]", True),
    "kurtosis": ("spectral kurtosis", True),
    "loudness_lufs": ("loudness, as delivered [LUFS]", False),
    "loudness_peak_matched_lufs": ("loudness, peak matched [LUFS]", False),
}  # column: label, logarithmic


class Picture(NamedTuple):
    """A figure of the report: the section that it belongs to, what it shows in words, and the SVG in base64."""

    section: str
    alt: str
    svg: str


def pictures(results: Results, summary: pd.DataFrame, differences: pd.DataFrame) -> list[Picture]:
    """Every figure that the results can fill, in the order of the report."""
    use_style()
    summary = summary.dropna(subset="estimate")
    return [
        *_recalls(results, summary),
        *_confusions(results),
        *_errors(summary),
        *_acoustics(results),
        *_differences(results, differences),
    ]


def named(of: str) -> str:
    """What a metric is of, for reading: the label of a recogniser of emotion, anything else as it is."""
    return label_of(of) if of.removesuffix(MATCHED) in SER else of


def recall_lines(summary: pd.DataFrame) -> pd.DataFrame:
    """Recalls and UAR as `interval_figure` draws them: columns panel, line, emotion, estimate, low, high."""
    lines = summary[summary["metric"].isin(RECALLS)]
    return lines.assign(panel=lines["of"].map(named), line=lines["version"], emotion=lines["metric"].map(RECALLS))


def picture(section: str, alt: str, figure: Drawing) -> Picture:
    """A figure as the report holds it."""
    return Picture(section, " ".join(alt.split()), base64.b64encode(figure._repr_svg_().encode()).decode())


def _recalls(results: Results, summary: pd.DataFrame) -> Iterator[Picture]:
    lines = recall_lines(summary)
    if not lines.empty:
        alt = f"""Recall of each emotion and their mean, UAR, in percent with 95 % intervals, of
            {_versions(results)}; one panel for each recogniser. {_in_words(summary, "UAR [%]")}"""
        yield picture("recalls", alt, interval_figure(lines, label="recall [%]", hue="emotion", limits=(0, 100)))


def confusions(results: Results, recogniser: str) -> dict[str, pd.DataFrame]:
    """Confusions of each version by a recogniser; none of a version without recognised emotions."""
    if results.utterances["emotion"].isna().all():
        return {}
    counts = {row: confusion_table(results, row, recogniser) for row in results.rows}
    return {row: table for row, table in counts.items() if table.to_numpy().any()}


def _confusions(results: Results) -> Iterator[Picture]:
    for recogniser in results.recognisers:
        if len(counts := confusions(results, recogniser)) == len(results.rows):
            alt = f"""Confusion matrices of {named(recogniser)}, true by predicted emotion in percent of the true class,
                of {_versions(results)}; the same counts are in a table below."""
            yield picture("confusions", alt, confusion_figure(counts))


def _errors(summary: pd.DataFrame) -> Iterator[Picture]:
    summary = summary.assign(line=summary["version"], panel="words")
    verified, words = (summary[summary["metric"] == name] for name in ("EER [%]", "WER [%]"))
    if not verified.empty:
        parts = verified["of"].str.rsplit(", ", n=1)
        figure = interval_figure(
            verified.assign(attacker=parts.str[0], panel=parts.str[1]), label="EER [%]", hue="attacker"
        )
        alt = "Equal error rate in percent with 95 % intervals, by gender and attacker. "
        yield picture("verification", alt + _in_words(summary, "EER [%]"), figure)
    if not words.empty:
        alt = f"Word error rate in percent with 95 % intervals. {_in_words(summary, 'WER [%]')}"
        yield picture("words", alt, interval_figure(words, label="WER [%]"))


def _acoustics(results: Results) -> Iterator[Picture]:
    lines = results.utterances.assign(panel=results.utterances["corpus"] + " speech")
    for column, (label, log) in ACOUSTICS.items():
        if lines.groupby("row")[column].count().min() < 2:  # a distribution needs more than one utterance
            continue
        alt = f"Distribution of {label} over utterances, one violin with quartiles for each of {_versions(results)}."
        yield picture("acoustics", alt, distribution_figure(lines, column, label=label, log=log))
    known = lines.dropna(subset=["kurtosis", "emotion"])
    if not known.empty:
        alt = f"Median and quartiles of the spectral kurtosis by emotion, of {_versions(results)}."
        yield picture("acoustics", alt, emotion_figure(known, "kurtosis", label="spectral kurtosis", log=True))


def _differences(results: Results, differences: pd.DataFrame) -> Iterator[Picture]:
    rates = differences[~differences["metric"].isin(acoustic_columns(results))].dropna(subset="estimate")
    if rates.empty:
        return
    panels = [named(of) if of else "words" for of in rates["of"]]
    lines = rates["metric"].str.removesuffix(" [%]")
    if len(results.rows) > 2:
        lines = rates["version"] + ": " + lines
    rates = rates.assign(line=lines, panel=panels)
    alt = "Differences of all rates, anonymised minus original, in points with 95 % intervals; as in the table."
    yield picture("differences", alt, interval_figure(rates, label="anonymised − original [points]", zero=True))


def _versions(results: Results) -> str:
    return " and ".join(results.rows)


def _in_words(summary: pd.DataFrame, metric: str) -> str:
    """The numbers of a metric as a sentence."""
    lines = summary[summary["metric"] == metric].itertuples()
    texts = (f"{line.version}{', ' * bool(line.of)}{named(line.of)}: {line.estimate:.1f}" for line in lines)
    return "; ".join(texts) + "."
