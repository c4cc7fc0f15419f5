"""What the effects do: to the acoustics, as a check of the manipulation, and to the labels of the recognisers."""

import numpy as np
import pandas as pd

from emotrace.analysis.contrasts import EMOTIONS, Contrast, TableError, interval_of, metric_interval, recognised
from emotrace.analysis.statistics import Mean
from emotrace.pipeline.effects import LEVELS, SHAPES
from emotrace.pipeline.results import emotion_column
from emotrace.study.groups import all_rows
from emotrace.study.results import Results

OTHER_KURTOSES = {"kurtosis_power": "power kurtosis", "kurtosis_amplitude": "amplitude kurtosis"}
ACOUSTICS = {"centroid_hz": "centroid", "kurtosis": "kurtosis", **OTHER_KURTOSES}
CALLED_ANGRY = "other_called_ang"
OUTCOMES = (*EMOTIONS, "uar", CALLED_ANGRY)


def effect_pairs(results: Results) -> list[tuple[str, str, str]]:
    """Row before, effect and row after ("original", "peak", "original~peak") of the rows with an effect.

    Raises:
        TableError: there is none, or the row that an effect was applied to is not among the results.
    """
    with_effect = {row.name: row for row in all_rows() if row.effect}
    changed = [with_effect[name] for name in results.rows if name in with_effect]
    if missing := sorted({row.before.name for row in changed} - set(results.rows)):
        raise TableError(f"the study needs {', '.join(missing)} to compare the effects with")
    if not changed:
        raise TableError("no row of the study has an effect: choose rows by their group, e.g. effects")
    return [(row.before.name, row.effect, row.name) for row in changed]


def manipulation_table(results: Results) -> pd.DataFrame:
    """How much an effect changed the acoustics of an utterance, on the recording's own speech frames.

    Columns row, effect, quantity ("centroid", "kurtosis", "power kurtosis" and "amplitude kurtosis", as factors;
    "loudness", in LU), wanted (NaN where nothing definite is), and median, q25, q75 over the utterances of the
    emotional corpora.
    """
    lines = []
    for before, effect, after in effect_pairs(results):
        old, new = (results.lines(row, "emotional").set_index("utterance") for row in (before, after))
        changes = {name: new[column] / old[column] for column, name in ACOUSTICS.items() if column in old}
        changes["loudness"] = new["loudness_lufs"] - old["loudness_lufs"]
        for quantity, values in changes.items():
            q25, median, q75 = np.nanquantile(values.to_numpy(float), [0.25, 0.5, 0.75])
            line = {"row": before, "effect": effect, "quantity": quantity, "wanted": wanted(effect, quantity)}
            lines.append(line | {"median": median, "q25": q25, "q75": q75})
    return pd.DataFrame(lines)


def wanted(effect: str, quantity: str) -> float:
    """What an effect is to do to a quantity of `manipulation_table`; NaN for the loudness after peak normalisation.

    The filters are designed for the kurtosis of magnitudes, so nothing is wanted of its other definitions.

    Loudness is gated and weighted over frequency, so filters that hold the level of the speech may still move it.
    """
    if quantity in OTHER_KURTOSES.values():
        return np.nan
    if quantity != "loudness":
        return SHAPES.get(effect, {}).get(quantity, 1.0)
    return LEVELS.get(effect, np.nan if effect == "peak" else 0.0)


def effect_changes(results: Results, recogniser: str) -> pd.DataFrame:
    """Change of each recall, of UAR and of the share called angry by each effect, in percentage points.

    Columns row, effect, recogniser, outcome (of OUTCOMES), before and after in percent, and estimate, low, high of
    after - before, over the same draws of the same speakers. "other_called_ang" is the share of the utterances of all
    other emotions that are recognised as angry: a bias to angry raises it, better recognition lowers it.
    """
    lines = []
    for before, effect, after in effect_pairs(results):
        for outcome in OUTCOMES:
            start = metric_interval(results, before, outcome, recogniser).estimate
            change = Contrast.of(outcome, {after: 1, before: -1}).interval(results, recogniser)
            line = {"row": before, "effect": effect, "recogniser": recogniser, "outcome": outcome}
            lines.append(line | {"before": start, "after": start + change.estimate} | change._asdict())
    return pd.DataFrame(lines)


def relabelled(results: Results, recogniser: str) -> pd.DataFrame:
    """Share of the utterances that are recognised as another emotion than before the effect, in percent.

    Columns row, effect, recogniser, estimate, low, high. The ripple says how much any filter of that size relabels.
    """
    column, lines = emotion_column(recogniser), []
    for before, effect, after in effect_pairs(results):
        labels, frame = recognised(results, before, column).set_index("utterance"), recognised(results, after, column)
        frame = frame.assign(changed=(frame[column] != frame["utterance"].map(labels[column])).astype(float))
        share = interval_of(results, frame, Mean("changed"))
        lines.append({"row": before, "effect": effect, "recogniser": recogniser} | share._asdict())
    return pd.DataFrame(lines)
