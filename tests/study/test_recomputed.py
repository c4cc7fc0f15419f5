"""The recorded numbers once more, from the recorded lines, by other people's code: nothing of the package is imported.

Estimates by scikit-learn, jiwer, audmetric and pandas; intervals by a bootstrap of our own with other draws, so they
agree to the error of the draws.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import audmetric
import jiwer
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import recall_score

RESULTS = Path(__file__).parents[2] / "data" / "results"
STUDIES = sorted(path.parent.name for path in RESULTS.glob("*/numbers.json"))
ACTED = {"phantom": "emotional", "RAVDESS": "emotional", "nEMO": "acted"}
EMOTIONS = ("sad", "neu", "ang", "hap")
BINS = {"centroid": 62.5 * 2 ** (np.arange(85) / 12), "kurtosis": 2 ** (np.arange(109) / 12)}
TERM = re.compile(r"([+-]?) ?([\d.]* ?)(\w+)\(([^)]+)\)")
SAMPLES = ("", "_seed1", "_seed2")
DRAWS = 1_000
ROUNDING = 2e-6  # of numbers that are written with six decimals
DRAWN = (
    "ECAPA-anon-T12-soft",
    "ECAPA-anon-W6-soft",
)  # rows whose further draws say what a draw changes; others' do not
ERRORS = 4.0  # standard errors that the variance by a seed may be off
LOOSE = 0.15  # of the width of an interval: five standard errors of a standard deviation over 1,000 draws


class Lines:
    """A study's lines by row and corpus, and every statistic of them for all draws of speakers."""

    def __init__(self, study: str):
        self.folders = {path.parent.name: path.parent for path in (RESULTS / study).glob("*/utterances.parquet")}
        self.known: dict[tuple, Any] = {}
        self.orders: dict[tuple, np.ndarray] = {}

    def lines(self, row: str, corpus: str) -> pd.DataFrame:
        return self._of(row, corpus, "utterances")

    def trials(self, row: str, corpus: str) -> pd.DataFrame:
        return self._of(row, corpus, "trials")

    def _of(self, row: str, corpus: str, table: str) -> pd.DataFrame:
        if (row, table) not in self.known:
            folder = self.folders.get(row) or self.folders[re.sub(r"@draw(\d)$", r"-seed\1", row)]
            found = pd.read_parquet(folder / f"{table}.parquet")
            found["corpus"] = found.get("corpus", "emotional")  # once the only one with trials
            self.known[row, table] = dict(list(found.groupby("corpus")))
        return self.known[row, table].get(corpus, pd.DataFrame())

    def has_read_trials(self, row: str) -> bool:
        return not self.trials(row, "read").empty

    def values(self, row: str, metric: str, corpus: str, label: str) -> tuple[tuple[str, ...], np.ndarray, int]:
        """Speakers, the statistic of all of them and of every draw, (1 + DRAWS,), and over how many folds it is."""
        asked = (row, metric, corpus, label)
        if asked not in self.known:
            self.known[asked] = self._values(*asked)
        return self.known[asked]

    def _values(self, row: str, metric: str, corpus: str, label: str) -> tuple[tuple[str, ...], np.ndarray, int]:
        if (found := re.fullmatch("eer_(strongest_)?([fm])", metric)) is not None:
            beside = corpus == "emotional" and self.has_read_trials(row)  # read speech stands beside the first corpus
            trials = self.trials(row, "read" if beside else corpus)
            trained = found[1] and (trials["attacker"] == "semi-informed").any()
            attacker = "original" if row == "original" else "semi-informed" if trained else "lazy-informed"
            return error_rates(trials, attacker, found[2])
        if metric in ("wer_read", "wer_emotional"):
            return self._word_errors(row, metric, corpus)
        lines = self.lines(row, corpus)
        if metric.endswith("_read"):
            there = (self.lines(row, name) for name in ("read", "read-other"))
            lines = next((each for each in there if "kurtosis" in each and each["kurtosis"].notna().any()), lines[:0])
        if (found := re.fullmatch("(centroid|kurtosis)_(median|p99)(?:_(...|read))?", metric)) is not None:
            of = lines if found[3] in (None, "read") else lines[lines["emotion"] == found[3]]
            return frame_quantile(of, found[1], 0.5 if found[2] == "median" else 0.99)
        if metric == "loudness_peak_matched_median":
            return lower_median(lines, "loudness_peak_matched_lufs")
        lines = lines.dropna(subset=[label])
        if (found := re.fullmatch("(...)_called_(...)", metric)) is not None:
            return share_called(lines, label, *found.groups())
        if (recalls := ("recalls", row, corpus, label)) not in self.known:
            self.known[recalls] = recognised(lines, label)
        return of_recalls(metric, *self.known[recalls])

    def _word_errors(self, row: str, metric: str, corpus: str) -> tuple[tuple[str, ...], np.ndarray, int]:
        lines = self.lines(row, "read" if metric == "wer_read" else corpus)
        if lines.empty:  # the neutral utterances stand in
            lines = self.lines(row, corpus)
            lines = lines[lines["emotion"] == "neu"]
        lines = lines.dropna(subset=["word_errors"])
        pairs = [jiwer.process_words(text, said) for text, said in zip(lines["text"], lines["hypothesis"], strict=True)]
        wrong = [found.substitutions + found.deletions + found.insertions for found in pairs]
        words = [found.substitutions + found.deletions + found.hits for found in pairs]
        return summed(lines, np.column_stack([wrong, words]), lambda sums: 100 * sums[:, 0] / sums[:, 1])


