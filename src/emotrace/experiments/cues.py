"""Which cue survives: measured cues of the isolation sets against the ground truth they were made with.

In each isolation set the emotion lives in one family of cues. A cue that a row keeps varies as much as the truth does.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from emotrace.analysis.bootstrap import UNDEFINED, Interval, Part, ratio
from emotrace.analysis.statistics import Mean
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


TILT = "octaves of centroid per 6 dB/octave"
CUES = (
    Cue("f0", "F0 level", "f0_mean_hz", "f0_mean_hz", "semitones per semitone"),
    Cue("f0", "F0 range", "f0_range_st", "f0_range_st", "semitones per semitone", False, False),
    Cue("tempo", "tempo", "speech_frames", "speech_seconds", "octaves per octave"),
    Cue("voice", "spectral tilt", "centroid_hz", "tilt_db_per_octave", TILT, truth_log2=False, factor=6.0),
)


def cue_retention(results: StudyResults) -> pd.DataFrame:
    """Slope of every measured cue on its ground truth, utterances centred per speaker, for each row and isolation set.

    Columns row, set, cue, unit, estimate, low, high (the slope: for F0 and tempo 1 is perfect, 0 is lost) and
    retained, the slope as a share of the originals'. Tempo is kept by construction wherever the IR keeps its frames.
    NaN where a row leaves the cue measurable (a voiced frame, for F0) in the speech of fewer than two speakers.
    Empty without isolation sets.
    """
    lines = [
        {"row": row, "set": cue.corpus, "cue": cue.name, "unit": cue.unit, **_slope(results, cue, measured)._asdict()}
        for cue in CUES
        for row in results.rows
        if not (measured := results.lines(row, cue.corpus, cue.measured)).empty
    ]
    table = pd.DataFrame(lines, columns=["row", "set", "cue", "unit", *Interval._fields])
    originals = table[table["row"] == "original"].set_index("cue")["estimate"]
    return table.assign(retained=table["estimate"] / table["cue"].map(originals))


def _slope(results: StudyResults, cue: Cue, measured: pd.DataFrame) -> Interval:
    """Least-squares slope of a measured cue on its truth: sum(x y) / sum(x x), both centred per speaker."""
    if measured["speaker"].nunique() < 2:
        return UNDEFINED
    folder = next(corpus.path for corpus in results.profile.corpora if corpus.name == cue.corpus)
    truth = measured["utterance"].map(pd.read_csv(folder / "truth.csv").set_index("utterance")[cue.truth])
    x = np.log2(truth) if cue.truth_log2 else truth / cue.factor
    y = np.log2(measured[cue.measured]) if cue.measured_log2 else measured[cue.measured]
    x, y = (values - values.groupby(measured["speaker"]).transform("mean") for values in (x, y))
    pairs = measured[["speaker"]].assign(xy=x * y, xx=x * x)
    above, below = (Part(1.0, pairs, Mean(column)) for column in ("xy", "xx"))
    return ratio(above, below, n=results.n_bootstrap, seed=results.seed)
