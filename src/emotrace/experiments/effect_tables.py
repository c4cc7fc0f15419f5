"""What the effects do: to the acoustics, as a check of the manipulation, and to what the recognisers of emotion say."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from emotrace.corpus.datadir import Emotion
from emotrace.analysis.bootstrap import Interval, bootstrap_interval, paired_difference
from emotrace.analysis.statistics import Mean
from emotrace.pipeline.effects import LEVELS, SHAPES
from emotrace.pipeline.rows import EFFECT_MARK
from emotrace.analysis.tables import Metric, TableError, confusion_table, metric, resampled

if TYPE_CHECKING:
    from emotrace.study.study import Study

ACOUSTICS = {"centroid_hz": "centroid", "kurtosis": "kurtosis"}
OUTCOMES = (*(emotion.value for emotion in Emotion), "uar", "called_ang")


def effect_pairs(study: "Study") -> list[tuple[str, str, str]]:
    """Row before, effect and row after ("original", "peak", "original~peak") of the rows of a study with an effect.

    Raises:
        TableError: there is none, or the row that an effect was applied to is not in the study.
    """
    pairs = [(*row.partition(EFFECT_MARK)[::2], row) for row in study.rows if EFFECT_MARK in row]
    if missing := sorted({before for before, _, _ in pairs} - set(study.rows)):
        raise TableError(f"the study needs {', '.join(missing)} to compare the effects with")
    if not pairs:
        raise TableError("no row of the study has an effect: choose rows by their group, e.g. effects")
    return pairs


def manipulation_table(study: "Study") -> pd.DataFrame:
    """How much an effect changed the acoustics of an utterance, on the recording's own speech frames.

    Columns row, effect, quantity ("centroid" and "kurtosis", as factors; "loudness", in LU), wanted (NaN where nothing
    definite is), and median, q25, q75 over the utterances of the emotional corpora.
    """
    lines = []
    for before, effect, after in effect_pairs(study):
        old, new = _emotional(study, before), _emotional(study, after)
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


def effect_changes(study: "Study", recogniser: str = "ser") -> pd.DataFrame:
    """Change of each recall, of UAR and of the share called angry by each effect, in percentage points.

    Columns row, effect, recogniser, outcome (of OUTCOMES), before and after in percent, and estimate, low, high of
    after - before, over the same draws of the same speakers. "called_ang" is the share of the utterances of all other
    emotions that are recognised as angry: a bias to angry raises it, better recognition lowers it.
    """
    return pd.DataFrame(
        [
            {"row": before, "effect": effect, "recogniser": recogniser, "outcome": outcome}
            | _change(study, before, after, _outcome(outcome, recogniser))
            for before, effect, after in effect_pairs(study)
            for outcome in OUTCOMES
        ]
    )


def relabelled(study: "Study", recogniser: str = "ser") -> pd.DataFrame:
    """Share of the utterances that are recognised as another emotion than before the effect, in percent.

    Columns row, effect, recogniser, estimate, low, high. The ripple says how much any filter of that size relabels.
    """
    lines = []
    for before, effect, after in effect_pairs(study):
        chosen = metric("uar", recogniser)
        labels = chosen.lines(study, before).set_index("utterance")[recogniser]
        frame = chosen.lines(study, after)
        frame = frame.assign(relabelled=100.0 * (frame[recogniser] != frame["utterance"].map(labels)))
        found = _interval(study, frame, "relabelled")
        lines.append({"row": before, "effect": effect, "recogniser": recogniser} | found._asdict())
    return pd.DataFrame(lines)


def effect_confusions(study: "Study", row: str, recogniser: str = "ser") -> dict[str, pd.DataFrame]:
    """Confusions of a row before and after each of its effects, by title, as `figures.confusion_figure` draws them."""
    afters = {effect: after for before, effect, after in effect_pairs(study) if before == row}
    return {name: confusion_table(study, of, recogniser) for name, of in {"before": row, **afters}.items()}


def _change(study: "Study", before: str, after: str, outcome: Metric) -> dict[str, float]:
    old, new = outcome.lines(study, before), outcome.lines(study, after)
    options = {"by": resampled(old), "n": study.n_bootstrap, "seed": study.seed}
    change = paired_difference(new, old, outcome.statistic, **options)
    start = bootstrap_interval(old, outcome.statistic, **options).estimate
    found = {name: outcome.factor * value for name, value in change._asdict().items()}
    return {"before": outcome.factor * start, "after": outcome.factor * start + found["estimate"]} | found


def _outcome(name: str, recogniser: str) -> Metric:
    if name != "called_ang":
        return metric(name, recogniser)
    recognised = metric("uar", recogniser).lines

    def lines(study: "Study", row: str) -> pd.DataFrame:
        found = recognised(study, row)
        others = found[found["emotion"] != Emotion.ANGRY.value]
        return others.assign(called_ang=(others[recogniser] == Emotion.ANGRY.value).astype(float))

    return Metric(lines, Mean("called_ang"))


def _interval(study: "Study", lines: pd.DataFrame, column: str) -> Interval:
    return bootstrap_interval(lines, Mean(column), by=resampled(lines), n=study.n_bootstrap, seed=study.seed)


def _emotional(study: "Study", row: str) -> pd.DataFrame:
    lines = study.utterances[(study.utterances["row"] == row) & (study.utterances["corpus"] == "emotional")]
    return lines.set_index("utterance")[[*ACOUSTICS, "loudness_lufs"]]
