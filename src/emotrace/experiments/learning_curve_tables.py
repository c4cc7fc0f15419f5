"""What the recorded learning curve of the recognisers says: UAR by speakers learned from, and what a control keeps."""

import pandas as pd

from emotrace.analysis.bootstrap import Interval, Part, bootstrap_interval, combination, ratio
from emotrace.analysis.statistics import Recall
from emotrace.pipeline.results import read_parquet
from emotrace.experiments.learning_curve import PREDICTED, ROWS, curve_record
from emotrace.study.profiles import Profile, ProfileError

RECALL = Recall(PREDICTED)
Points = dict[tuple[str, str, int], pd.DataFrame]  # predictions by row, recogniser, speakers learned from


def learning_curve(profile: Profile, *, n_bootstrap: int = 1000, seed: int = 0) -> pd.DataFrame:
    """UAR by the number of training speakers, mean over their draws, with intervals over the test speakers.

    Returns columns row, recogniser, speakers, metric, estimate, low, high: of every row "uar" in percent, and of the
    controls "kept", the share of the recordings' UAR, over the same draws of test speakers.

    Raises ProfileError where no curve is recorded.
    """
    points, options, found = _points(profile), {"n": n_bootstrap, "seed": seed}, []
    for (row, recogniser, speakers), part in points.items():
        point = {"row": row, "recogniser": recogniser, "speakers": speakers}
        uar = Interval(*(100 * value for value in bootstrap_interval(part, RECALL, **options)))
        found.append(point | {"metric": "uar"} | uar._asdict())
        if row != ROWS[0]:
            original = points[ROWS[0], recogniser, speakers]
            kept = ratio(*(Part(1.0, each, RECALL) for each in (part, original)), **options)
            found.append(point | {"metric": "kept"} | kept._asdict())
    return pd.DataFrame(found)


def gap_changes(profile: Profile, *, n_bootstrap: int = 1000, seed: int = 0) -> pd.DataFrame:
    """How many points wider the gap to the recordings' UAR is for the most speakers learned from than for the fewest.

    Paired: all four UAR over the same draws of test speakers. The speakers learned from are taken as given.

    Returns columns row (the controls), recogniser, fewest, most, estimate, low, high.

    Raises ProfileError where no curve is recorded.
    """
    points, found = _points(profile), []
    numbers = [speakers for *_, speakers in points]
    fewest, most = min(numbers), max(numbers)
    for row, recogniser in dict.fromkeys((row, recogniser) for row, recogniser, _ in points if row != ROWS[0]):
        signs = {(ROWS[0], most): 1, (row, most): -1, (ROWS[0], fewest): -1, (row, fewest): 1}
        parts = [Part(100.0 * sign, points[name, recogniser, n], RECALL) for (name, n), sign in signs.items()]
        change = combination(parts, n=n_bootstrap, seed=seed)
        found.append({"row": row, "recogniser": recogniser, "fewest": fewest, "most": most} | change._asdict())
    return pd.DataFrame(found)


def _points(profile: Profile) -> Points:
    """The predictions at each point of the curve, rows in their order."""
    record = curve_record(profile)
    if record.read_provenance() is None:
        raise ProfileError(
            f"no learning curve of profile {profile.name} is recorded; run: emotrace learning-curve "
            f"--profile {profile.name}"
        )
    lines = read_parquet(record.table)
    points = {key: part for key, part in lines.groupby(["row", "recogniser", "speakers"])}
    return dict(sorted(points.items(), key=lambda point: ROWS.index(point[0][0])))
