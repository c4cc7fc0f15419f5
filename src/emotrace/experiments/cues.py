"""Which cue survives: measured cues of the isolation sets against the ground truth they were made with.

In each isolation set the emotion lives in one family of cues. A cue that a row keeps varies as much as the truth does.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emotrace.analysis.bootstrap import Draws, Interval, Part, combination
from emotrace.study.study import StudyResults


@dataclass(frozen=True)
class Cue:
    """A measured column, the true column it should follow, and the scale on which both are compared.

    ``truth_log2`` is False where the truth is already on a logarithmic scale, as is a spectral tilt in dB per octave.
    """

    corpus: str
    name: str
    measured: str
    truth: str
    unit: str
    measured_log2: bool = True
    truth_log2: bool = True
    factor: float = 1.0


CUES = (
    Cue("f0", "F0 level", "f0_mean_hz", "f0_mean_hz", "semitones per semitone"),
    Cue("f0", "F0 range", "f0_range_st", "f0_range_st", "semitones per semitone", False, False),
    Cue("tempo", "tempo", "speech_frames", "speech_seconds", "octaves per octave"),
    Cue(
        "voice",
        "spectral tilt",
        "centroid_hz",
        "tilt_db_per_octave",
        "octaves of centroid per 6 dB/octave",
        True,
        False,
        6.0,
    ),
)


NOT_MEASURABLE = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Slope:
    """Least-squares slope of column y on column x, both already centred per speaker."""

    def weighted(self, frame: pd.DataFrame, draws: Draws) -> np.ndarray:
        """As in ``analysis.bootstrap.SpeakerStatistic``: one slope (N,) for every draw."""
        x, y = frame["x"].to_numpy(float), frame["y"].to_numpy(float)
        speakers = draws.groups(frame[draws.by])
        above, below = (np.bincount(speakers, values, len(draws.names)) for values in (x * y, x * x))
        return (draws.weights @ above) / (draws.weights @ below)


def cue_retention(results: StudyResults) -> pd.DataFrame:
    """Slope of every measured cue on its ground truth, utterances centred per speaker, for each row and isolation set.

    Columns row, set, cue, unit, estimate, low, high (the slope: for F0 and tempo 1 is perfect, 0 is lost) and
    retained, the slope as a share of the originals'. Tempo is kept by construction wherever the IR keeps its frames.
    NaN where a row leaves the cue measurable (a voiced frame, for F0) in the speech of fewer than two speakers.
    Empty without isolation sets.
    """
    lines = [_line(results, row, cue) for cue in CUES for row in results.rows if not _measured(results, row, cue).empty]
    table = pd.DataFrame(lines, columns=["row", "set", "cue", "unit", "estimate", "low", "high"])
    originals = table[table["row"] == "original"].set_index("cue")["estimate"]
    return table.assign(retained=table["estimate"] / table["cue"].map(originals))


def cue_accuracy(results: StudyResults) -> pd.DataFrame:
    """How well the originals' cues are measured: relative error per utterance against the ground truth.

    Columns set, cue, utterance, truth, measured, error (measured / truth - 1). Cues with another unit than their
    truth are left out.
    """
    parts = []
    for cue in (cue for cue in CUES if cue.measured == cue.truth):
        lines = _measured(results, "original", cue)
        pairs = pd.DataFrame({"truth": lines["truth"], "measured": lines[cue.measured]})
        parts.append(pairs.assign(set=cue.corpus, cue=cue.name, utterance=lines["utterance"]))
    table = pd.concat(parts, ignore_index=True)[["set", "cue", "utterance", "truth", "measured"]]
    return table.assign(error=table["measured"] / table["truth"] - 1)


def _line(results: StudyResults, row: str, cue: Cue) -> dict[str, object]:
    lines = _measured(results, row, cue)
    x, y = lines["truth"], lines[cue.measured]
    x = np.log2(x) if cue.truth_log2 else x / cue.factor
    y = np.log2(y) if cue.measured_log2 else y
    speakers = lines["speaker"]
    pairs = pd.DataFrame({"speaker": speakers, "x": _centred(x, speakers), "y": _centred(y, speakers)})
    interval = NOT_MEASURABLE
    if speakers.nunique() > 1:
        interval = combination([Part(1.0, pairs, Slope())], n=results.n_bootstrap, seed=results.seed)
    return {"row": row, "set": cue.corpus, "cue": cue.name, "unit": cue.unit, **interval._asdict()}


def _centred(values: pd.Series, speakers: pd.Series) -> pd.Series:
    return values - values.groupby(speakers).transform("mean")


def _measured(results: StudyResults, row: str, cue: Cue) -> pd.DataFrame:
    """Results of a row on the cue's isolation set, with the ground truth in the column truth."""
    lines = results.utterances
    lines = lines[(lines["row"] == row) & (lines["corpus"] == cue.corpus)].dropna(subset=[cue.measured])
    if lines.empty:
        return lines
    folder = next(corpus.path for corpus in results.profile.corpora if corpus.name == cue.corpus)
    truth = pd.read_csv(folder / "truth.csv").set_index("utterance")[cue.truth]
    return lines.assign(truth=lines["utterance"].map(truth))
