"""The level experiment: one recogniser of emotion, eGeMAPS + SVM, with and without level normalisation.

Once it is trained and tested on the level of the files as they are, once on level-normalised audio. Audio and all other
measurements are shared with the profile itself; only what depends on the recogniser is taken anew.
"""

from dataclasses import replace

from emotrace.engine.runner import RunError
from emotrace.pipeline.effects import LEVELS
from emotrace.pipeline.measures import Measure
from emotrace.pipeline.rows import Row, select_rows
from emotrace.study.groups import with_effects
from emotrace.study.profiles import Profile

RECOGNISERS = {"as-recorded": "egemaps-as-recorded", "normalised": "egemaps"}
"""The first recogniser of emotion by what it does with the level."""
MEASURES = frozenset({Measure.EMOTION, Measure.SPEAKER, Measure.ACOUSTICS})


def level_rows() -> tuple[Row, ...]:
    """Recordings and synthesised rows, at their own level and at others."""
    rows = select_rows(["original", "none-T1", "ECAPA-anon-T12-soft"])
    return tuple(changed for row in rows for changed in with_effects(row, ("peak", *LEVELS)))


def level_profile(profile: Profile, level: str = "as-recorded") -> Profile:
    """The emotional corpora of a profile, with the recogniser of RECOGNISERS as the first one of emotion.

    The second one normalises the level, as ever, and is a control. Results lie in the profile's own folder, under
    level/<level>. Raises RunError for an unknown level.
    """
    if level not in RECOGNISERS:
        raise RunError(f"unknown level {level!r}; there are: {', '.join(RECOGNISERS)}")
    first, *others = profile.recognisers.ser
    return replace(
        profile.of_emotion(level_rows(), MEASURES),
        name=f"{profile.name}, level {level}",
        results=profile.results / "level" / level,
        recognisers=replace(profile.recognisers, ser=(RECOGNISERS[level], *others)),
    )