def drawn(speakers: int, stream: int = 0) -> np.ndarray:
    """How often each speaker is in every draw, (1 + DRAWS, S); in the first, once each."""
    rng = np.random.default_rng((20261129, speakers, stream))
    return np.vstack([np.ones(speakers), rng.multinomial(speakers, np.full(speakers, 1 / speakers), size=DRAWS)])


def summed(lines: pd.DataFrame, columns: np.ndarray, then) -> tuple[tuple[str, ...], np.ndarray, int]:
    """``then`` of the sums of columns over the utterances of every draw."""
    drawn_of = "speaker" if lines["speaker"].nunique() > 1 else "utterance"  # a single reader
    speakers, codes = np.unique(lines[drawn_of].to_numpy(str), return_inverse=True)
    sums = np.stack([columns[codes == code].sum(axis=0) for code in range(len(speakers))])
    with np.errstate(invalid="ignore", divide="ignore"):
        return tuple(speakers), then(drawn(len(speakers)) @ sums), 1


def share_called(lines: pd.DataFrame, label: str, true: str, said: str) -> tuple[tuple[str, ...], np.ndarray, int]:
    """The share of an emotion's utterances that are labelled with another."""
    asked = lines["emotion"].to_numpy(str) == true
    columns = np.column_stack([asked & (lines[label].to_numpy(str) == said), asked])
    return summed(lines, columns.astype(float), lambda sums: 100 * sums[:, 0] / sums[:, 1])


