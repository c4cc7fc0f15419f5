"""The level experiment (study section 9): one recogniser of emotion, eGeMAPS + SVM, with and without the level.

Once it is trained and tested on the level of the files as they are, once on level-normalised audio. Audio and all other
measurements are shared with the profile itself; only what depends on the recogniser is taken anew.
"""

from dataclasses import replace

from emotrace.pipeline.effects import LEVELS
from emotrace.study.groups import with_effects
from emotrace.study.profiles import Measure, Profile, ProfileError, get_profile
from emotrace.pipeline.rows import Row, select_rows
from emotrace.study.study import Study

HEARINGS = {"as-recorded": "egemaps-as-recorded", "normalised": "egemaps"}
"""What of the level the first recogniser of emotion hears: back-end by name."""
MEASURES = frozenset({Measure.EMOTION, Measure.SPEAKER, Measure.ACOUSTICS})


def level_rows() -> tuple[Row, ...]:
    """Recordings and synthesised rows, at their own level and at others."""
    rows = select_rows(["original", "none-T1", "ECAPA-anon-T12-soft"])
    return tuple(changed for row in rows for changed in with_effects(row, ("peak", *LEVELS)))


def level_profile(profile: Profile, hearing: str = "as-recorded") -> Profile:
    """The emotional corpora of a profile, heard as ``hearing`` says by the first recogniser of emotion.

    The second one levels what it hears, as ever, and is a control. Results lie in the profile's own folder, under
    level/<hearing>. Raises ProfileError for an unknown hearing.
    """
    if hearing not in HEARINGS:
        raise ProfileError(f"unknown hearing {hearing!r}; there are: {', '.join(HEARINGS)}")
    emotional = tuple(
        replace(corpus, measures=corpus.measures & MEASURES)
        for corpus in profile.corpora
        if Measure.EMOTION in corpus.measures
    )
    return replace(
        profile,
        name=f"{profile.name}, level {hearing}",
        corpora=emotional,
        results=profile.results / "level" / hearing,
        rows=level_rows(),
        groups={},
        backends=replace(profile.backends, ser=HEARINGS[hearing]),
    )


def level_studies(profile: str, **options: int) -> dict[str, Study]:
    """The experiment's two studies by title; ``options`` are seed and n_bootstrap of `Study`.

    Raises ProfileError and ModelError as `Study` does.
    """
    own = get_profile(profile)
    return {f"level {hearing}": Study(level_profile(own, hearing), **options) for hearing in HEARINGS}
