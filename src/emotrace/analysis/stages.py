"""Where a system of several stages loses what: the speech behind each stage against that behind the one before."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from emotrace.analysis.summary import changes
from emotrace.study.results import Results, label_of

FEATURES = ("loudness_lufs", "f0_mean_hz", "f0_range_st", "centroid_hz", "kurtosis")
LARGE = 0.5  # standard deviations of the recordings from which a change of an acoustic mean is named


def stage_table(results: Results) -> pd.DataFrame:
    """What each stage changes: columns stage (its row), before, metric, of, estimate, low, high.

    The rows of ``results`` are the recordings, the speech behind each stage in their order, and the anonymised speech.
    Rates are in percentage points; both sides of a difference are over the same draws of the same speakers.
    """
    pairs = list(zip(results.rows, results.rows[1:], strict=False))
    table = changes(results, pairs).rename(columns={"version": "stage"})
    table.insert(1, "before", table["stage"].map({after: before for before, after in pairs}))
    return table


def diagnosis(results: Results, table: pd.DataFrame) -> list[str]:
    """Sentences: the stage with the largest measurable loss of recognised emotion, of words, and what each changes."""
    sentences = [_emotion(table, name) for name in results.all_recognisers]
    return [*filter(None, sentences), *_words(table), *_acoustics(results, table)]


def _emotion(table: pd.DataFrame, recogniser: str) -> str:
    lines = table[(table["metric"] == "UAR [%]") & (table["of"] == recogniser)]
    return _largest(lines, f"UAR ({label_of(recogniser)})", falls=True)


def _words(table: pd.DataFrame) -> Iterator[str]:
    if sentence := _largest(table[table["metric"] == "WER [%]"], "WER", falls=False):
        yield sentence


def _largest(lines: pd.DataFrame, what: str, *, falls: bool) -> str:
    """Which stage changes a rate for the worse the most, of those whose interval says so; "" without such a rate."""
    if lines.empty:
        return ""
    worse = lines[lines["high"] < 0] if falls else lines[lines["low"] > 0]
    if worse.empty:
        return f"{what}: no stage has a measurable effect for the worse."
    place = (worse["estimate"].idxmin if falls else worse["estimate"].idxmax)()
    most, others = worse.loc[place], worse.drop(place)
    verb = "falls" if falls else "rises"
    text = f"{what} {verb} the most in {most['stage']}: {_points(most)} points."
    return text + (f" It also {verb} in {', '.join(others['stage'])}." if len(others) else "")


def _points(line: pd.Series) -> str:
    return f"{line['estimate']:+.1f} [{line['low']:+.1f}, {line['high']:+.1f}]"


def _acoustics(results: Results, table: pd.DataFrame) -> Iterator[str]:
    """Of each stage the acoustic means that it changes by much, the largest change first."""
    from emotrace.evaluation.acoustics import ACOUSTIC_FEATURES  # loads pyworld and pyloudnorm

    recordings = results.lines(results.rows[0]).reindex(columns=list(FEATURES)).std()
    for stage, lines in table[table["metric"].isin(FEATURES)].groupby("stage", sort=False):
        lines = lines.assign(deviations=lines["estimate"] / lines["metric"].map(recordings))
        sure = lines[(lines["low"] > 0) | (lines["high"] < 0)]
        large = sure[sure["deviations"].abs() >= LARGE].sort_values("deviations", key=abs, ascending=False)
        if large.empty:
            yield f"{stage} changes no acoustic mean by {LARGE} standard deviations of the recordings or more."
            continue
        found = []
        for line in large.to_dict("records"):
            feature = ACOUSTIC_FEATURES.find(line["metric"])
            change = f"{line['estimate']:+.3g} [{line['low']:+.3g}, {line['high']:+.3g}] {feature.unit}".strip()
            found.append(f"{feature.label} by {change} ({line['deviations']:+.1f} standard deviations)")
        yield f"{stage} changes {', '.join(found)}."
