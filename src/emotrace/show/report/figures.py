"""The figures of a report: those of the book, for one evaluation, each with the words that stand in for it."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from emotrace.show.figures import (
    Drawing,
    confusion_figure,
    distribution_figure,
    emotion_figure,
    interval_figure,
    use_style,
)
from emotrace.show.notebook import RECOGNISER_NAMES
from emotrace.study.directories import Evaluation
from emotrace.analysis.tables import ACOUSTIC_COLUMNS, confusion_table

RECALLS = {f"recall {name} [%]": name for name in ("sad", "neu", "ang", "hap")} | {"UAR [%]": "uar"}
ACOUSTICS = {
    "centroid_hz": ("spectral centroid [Hz]", True),
    "kurtosis": ("spectral kurtosis", True),
    "loudness_lufs": ("loudness, as delivered [LUFS]", False),
    "loudness_peak_matched_lufs": ("loudness, peak matched [LUFS]", False),
}  # column: label, logarithmic


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

    Attributes:
        section: the part of the report that it belongs to.
        alt: what it shows, for who does not see it.
        png: the picture, base64.
    """

    section: str
    alt: str
    png: str


def pictures(evaluation: Evaluation, summary: pd.DataFrame, differences: pd.DataFrame) -> list[Picture]:
    """Every figure that the results can fill, in the order of the report."""
    use_style()
    makers: tuple[Callable[..., Iterator[Picture]], ...] = (_recalls, _confusions, _errors, _acoustics, _differences)
    return [
        picture for maker in makers for picture in maker(evaluation, summary.dropna(subset="estimate"), differences)
    ]


def recall_lines(summary: pd.DataFrame) -> pd.DataFrame:
    """Recalls and UAR as `interval_figure` draws them: columns panel, line, emotion, estimate, low, high."""
    found = summary[summary["metric"].isin(RECALLS)]
    return found.assign(
        panel=found["of"].map(RECOGNISER_NAMES), line=found["version"], emotion=found["metric"].map(RECALLS)
    )


def picture(section: str, alt: str, figure: Drawing) -> Picture:
    return Picture(section, " ".join(alt.split()), base64.b64encode(figure._repr_png_()).decode())


def _recalls(evaluation: Evaluation, summary: pd.DataFrame, _: pd.DataFrame) -> Iterator[Picture]:
    lines = recall_lines(summary)
    if not lines.empty:
        alt = f"""Recall of each emotion and their mean, UAR, in percent with 95 % intervals, of
            {_versions(evaluation)}; one panel for each recogniser. {_said(summary, "UAR [%]")}"""
        yield picture("recalls", alt, interval_figure(lines, label="recall [%]", hue="emotion", limits=(0, 100)))


def _confusions(evaluation: Evaluation, _: pd.DataFrame, __: pd.DataFrame) -> Iterator[Picture]:
    for recogniser, name in RECOGNISER_NAMES.items():
        counts = {row: confusion_table(evaluation, row, recogniser) for row in evaluation.rows if _heard(evaluation)}
        if counts and all(table.to_numpy().any() for table in counts.values()):
            alt = f"""Confusion matrices of {name}, true by predicted emotion in percent of the true class, of
                {_versions(evaluation)}; the same counts are in a table below."""
            yield picture("confusions", alt, confusion_figure(counts))


def _errors(evaluation: Evaluation, summary: pd.DataFrame, _: pd.DataFrame) -> Iterator[Picture]:
    verified = summary[summary["metric"] == "EER [%]"].copy()
    if not verified.empty:
        verified[["attacker", "panel"]] = verified["of"].str.rsplit(", ", n=1, expand=True).to_numpy()
        alt = (
            f"""Equal error rate in percent with 95 % intervals, by gender and attacker. {_said(summary, "EER [%]")}"""
        )
        figure = interval_figure(verified.assign(line=verified["version"]), label="EER [%]", hue="attacker")
        yield picture("verification", alt, figure)
    words = summary[summary["metric"] == "WER [%]"]
    if not words.empty:
        alt = f"Word error rate in percent with 95 % intervals. {_said(summary, 'WER [%]')}"
        yield picture(
            "words", alt, interval_figure(words.assign(panel="words", line=words["version"]), label="WER [%]")
        )


def _acoustics(evaluation: Evaluation, _: pd.DataFrame, __: pd.DataFrame) -> Iterator[Picture]:
    lines = evaluation.utterances.assign(panel=evaluation.utterances["corpus"] + " speech")
    for column, (label, log) in ACOUSTICS.items():
        if lines.groupby("row")[column].count().min() < 2:  # a distribution needs more than one utterance
            continue
        alt = f"Distribution of {label} over utterances, one violin with quartiles for each of {_versions(evaluation)}."
        yield picture("acoustics", alt, distribution_figure(lines, column, label=label, log=log))
    known = lines.dropna(subset=["kurtosis", "emotion"])
    if not known.empty:
        alt = f"Median and quartiles of the spectral kurtosis by emotion, of {_versions(evaluation)}."
        yield picture("acoustics", alt, emotion_figure(known, "kurtosis", label="spectral kurtosis", log=True))


def _differences(_: Evaluation, __: pd.DataFrame, differences: pd.DataFrame) -> Iterator[Picture]:
    rates = differences[~differences["metric"].isin(ACOUSTIC_COLUMNS)].dropna(subset="estimate")
    if rates.empty:
        return
    of = rates["of"].replace(RECOGNISER_NAMES)
    rates = rates.assign(line=rates["metric"].str.removesuffix(" [%]"), panel=of.where(of != "", "words"))
    alt = "Differences of all rates, anonymised minus original, in points with 95 % intervals; as in the table."
    yield picture("differences", alt, interval_figure(rates, label="anonymised − original [points]", zero=True))


def _heard(evaluation: Evaluation) -> bool:
    return bool(evaluation.utterances["emotion"].notna().any())


def _versions(evaluation: Evaluation) -> str:
    return " and ".join(evaluation.rows)


def _said(summary: pd.DataFrame, metric: str) -> str:
    """The numbers of a metric as a sentence."""
    found = summary[summary["metric"] == metric]
    names = found["version"] + (", " + found["of"].replace(RECOGNISER_NAMES)).where(found["of"] != "", "")
    return "; ".join(f"{name}: {value:.1f}" for name, value in zip(names, found["estimate"], strict=True)) + "."
