"""Whose bias? What happens to each emotion, by system and by who recognises it; and what only sounds unfamiliar."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from emotrace.analysis.bootstrap import UNDEFINED, Interval, combination
from emotrace.analysis.contrasts import EMOTIONS, Contrast, TableError
from emotrace.analysis.metrics import MetricError
from emotrace.paths import REPORTED
from emotrace.pipeline.results import MATCHED
from emotrace.study.results import Results

SHIFTS = ("system", "source", "corpus", "recogniser", "emotion", "original", "shift", "low", "high")
TRAINED, ZERO_SHOT = "wav2vec2, trained on IEMOCAP", "emotion2vec+, not trained for it"
NAMES = dict(zip(("recall_sad", "recall_neutral", "recall_angry", "recall_happy"), EMOTIONS, strict=True))


def recall_shifts(results: Results, rows: Iterable[str], corpus: str) -> pd.DataFrame:
    """Points by which rows change the recall of each emotion, by every recogniser of recordings; columns as SHIFTS.

    "original" is the recall of the recordings in percent. Intervals are over speakers.
    """
    lines = []
    for row in rows:
        for recogniser in results.recognisers:
            for emotion in EMOTIONS:
                before = Contrast.of(emotion, {"original": 1}).interval(results, recogniser).estimate
                change = Contrast.of(emotion, {row: 1, "original": -1}).interval(results, recogniser)
                line = {"system": row, "source": "measured", "corpus": corpus, "recogniser": recogniser}
                line |= {"emotion": emotion, "original": before, "shift": change.estimate}
                lines.append(line | {"low": change.low, "high": change.high})
    return pd.DataFrame(lines, columns=SHIFTS)


def reported_shifts() -> pd.DataFrame:
    """The same of systems as others reported them, test sets; they printed no intervals, so bounds are NaN.

    The paper's table II, and the baselines of VoicePrivacy 2024 and 2026.
    """
    paper = pd.read_csv(REPORTED, index_col="row")[list(EMOTIONS)]
    found = [_shifts(paper, "original", "the paper", "IEMOCAP", TRAINED)]
    first = pd.read_csv(REPORTED.with_name("vpc2024_baselines.csv")).query("split == 'test'")
    first = first.rename(columns=NAMES).set_index("system")[list(EMOTIONS)]
    found.append(_shifts(first, "Original", "VoicePrivacy 2024", "IEMOCAP", TRAINED))
    second = pd.read_csv(REPORTED.with_name("vpc2026_baselines.csv")).query("split == 'test'")
    second = second.rename(columns=NAMES).dropna(subset=list(EMOTIONS))
    for (system, dataset), own in second.groupby(["system", "dataset"], sort=False):
        recalls = own.set_index("version")[list(EMOTIONS)].rename(index={"anon": system})
        judge = ZERO_SHOT if dataset == "emodata" else TRAINED
        found.append(_shifts(recalls, "original", "VoicePrivacy 2026", dataset, judge))
    return pd.concat(found, ignore_index=True)


def _shifts(recalls: pd.DataFrame, original: str, source: str, corpus: str, recogniser: str) -> pd.DataFrame:
    """Lines of SHIFTS from recalls by system (rows) and emotion (columns)."""
    about = {"source": source, "corpus": corpus, "recogniser": recogniser, "low": np.nan, "high": np.nan}
    return pd.DataFrame(
        [
            {"system": system, "emotion": emotion, "original": recalls.at[original, emotion], **about}
            | {"shift": recalls.at[system, emotion] - recalls.at[original, emotion]}
            for system in recalls.index.drop(original)
            for emotion in EMOTIONS
        ],
        columns=SHIFTS,
    )


def lost_most(shifts: pd.DataFrame) -> pd.DataFrame:
    """Of how many systems a recogniser loses which emotion most: columns corpus, recogniser and EMOTIONS.

    ``shifts``: lines of SHIFTS. A system that several sources report counts once for each.
    """
    place = ["corpus", "recogniser", "source", "system"]
    first = shifts.pivot_table(index=place, columns="emotion", values="shift", sort=False).idxmin(axis=1)
    counts = first.groupby(place[:2], sort=False).value_counts().unstack(fill_value=0)
    return counts.reindex(columns=list(EMOTIONS), fill_value=0).rename_axis(columns=None).reset_index()


def unfamiliar_sound(results: Results, rows: Iterable[str], metric: str = "uar") -> pd.DataFrame:
    """How much of a row's loss is unfamiliar sound: what a matched recogniser recognises and the usual one does not.

    Columns row, recogniser, lost (recordings minus the row, usual recogniser), lost_low, lost_high, unfamiliar (the row
    by the matched recogniser minus by the usual one), low, high, all in percentage points over the same draws of
    speakers. For the recordings both recognisers are the same. Rows without a matched recogniser are left out.
    """
    lines = []
    for row in rows:
        for recogniser in results.matched:
            lost, unfamiliar = _lost(results, row, metric, recogniser), _gained(results, row, metric, recogniser)
            line = {"row": row, "recogniser": recogniser, "lost": lost.estimate, "lost_low": lost.low}
            line |= {"lost_high": lost.high, "unfamiliar": unfamiliar.estimate}
            lines.append(line | {"low": unfamiliar.low, "high": unfamiliar.high})
    return pd.DataFrame(lines).dropna(subset=["unfamiliar"], ignore_index=True) if lines else pd.DataFrame(lines)


def _lost(results: Results, row: str, metric: str, recogniser: str) -> Interval:
    return Contrast.of(metric, {"original": 1, row: -1}).interval(results, recogniser)


def _gained(results: Results, row: str, metric: str, recogniser: str) -> Interval:
    own = Contrast.of(metric, {row: 1})
    try:
        parts = [*own.parts(results, recogniser + MATCHED), *(-own).parts(results, recogniser)]
        return combination(parts, n=results.n_bootstrap, seed=results.seed)
    except (TableError, MetricError):  # no training speech was rendered
        return UNDEFINED
