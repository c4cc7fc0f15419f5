"""How often 95 % intervals over speakers hold the true value: simulated studies from the recorded results of scale.

    python benchmarks/interval_coverage.py                  # 4,000 studies per cell; about 25 minutes on one core
    python benchmarks/interval_coverage.py --studies 400    # a rough look

Each cell of the table is a metric and a number of speakers. A study draws new speakers from a population whose means,
between-speaker covariance and numbers of utterances are the recorded ones. Given a speaker, utterances are
independent: recognised or not by the speaker's recalls (logits, normal over speakers, jointly for all emotions and
rows), words wrong by the speaker's error rate (logits too), acoustics log-normal within a speaker, scores of trials
normal about what claimed and speaking speaker add up to. The true value is that of `POPULATION` speakers, of an EER
that of the normal distributions. Printed beside the project's interval: the percentile interval of the same draws.

The recorded covariance holds the noise of the utterances as well, so the simulated speakers differ a little more than
the actors do.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from emotrace.analysis.bootstrap import Draws, Part, SpeakerStatistic, combination
from emotrace.analysis.statistics import EqualErrorRate, Quantile, Recall, RecallSpread, WordErrorRate
from emotrace.corpus.datadir import Emotion
from emotrace.study import Study
from emotrace.study.results import Results

SPEAKERS = (9, 12, 20)
POPULATION = 5_000
FOLDS = 3
PREDICTED = "emotion_functionals"
Drawn = Callable[[np.random.Generator, int], list[pd.DataFrame]]


@dataclass(frozen=True)
class Case:
    """A statistic of frames that `drawn` makes of a number of new speakers; of two frames, the difference.

    ``known``: its value for the whole population, where a formula gives it.
    """

    name: str
    statistic: SpeakerStatistic
    drawn: Drawn
    known: float | None = None

    @cached_property
    def true(self) -> float:
        """The value of a whole population."""
        if self.known is not None:
            return self.known
        return float(sum(_drawn(self.parts(np.random.default_rng(1), POPULATION), 1, 0))[0])

    def parts(self, rng: np.random.Generator, speakers: int) -> list[Part]:
        return [Part((-1.0) ** place, frame, self.statistic) for place, frame in enumerate(self.drawn(rng, speakers))]


def emotions(results: Results, rows: Sequence[str]) -> Drawn:
    """Utterances with true and predicted emotions of each row, the rows paired by speaker."""
    cells = []
    for row in rows:
        lines = results.lines(row, "emotional", PREDICTED)
        hits = (lines[PREDICTED] == lines["emotion"]).groupby([lines["speaker"], lines["emotion"]])
        cells.append(hits.agg(["sum", "size"]).unstack()[["sum", "size"]])
    hits, sizes = (np.hstack([cell[part].to_numpy(float) for cell in cells]) for part in ("sum", "size"))
    logits, names = _logits(hits, sizes), cells[0]["sum"].columns.to_numpy(str)
    counts = np.median(sizes, axis=0).astype(int)

    def drawn(rng: np.random.Generator, speakers: int) -> list[pd.DataFrame]:
        recalls = _expit(_normal(rng, logits, speakers))
        frames = []
        for place in range(len(rows)):
            own = slice(place * len(names), (place + 1) * len(names))
            true = np.tile(np.repeat(names, counts[own]), speakers)
            right = rng.random(len(true)) < np.repeat(recalls[:, own], counts[own], axis=1).ravel()
            wrong = np.where(true == Emotion.NEUTRAL.value, Emotion.SAD.value, Emotion.NEUTRAL.value)
            frame = _speakers(speakers, counts[own].sum()).assign(emotion=true)
            frames.append(frame.assign(**{PREDICTED: np.where(right, true, wrong)}))
        return frames

    return drawn


def words(results: Results, row: str, corpus: str) -> Drawn:
    """Utterances with their words and how many of them are wrong."""
    lines = results.lines(row, corpus, "word_errors")
    sums = lines.groupby("speaker")[["word_errors", "words"]].sum()
    logits = _logits(sums["word_errors"].to_numpy(float)[:, None], sums["words"].to_numpy(float)[:, None])
    each = int(lines.groupby("speaker").size().median())

    def drawn(rng: np.random.Generator, speakers: int) -> list[pd.DataFrame]:
        spoken = rng.choice(lines["words"].to_numpy(int), (speakers, each))
        errors = rng.binomial(spoken, _expit(_normal(rng, logits, speakers)))
        return [_speakers(speakers, each).assign(words=spoken.ravel(), word_errors=errors.ravel())]

    return drawn


def values(results: Results, row: str, column: str) -> Drawn:
    """Utterances with an acoustic feature: speakers are log-normal, and utterances within a speaker."""
    lines = results.lines(row, "emotional", column)
    logs = np.log(lines[column]).groupby(lines["speaker"])
    means, within, each = logs.mean().to_numpy()[:, None], float(logs.std().mean()), int(logs.size().median())

    def drawn(rng: np.random.Generator, speakers: int) -> list[pd.DataFrame]:
        made = np.exp(_normal(rng, means, speakers) + within * rng.normal(size=(speakers, each)))
        return [_speakers(speakers, each).assign(**{column: made.ravel()})]

    return drawn


def verification(results: Results, row: str, attacker: str) -> Case:
    """Trials of every speaker against every one, and the EER of two normal distributions of scores."""
    trials = results.trials.query("row == @row and attacker == @attacker and corpus == 'read'")
    targets, others = trials[trials["target"]], trials[~trials["target"]]
    mean, by_speaker = others["score"].mean(), targets.groupby("speaker")["score"]
    claimed, speaking = (others.groupby(who)["score"].mean() - mean for who in ("speaker", "trial_speaker"))
    effects = np.column_stack([by_speaker.mean(), claimed, speaking])  # by the names of the speakers, sorted
    noise = others["score"] - mean - others["speaker"].map(claimed) - others["trial_speaker"].map(speaking)
    within, between, each = float(by_speaker.std().mean()), float(noise.std()), int(by_speaker.size().median())
    variances = np.cov(effects, rowvar=False)
    spread = np.sqrt(variances[0, 0] + within**2) + np.sqrt(variances[1, 1] + variances[2, 2] + between**2)
    eer = float(norm.cdf((mean - effects[:, 0].mean()) / spread))

    def drawn(rng: np.random.Generator, speakers: int) -> list[pd.DataFrame]:
        new = _normal(rng, effects, speakers)
        one, two = (grid.repeat(each) for grid in np.indices((speakers, speakers)).reshape(2, -1))
        own = one == two
        scores = np.where(own, new[one, 0], mean + new[one, 1] + new[two, 2])
        scores += rng.normal(size=len(own)) * np.where(own, within, between)
        names = np.array([f"s{n:05}" for n in range(speakers)])
        frame = {"speaker": names[one], "trial_speaker": names[two], "target": own, "score": scores}
        return [pd.DataFrame(frame)]

    return Case(f"EER, {attacker}", EqualErrorRate(), drawn, eer)


def cases(results: Results) -> tuple[Case, ...]:
    """The metrics whose intervals are tried."""
    return (
        Case("UAR", Recall(PREDICTED), emotions(results, ["original"])),
        Case("difference of UAR", Recall(PREDICTED), emotions(results, ["none-T1", "original"])),
        Case(
            "difference of the recall of neutral",
            Recall(PREDICTED, Emotion.NEUTRAL),
            emotions(results, ["ECAPA-anon-T12-soft", "original"]),
        ),
        Case(
            "difference of the spread of recalls",
            RecallSpread(PREDICTED),
            emotions(results, ["ECAPA-anon-T12-soft", "original"]),
        ),
        Case("WER, read", WordErrorRate(), words(results, "none-T1", "read")),
        Case("WER, acted", WordErrorRate(), words(results, "none-T1", "emotional")),
        Case("median centroid", Quantile("centroid_hz"), values(results, "none-T1", "centroid_hz")),
        Case("median kurtosis", Quantile("kurtosis"), values(results, "none-T1", "kurtosis")),
        verification(results, "original", "original"),
        verification(results, "ECAPA-anon-T12-soft", "lazy-informed"),
    )


def coverage(case: Case, speakers: int, studies: int, *, n: int = 500, seed: int = 0) -> dict[str, float]:
    """Share of the studies whose interval holds the true value, by `combination` and by percentiles; mean widths."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(studies):
        parts = case.parts(rng, speakers)
        drawn = sum(_drawn(parts, n, number))[1:]
        ends = (combination(parts, n=n, seed=number)[1:], np.nanquantile(drawn, [0.025, 0.975]))
        found.append([value for low, high in ends for value in (low <= case.true <= high, high - low)])
    return dict(zip(("coverage", "width", "percentile", "percentile_width"), np.mean(found, axis=0), strict=True))