def recognised(lines: pd.DataFrame, label: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Speakers and recalls (1 + DRAWS, folds, emotions); those of all speakers by scikit-learn, fold by fold."""
    true, said = lines["emotion"].to_numpy(str), lines[label].to_numpy(str)
    folds = sorted(lines["fold"].unique())
    cells = [(fold, emotion) for fold in folds for emotion in EMOTIONS]
    at = [(lines["fold"].to_numpy(str) == fold) & (true == emotion) for fold, emotion in cells]
    columns = np.column_stack([*(cell & (true == said) for cell in at), *at]).astype(float)

    def rates(sums: np.ndarray) -> np.ndarray:
        hit, every = np.split(sums, 2, axis=1)
        return 100 * (hit / every).reshape(len(sums), len(folds), len(EMOTIONS))

    speakers, by_fold, _ = summed(lines, columns, rates)
    check = [
        recall_score(own["emotion"], own[label], labels=EMOTIONS, average=None, zero_division=np.nan)
        for _, own in lines.groupby("fold")
    ]
    assert np.allclose(by_fold[0], 100 * np.array(check))
    return speakers, by_fold


def of_recalls(metric: str, speakers: tuple[str, ...], by_fold: np.ndarray) -> tuple[tuple[str, ...], np.ndarray, int]:
    """What is made of recalls by fold: their mean, their spread, or one of them."""
    if metric == "uar":
        made = mean(mean(by_fold))
    elif metric == "recall_spread":
        made = mean(by_fold.swapaxes(1, 2)).std(axis=1)
    else:
        made = mean(by_fold[:, :, EMOTIONS.index(metric)])
    return speakers, made, by_fold.shape[1]


def mean(values: np.ndarray) -> np.ndarray:
    """Over the last axis, without NaN: an emotion or a fold that no speaker drawn has."""
    return np.ma.masked_invalid(values).mean(axis=-1).filled(np.nan)


def frame_quantile(lines: pd.DataFrame, feature: str, q: float) -> tuple[tuple[str, ...], np.ndarray, int]:
    """A quantile over frames from the utterances' histograms, interpolated on a logarithmic axis."""
    lines = lines.dropna(subset=[f"{feature}_histogram"])
    edges = np.log(BINS[feature])

    def quantile(counts: np.ndarray) -> np.ndarray:
        below = np.hstack([np.zeros((len(counts), 1)), counts.cumsum(axis=1)])
        return np.array([np.exp(_inverse(own / own[-1], edges, q)) for own in below])

    return summed(lines, np.stack(lines[f"{feature}_histogram"].to_list()).astype(float), quantile)


def _inverse(share: np.ndarray, edges: np.ndarray, q: float) -> float:
    """Where a distribution (K + 1,) at edges (K + 1,) reaches q."""
    place = int(np.searchsorted(share, q))
    return edges[place - 1] + (q - share[place - 1]) / (share[place] - share[place - 1]) * (
        edges[place] - edges[place - 1]
    )


def lower_median(lines: pd.DataFrame, column: str) -> tuple[tuple[str, ...], np.ndarray, int]:
    """The smallest value that half of the utterances do not exceed."""
    lines = lines.dropna(subset=[column]).sort_values(column)
    speakers, codes = np.unique(lines["speaker"].to_numpy(str), return_inverse=True)
    below = drawn(len(speakers))[:, codes].cumsum(axis=1)
    places = (below >= below[:, -1:] / 2).argmax(axis=1)
    return tuple(speakers), lines[column].to_numpy(float)[places], 1


def error_rates(trials: pd.DataFrame, attacker: str, gender: str) -> tuple[tuple[str, ...], np.ndarray, int]:
    """EER of a gender's trials; the value of all speakers by audmetric."""
    own = trials[(trials["attacker"] == attacker) & (trials["gender"] == gender)].sort_values("score")
    speakers = np.unique(own[["speaker", "trial_speaker"]].to_numpy(str))
    claimed, speaking = (np.searchsorted(speakers, own[name].to_numpy(str)) for name in ("speaker", "trial_speaker"))
    target, score = own["target"].to_numpy(bool), own["score"].to_numpy(float)
    last, rates = np.append(np.diff(score) > 0, True), []
    for weights in drawn(len(speakers)):
        targets = weights[claimed] * target
        others = weights[claimed] * weights[speaking] * ~target
        if not targets.sum() or not others.sum():
            rates.append(np.nan)
            continue
        missed = (targets.cumsum() / targets.sum())[last]
        accepted = (1 - others.cumsum() / others.sum())[last]
        best = np.abs(missed - accepted).round(12).argmin()
        rates.append(50 * (missed[best] + accepted[best]))
    assert rates[0] == pytest.approx(100 * audmetric.equal_error_rate(target, score)[0], abs=100 / target.sum())
    return tuple(speakers), np.array(rates), 1


class Sum(NamedTuple):
    """A weighted sum of metrics: the draws over each set of speakers, (1 + DRAWS,), the first being the value."""

    draws: dict[tuple[str, ...], np.ndarray]
    folds: dict[tuple[str, ...], int]

    @property
    def value(self) -> float:
        return sum(own[0] for own in self.draws.values())

    @property
    def variances(self) -> list[tuple[float, float]]:
        """Over each set of speakers, with their degrees of freedom."""
        sizes = {speakers: len(speakers) for speakers in self.draws}
        return [
            (np.nanvar(own[1:]) * sizes[each] / (sizes[each] - 1), max(1, sizes[each] - self.folds[each]))
            for each, own in self.draws.items()
        ]


def weights_of(contrast: str) -> dict[tuple[str, str], float]:
    """Factors by row and metric of a contrast in symbols."""
    weights: dict[tuple[str, str], float] = defaultdict(float)
    for sign, factor, metric, row in TERM.findall(contrast):
        weights[row, metric] += (-1 if sign == "-" else 1) * float(factor or 1)
    return weights


def summed_up(study: Lines, weights: Mapping[tuple[str, str], float], corpus: str, *labels: str) -> Sum:
    """The sum of metrics by the first label; less that by the second, if there are two."""
    draws: dict[tuple[str, ...], np.ndarray] = {}
    folds: dict[tuple[str, ...], int] = {}
    for sign, label in zip((1, -1), labels, strict=False):
        for (row, metric), factor in weights.items():
            speakers, values, number = study.values(row, metric, corpus, label)
            if speakers not in draws:  # other people are drawn in another order
                order = np.random.default_rng(len(draws)).permutation(DRAWS)
                draws[speakers] = np.zeros(1 + DRAWS)
                study.orders[speakers, len(draws)] = np.append(0, 1 + order)
            place = [*draws].index(speakers) + 1
            draws[speakers] = draws[speakers] + sign * factor * values[study.orders[speakers, place]]
            folds[speakers] = max(folds.get(speakers, 1), number)
    return Sum(draws, folds)


def by_seeds(study: Lines, line, corpus: str, errors: float = 0.0) -> list[tuple[float, float]]:
    """The variances of the seeds that a line says its interval holds, by the method of moments.

    ``errors``: standard errors by which the draws may have missed each of them.
    """
    weights, label, found = weights_of(line.contrast), label_of(line.recogniser.removesuffix("_matched")), []
    for source, mark in (("models", "@seed"), ("pseudo-speakers", "@draw")):
        if f"seeds of {source}" in line.over:
            rows: dict[str, dict[str, float]] = defaultdict(dict)
            for (row, metric), factor in weights.items():
                if has_part(row, source):
                    rows[row][metric] = factor
            parts = [of_versions(study, own, mark, label, errors) for own in rows.values()]
            found.append((sum(value for value, _ in parts), parts[0][1]))
    if "seeds of recogniser" in line.over:
        pairs = combinations(SAMPLES, 2)
        changes = [summed_up(study, weights, corpus, label + a, label + b) for a, b in pairs]
        found.append((net(changes, errors), 2))
    return found


def of_versions(
    study: Lines, metrics: Mapping[str, float], mark: str, label: str, errors: float
) -> tuple[float, float]:
    """The variance by one seed of a sum of metrics of a row, from all rows that were made with several."""
    made = defaultdict(list)
    for folder in study.folders:
        name = re.sub(r"-seed(\d)$", r"@draw\1", folder)
        row = name.partition("@")[0]
        if mark in name and (mark == "@seed" or row in DRAWN):
            made[row].append(name)
    further = {row.replace("-orig", "").replace("-anon", ""): len(others) for row, others in made.items()}
    changes = [
        summed_up(study, signed, "emotional", label)
        for row, others in made.items()
        for first, second in combinations([row, *others], 2)
        for signed in [{(name, of): s * f for s, name in ((1, second), (-1, first)) for of, f in metrics.items()}]
    ]
    return net(changes, errors), sum(further.values())


def net(changes: list[Sum], errors: float) -> float:
    """The variance of one seed: half the mean square of differences of two, less what speakers explain.

    What speakers explain is known to a share of sqrt(2 / DRAWS). Where it is nearly all, little of the rest is known.
    """
    explained = [sum(value for value, _ in change.variances) for change in changes]
    halves = [(change.value**2 - own) / 2 for change, own in zip(changes, explained, strict=True)]
    error = np.linalg.norm(explained) * np.sqrt(2 / DRAWS) / 2 / len(changes)
    return max(0.0, float(np.mean(halves)) + errors * error)


def has_part(row: str, source: str) -> bool:
    """Whether seeds of models, or of pseudo-speakers, have a part in a row."""
    if source == "pseudo-speakers":
        return "ECAPA-anon" in row
    return row.removeprefix("unified-") not in ("original", "official-control", "McAdams")


def label_of(recogniser: str) -> str:
    return f"emotion_{recogniser}"


def half_width(variances: list[tuple[float, float]]) -> float:
    """Of the 95 % interval, with Welch's and Satterthwaite's degrees of freedom."""
    total, squares = sum(value for value, _ in variances), sum(value**2 / df for value, df in variances)
    return stats.t.ppf(0.975, total**2 / squares) * np.sqrt(total) if squares else 0.0


@pytest.fixture(scope="module", params=STUDIES)
def study(request) -> tuple[Path, Lines]:
    return RESULTS / request.param, Lines(request.param)


def disagreements(study: Lines, lines: pd.DataFrame) -> list[str]:
    """The lines whose estimate differs by more than rounding, or whose width does by more than the error of draws.

    Columns contrast, corpus, recogniser, over, estimate, low, high. Bounds that end where a rate does have no width.
    """
    wrong = []
    for line in lines.dropna(subset=["estimate"]).fillna({"recogniser": "", "over": ""}).itertuples():
        corpus = ACTED.get(line.corpus, line.corpus)
        found = summed_up(study, weights_of(line.contrast), corpus, label_of(line.recogniser))
        half, least, most = (
            half_width([*found.variances, *by_seeds(study, line, corpus, errors)]) for errors in (0.0, -ERRORS, ERRORS)
        )
        recorded = max(line.high - line.estimate, line.estimate - line.low)
        if abs(found.value - line.estimate) > ROUNDING * max(1, abs(found.value)):
            wrong.append(f"{line.contrast}, {line.recogniser}: {line.estimate} is {found.value}")
        elif not (1 - LOOSE) * least - 1e-5 <= recorded <= (1 + LOOSE) * most + 1e-5 and not at_a_limit(line):
            wrong.append(f"{line.contrast}, {line.recogniser}: ±{recorded:.3f} is ±{half:.3f}")
    return wrong


def at_a_limit(line) -> bool:
    """Whether both bounds end where a rate does: then neither says how wide the interval was."""
    return line.low == 0 and line.high == 100


def test_every_test_of_the_claims(study):
    folder, lines = study
    tests = pd.read_csv(folder / "tests.csv")
    assert len(tests) > 50
    assert disagreements(lines, tests[tests["verdict"] != "not measured"]) == []


def test_every_recall_and_word_error_rate(study):
    folder, lines = study
    cells = pd.read_csv(folder / "cells.csv")
    cells = cells[(cells["metric"] != "eer")]
    assert len(cells) > 100
    assert disagreements(lines, cells.assign(contrast=cells["metric"] + "(" + cells["row"] + ")", over="")) == []


def test_every_equal_error_rate(study):
    folder, lines = study
    cells, wrong = pd.read_csv(folder / "cells.csv").query("metric == 'eer'"), []
    assert len(cells) > 20
    for cell in cells.itertuples():
        trials = lines.trials(cell.row, ACTED.get(cell.corpus, cell.corpus))
        speakers, values, _ = error_rates(trials, cell.attacker, cell.gender)
        name = f"{cell.row}, {cell.corpus}, {cell.attacker}, {cell.gender}"
        if abs(values[0] - cell.estimate) > ROUNDING * 100:
            wrong.append(f"{name}: {cell.estimate} is {values[0]}")
        if np.isnan(cell.low):  # undefined in too many draws
            continue
        size, recorded = len(speakers), max(cell.high - cell.estimate, cell.estimate - cell.low)
        variance = max(np.nanvar(values[1:]) * size / (size - 1), least_variance(trials, cell, values[0]))
        half = half_width([(variance, size - 1)])
        if abs(half - recorded) > LOOSE * half and not at_a_limit(cell):
            wrong.append(f"{name}: ±{recorded:.3f} is ±{half:.3f}")
    assert wrong == []


def least_variance(trials: pd.DataFrame, cell, rate: float) -> float:
    """Of an EER of independent trials, half an error and half a success added (Jeffreys), in squared percent."""
    own = trials[(trials["attacker"] == cell.attacker) & (trials["gender"] == cell.gender)]["target"].astype(bool)
    targets, others = int(own.sum()), int((~own).sum())
    smoothed = (rate / 100 * targets + 0.5) / (targets + 1)
    return 100**2 * smoothed * (1 - smoothed) * (1 / targets + 1 / others) / 4


def test_every_attribution(study):
    """Shares are means over the orders in which decisions can be taken; here the orders are counted by hand."""
    folder, lines = study
    shares, wrong = pd.read_csv(folder / "attribution.csv"), []
    for (encoder, title, recogniser), own in shares.groupby(["encoder", "corpus", "recogniser"]):
        first, last = {"HuBERT-mini": ("T1", "T12"), "Whisper base": ("W1", "W6")}[encoder]

        def uar(row: str, corpus=ACTED[title], label=label_of(recogniser)) -> float:  # noqa: B008 - of this loop
            return lines.values(row, "uar", corpus, label)[1][0]

        contents, speakers = (first, last, f"{last}-soft"), ("none", "ECAPA-orig", "ECAPA-anon")
        at = {(c, s): uar(f"{speakers[s]}-{contents[c]}") for c in range(3) for s in range(3)}
        # with two steps in each of two directions there are six orders: 3, 2, 1 of them take a step first, later, last
        steps = {
            "vocoder": uar("original") - uar("official-control"),
            "acoustic model": uar("official-control") - uar("log-mel"),
            "representation": uar("log-mel") - at[0, 0],
            "layer": sum(w * (at[0, s] - at[1, s]) for s, w in enumerate((3, 2, 1))) / 6,
            "soft units": sum(w * (at[1, s] - at[2, s]) for s, w in enumerate((1, 2, 3))) / 6,
            "embedding": sum(w * (at[c, 0] - at[c, 1]) for c, w in enumerate((3, 2, 1))) / 6,
            "anonymisation": sum(w * (at[c, 1] - at[c, 2]) for c, w in enumerate((1, 2, 3))) / 6,
        }
        steps["total"] = sum(steps.values())
        recorded = own.set_index("decision")["estimate"]
        wrong += [(encoder, recogniser, name) for name in steps if abs(steps[name] - recorded[name]) > 1e-5]
    assert wrong == []
    assert disagreements(lines, shares) == []


def test_a_changed_number_is_found(study):
    folder, lines = study
    tests = pd.read_csv(folder / "tests.csv").query("verdict != 'not measured'").head(12)
    assert disagreements(lines, tests) == []
    assert len(disagreements(lines, tests.assign(estimate=tests["estimate"] + 0.01))) == 12
    half = (tests["high"] - tests["low"]) / 2
    assert len(disagreements(lines, tests.assign(low=tests["low"] - half / 3, high=tests["high"] + half / 3))) == 12
