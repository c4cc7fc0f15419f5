"""What the effects do: to the acoustics, as a check of the manipulation, and to the labels of the recognisers."""

import numpy as np
import pandas as pd

from emotrace.analysis.bootstrap import Part, combination
from emotrace.analysis.contrasts import EMOTIONS, Contrast, TableError, metric, metric_interval, resampled
from emotrace.analysis.statistics import Mean
from emotrace.analysis.tables import confusion_table
from emotrace.pipeline.effects import LEVELS, SHAPES
from emotrace.pipeline.results import emotion_column
from emotrace.study.groups import all_rows
from emotrace.study.results import Results

ACOUSTICS = {"centroid_hz": "centroid", "kurtosis": "kurtosis"}
CALLED_ANGRY = "other_called_ang"
OUTCOMES = (*EMOTIONS, "uar", CALLED_ANGRY)


def effect_pairs(results: Results) -> list[tuple[str, str, str]]:
    """Row before, effect and row after ("original", "peak", "original~peak") of the rows with an effect.

    Raises:
        TableError: there is none, or the row that an effect was applied to is not among the results.
    """
    changed = [row for row in all_rows() if row.effect and row.name in results.rows]
    if missing := sorted({row.before.name for row in changed} - set(results.rows)):
        raise TableError(f"the study needs {', '.join(missing)} to compare the effects with")
    if not changed:
        raise TableError("no row of the study has an effect: choose rows by their group, e.g. effects")
    order = {name: place for place, name in enumerate(results.rows)}
    return [(row.before.name, row.effect, row.name) for row in sorted(changed, key=lambda row: order[row.name])]


def manipulation_table(results: Results) -> pd.DataFrame:
    """How much an effect changed the acoustics of an utterance, on the recording's own speech frames.

    Columns row, effect, quantity ("centroid" and "kurtosis", as factors; "loudness", in LU), wanted (NaN where nothing
    definite is), and median, q25, q75 over the utterances of the emotional corpora.
    """
    lines = []
    for before, effect, after in effect_pairs(results):
        old, new = _emotional(results, before), _emotional(results, after)
        both = old.merge(new, left_index=True, right_index=True, suffixes=("", "_after"))
        found = {name: both[f"{column}_after"] / both[column] for column, name in ACOUSTICS.items()}
        found["loudness"] = both["loudness_lufs_after"] - both["loudness_lufs"]
        for quantity, values in found.items():
            line = {"row": before, "effect": effect, "quantity": quantity, "wanted": wanted(effect, quantity)}
            q25, median, q75 = np.nanquantile(values.to_numpy(float), [0.25, 0.5, 0.75])
            lines.append(line | {"median": median, "q25": q25, "q75": q75})
    return pd.DataFrame(lines)


def wanted(effect: str, quantity: str) -> float:
    """What an effect is to do to a quantity of `manipulation_table`; NaN for the loudness after peak normalisation.

    Loudness is gated and weighted over frequency, so filters that hold the level of the speech may still move it.
    """
    if quantity != "loudness":
        return SHAPES.get(effect, {}).get(quantity, 1.0)
    return LEVELS.get(effect, np.nan if effect == "peak" else 0.0)


def effect_changes(results: Results, recogniser: str) -> pd.DataFrame:
    """Change of each recall, of UAR and of the share called angry by each effect, in percentage points.

    Columns row, effect, recogniser, outcome (of OUTCOMES), before and after in percent, and estimate, low, high of
    after - before, over the same draws of the same speakers. "other_called_ang" is the share of the utterances of all
    other emotions that are recognised as angry: a bias to angry raises it, better recognition lowers it.
    """
    return pd.DataFrame(
        [
            {"row": before, "effect": effect, "recogniser": recogniser, "outcome": outcome}
            | _change(results, before, after, outcome, recogniser)
            for before, effect, after in effect_pairs(results)
            for outcome in OUTCOMES
        ]
    )


def _change(results: Results, before: str, after: str, outcome: str, recogniser: str) -> dict[str, float]:
    start = metric_interval(results, before, outcome, recogniser).estimate
    change = Contrast.of(outcome, {after: 1, before: -1}).interval(results, recogniser)
    return {"before": start, "after": start + change.estimate} | change._asdict()


def relabelled(results: Results, recogniser: str) -> pd.DataFrame:
    """Share of the utterances that are recognised as another emotion than before the effect, in percent.

    Columns row, effect, recogniser, estimate, low, high. The ripple says how much any filter of that size relabels.
    """
    column, lines = emotion_column(recogniser), []
    recognised = metric("uar", recogniser).lines
    for before, effect, after in effect_pairs(results):
        labels, frame = recognised(results, before).set_index("utterance")[column], recognised(results, after)
        frame = frame.assign(relabelled=(frame[column] != frame["utterance"].map(labels)).astype(float))
        part = Part(100.0, frame, Mean("relabelled"), resampled(frame))
        share = combination([part], n=results.n_bootstrap, seed=results.seed)
        lines.append({"row": before, "effect": effect, "recogniser": recogniser} | share._asdict())
    return pd.DataFrame(lines)


def effect_confusions(results: Results, row: str, recogniser: str) -> dict[str, pd.DataFrame]:
    """Confusions of a row before and after each of its effects, by title, as `figures.confusion_figure` draws them."""
    afters = {effect: after for before, effect, after in effect_pairs(results) if before == row}
    return {name: confusion_table(results, of, recogniser) for name, of in {"before": row, **afters}.items()}


def _emotional(results: Results, row: str) -> pd.DataFrame:
    return results.lines(row, "emotional").set_index("utterance")[[*ACOUSTICS, "loudness_lufs"]]
