"""What an evaluation says of an anonymised copy, in sentences that no interval contradicts.

A sentence says that something falls, rises or differs only where the 95 % interval of the difference does not hold
zero; otherwise it has no measurable effect, which is no proof of none.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from emotrace.analysis.bootstrap import Interval, Part
from emotrace.analysis.comparison import ATTACKERS
from emotrace.analysis.statistics import Mean, Recall, ShareCalled, WordErrorRate
from emotrace.analysis.summary import eer_parts, interval, minus
from emotrace.corpus.datadir import Emotion
from emotrace.pipeline.results import MATCHED, emotion_column
from emotrace.study.results import Results, label_of

NAMES = {Emotion.SAD: "sad", Emotion.NEUTRAL: "neutral", Emotion.ANGRY: "angry", Emotion.HAPPY: "happy"}
CHANCE = 50.0  # percent, of an equal error rate
GUARDED = 5.0  # percent of transcripts that a guard cut, from which words are not to be trusted


def verdict(results: Results, row: str) -> list[str]:
    """Sentences on a copy: speakers, words, each emotion, what a matched recogniser regains, naturalness.

    ``results`` as `evaluate` returns them, the originals first; what was not measured has no sentence.
    """
    judge = _Judge(results, row)
    return [*judge.speakers(), *judge.words(), *judge.emotions(), *judge.unfamiliar(), *judge.naturalness()]


class _Judge:
    """The originals and a copy of them."""

    def __init__(self, results: Results, row: str):
        self.results, self.original, self.row = results, results.rows[0], row

    def speakers(self) -> Iterator[str]:
        """From whom the speakers are hidden; EER is the mean of those of both genders."""
        before = eer_parts(self.results, self.original, "original")
        for attacker in ATTACKERS:
            after = eer_parts(self.results, self.row, attacker)
            if not before or not after:
                continue
            rate = interval(self.results, after)
            change = interval(self.results, [*after, *minus(before)])
            shown = f"EER {_rate(rate)}, {_rate(interval(self.results, before))} of the originals"
            if pd.isna(rate.low):
                yield f"Speakers, {attacker} attacker: too few of them for an interval, so no judgement."
            elif change.low > 0 and rate.high >= CHANCE:
                yield f"Speakers are hidden from the {attacker} attacker, whose interval reaches chance: {shown}."
            elif change.low > 0:
                yield f"Speakers are harder to recognise for the {attacker} attacker, but not hidden: {shown}."
            elif change.high < 0:
                yield f"Speakers are easier to recognise for the {attacker} attacker than in the originals: {shown}."
            else:
                yield f"Against the {attacker} attacker there is no measurable protection: {shown}."

    def words(self) -> Iterator[str]:
        """What is left of the words, and whether their recogniser can be trusted."""
        before, after = (Part(100.0, self._lines(row, "word_errors"), WordErrorRate()) for row in self._rows)
        if before.frame.empty or after.frame.empty:
            return
        change, old, new = (
            self._change(before, after),
            interval(self.results, [before]),
            interval(self.results, [after]),
        )
        yield f"Words: the WER {_verb(change, 'rises', 'falls')}, {_rate(old)} before and {_rate(new)} after."
        if "guard" in after.frame:
            guarded = after.frame.dropna(subset=["guard"]).assign(guarded=lambda lines: lines["guard"] != "")
            share = 100 * guarded["guarded"].mean() if len(guarded) else 0.0
            if share >= GUARDED:
                text = f"Caution: the speech recogniser invented or repeated text, or found no speech, in {share:.0f} %"
                yield f"{text} of the {len(guarded)} transcripts; where it does, the WER says little."

    def emotions(self) -> Iterator[str]:
        """Of every emotion how many recognisers lose it, and as what most of it is labelled."""
        for emotion in Emotion:
            changes = {name: self._recall_change(name, emotion) for name in self.results.recognisers}
            changes = {name: change for name, change in changes.items() if change is not None}
            if not changes:
                continue
            falls = {name: change for name, change in changes.items() if change.high < 0}
            rises = {name: change for name, change in changes.items() if change.low > 0}
            title, among = f"{NAMES[emotion].capitalize()} speech", f"of {len(changes)} recognisers"
            if all(pd.isna(change.low) for change in changes.values()):
                yield f"{title}: too few speakers for a judgement."
            elif falls and rises:
                both = f"recall falls by {_listed(falls)} and rises by {_listed(rises)}"
                yield f"{title}: the recognisers disagree; {both}."
            elif falls or rises:
                verb, some = ("falls", falls) if falls else ("rises", rises)
                name = max(some, key=lambda each: abs(some[each].estimate))
                most = f"{'the most by ' if len(some) > 1 else ''}{label_of(name)}, {_points(some[name])} points"
                further = self._labelled(name, emotion) if falls else self._called_everywhere(name, emotion)
                yield f"{title}: recall {verb} by {len(some)} {among}, {most}{further}."
            else:
                yield f"{title}: no measurable effect on recall by any {among}."

    def unfamiliar(self) -> Iterator[str]:
        """How much of a lost UAR a recogniser regains that has learned from this speech."""
        for name in self.results.matched:
            before, after, learned = (
                self._recall(self.original, name),
                self._recall(self.row, name),
                self._recall(self.row, name + MATCHED),
            )
            if any(part.frame.empty for part in (before, after, learned)):
                continue
            lost, regained, left = (
                self._change(before, after),
                self._change(after, learned),
                self._change(before, learned),
            )
            if lost.high >= 0:
                continue
            text = f"{label_of(name)} loses {_size(lost)} points of UAR"
            if regained.low <= 0 and left.high >= 0:
                yield f"{text}; how much of it is unfamiliar sound, this data cannot say."
                continue
            gain = f"regains {_size(regained)}" if regained.low > 0 else "regains no measurable part"
            rest = "the rest is lost to it" if left.high < 0 else "no measurable loss remains"
            yield f"{text}; trained on this speech it {gain}: {rest}, {_points(left)} points from the originals."

    def naturalness(self) -> Iterator[str]:
        """The change of the predicted mean opinion score."""
        if "mos" not in self.results.utterances:
            return
        before, after = (Part(1.0, self._lines(row, "mos"), Mean("mos")) for row in self._rows)
        if not before.frame.empty and not after.frame.empty:
            change, old, new = (
                self._change(before, after),
                interval(self.results, [before]),
                interval(self.results, [after]),
            )
            shown = f"{_number(old, 2)} before and {_number(new, 2)} after, of 5"
            yield f"Naturalness: the predicted mean opinion score {_verb(change, 'rises', 'falls')}, {shown}."

    @property
    def _rows(self) -> tuple[str, str]:
        return self.original, self.row

    def _lines(self, row: str, *defined: str) -> pd.DataFrame:
        return self.results.lines(row).dropna(subset=[*defined])

    def _recall(self, row: str, recogniser: str, emotion: Emotion | None = None) -> Part:
        column = emotion_column(recogniser)
        lines = self._lines(row, column).fillna({"fold": "all"})
        return Part(100.0, lines, Recall(column, emotion))

    def _recall_change(self, recogniser: str, emotion: Emotion) -> Interval | None:
        """The change of a recall; None where nobody recognised or nobody expressed that emotion."""
        before, after = (self._recall(row, recogniser, emotion) for row in self._rows)
        there = [emotion.value in set(part.frame["emotion"]) for part in (before, after)]
        return self._change(before, after) if all(there) else None

    def _called(self, recogniser: str, true: Emotion | None, label: Emotion) -> Interval:
        """The change of the share of an emotion, or of all others, that is given a label."""
        column = emotion_column(recogniser)
        before, after = (
            Part(100.0, self._lines(row, column, "emotion"), ShareCalled(column, true, label)) for row in self._rows
        )
        return self._change(before, after)

    def _labelled(self, recogniser: str, emotion: Emotion) -> str:
        """What more of an emotion is labelled as, the label that grows the most; "" where none measurably does."""
        grown = {label: self._called(recogniser, emotion, label) for label in Emotion if label != emotion}
        label = max(grown, key=lambda each: grown[each].estimate)
        return f"; {_size(grown[label])} points more are labelled {NAMES[label]}" if grown[label].low > 0 else ""

    def _called_everywhere(self, recogniser: str, emotion: Emotion) -> str:
        """A warning where a label is given to more of everything, or ""."""
        others = self._called(recogniser, None, emotion)
        if others.low <= 0:
            return ""
        return f"; of the other emotions, too, {_size(others)} points more are labelled {NAMES[emotion]}"

    def _change(self, before: Part, after: Part) -> Interval:
        return interval(self.results, [after, *minus([before])])


def _verb(change: Interval, rises: str, falls: str) -> str:
    if pd.isna(change.low):
        return "cannot be judged, for there are too few speakers"
    return rises if change.low > 0 else falls if change.high < 0 else "shows no measurable change"


def _number(shown: Interval, digits: int) -> str:
    if pd.isna(shown.estimate):
        return "not defined"
    return f"{shown.estimate:.{digits}f} [{shown.low:.{digits}f}, {shown.high:.{digits}f}]"


def _rate(shown: Interval) -> str:
    return f"{_number(shown, 1)} %"


def _points(change: Interval) -> str:
    return f"{change.estimate:+.1f} [{change.low:+.1f}, {change.high:+.1f}]"


def _size(change: Interval) -> str:
    """Points without their sign, which the words around them say."""
    sign = -1 if change.estimate < 0 else 1
    low, high = sorted((sign * change.low, sign * change.high))
    return f"{sign * change.estimate:.1f} [{low:.1f}, {high:.1f}]"


def _listed(changes: dict[str, Interval]) -> str:
    return " and ".join(f"{label_of(name)} ({_points(change)} points)" for name, change in changes.items())