def _drawn(parts: Sequence[Part], n: int, seed: int) -> list[np.ndarray]:
    """Each part's values (N + 1,), the first of the whole frame."""
    return [part.factor * part.statistic.weighted(part.frame, Draws.of(part.frame, part.by, n, seed)) for part in parts]


def _speakers(speakers: int, each: int) -> pd.DataFrame:
    """Speakers (and their folds) with `each` utterances of every one."""
    number = np.repeat(np.arange(speakers), each)
    names, folds = np.array([f"s{n:05}" for n in range(speakers)]), np.arange(speakers) % FOLDS
    return pd.DataFrame({"speaker": names[number], "fold": folds[number].astype(str)})


def _normal(rng: np.random.Generator, recorded: np.ndarray, speakers: int) -> np.ndarray:
    """New speakers (N, K) with the mean and covariance of the recorded ones (S, K)."""
    centred = recorded - recorded.mean(axis=0)
    return recorded.mean(axis=0) + rng.normal(size=(speakers, len(recorded))) @ centred / np.sqrt(len(recorded) - 1)


def _logits(counts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Logits with half a success and half a failure added, which keeps rates of 0 and 1 finite."""
    return np.log((counts + 0.5) / (sizes - counts + 0.5))


def _expit(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage of the intervals over speakers, by simulation.")
    parser.add_argument("--studies", type=int, default=4000, help="simulated studies per metric and number of speakers")
    parser.add_argument("--draws", type=int, default=500, help="bootstrap draws of each study")
    parser.add_argument("--only", default="", help="metrics whose names begin so")
    parser.add_argument("--out", type=Path, help="a CSV file for the table; the book shows data/coverage.csv")
    arguments, lines = parser.parse_args(), []
    found = cases(Study("scale", ["original", "none-T1", "ECAPA-anon-T12-soft"]))
    for case in (case for case in found if case.name.startswith(arguments.only)):
        for speakers in SPEAKERS:
            line = coverage(case, speakers, arguments.studies, n=arguments.draws)
            shown = ", ".join(f"{name} {value:.3f}" for name, value in line.items())
            print(f"{case.name}, {speakers} speakers: {shown}", flush=True)
            lines.append({"metric": case.name, "speakers": speakers, "studies": arguments.studies} | line)
    if arguments.out is not None:
        pd.DataFrame(lines).to_csv(arguments.out, index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
