"""The study as notebooks see it: results of one profile, loaded where recorded, run where missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pandas as pd

from emotrace.engine.code import digest
from emotrace.engine.runner import RunError, State, state_of
from emotrace.pipeline.results import joined
from emotrace.pipeline.rows import STUDIED_LAYER
from emotrace.study.profiles import Profile, get_profile, prepare
from emotrace.study.results import Results
from emotrace.study.run import TABLES, RowWork, run_rows, works


@dataclass(frozen=True)
class StudyResults(Results):
    """Results of rows of a profile.

    Attributes:
        profile: what was run, at the seed asked for.
        works: the rows, as the engine knows them.
    """

    profile: Profile | None = None
    works: tuple[RowWork, ...] = field(default=(), repr=False)

    @property
    def states(self) -> list[State]:
        """Where each row stands, in the order of ``rows``."""
        return [state_of(work) for work in self.works]

    @property
    def provenance(self) -> pd.DataFrame:
        """One line per row: row, profile, state, differs (what of a stale row is not as it is now), seed, selec-anon,
        attackers, code, git_commit, recorded."""
        return pd.DataFrame([_provenance(work) for work in self.works])


def Study(  # noqa: N802 - the name that notebooks have known from the beginning
    profile: str | Profile = "phantom",
    rows: Iterable[str] | None = None,
    layer: int = STUDIED_LAYER,
    seed: int = 0,
    n_bootstrap: int = 1000,
) -> StudyResults:
    """Results of the rows of one profile.

    Recorded results are loaded when they belong to the present code, models, data and configuration. Missing rows are
    run, which needs the data and may take long (``emotrace plan`` says how long). Stale rows are loaded as they are
    and marked so in ``provenance``; `emotrace run` runs them again.

    Args:
        profile: "phantom" or "scale", or a profile itself.
        rows: names of rows; all by default.
        layer: rows at T6 are taken at T<layer>; their names change with it.
        seed: of the pseudo-speakers (0: the study's own selection) and of the bootstrap.
        n_bootstrap: number of draws behind every interval.

    Raises:
        RunError: a row is missing and the data to run it is not there.
        ValueError: an unknown row. ModelError: a row needs a model that is not there.
    """
    profile = replace(profile if isinstance(profile, Profile) else get_profile(profile), seed=seed)
    chosen = profile.select(rows, layer=layer)
    found = works(profile, chosen)
    if wanted := [work.row for work in found if work.record.read() is None]:
        try:
            prepare(profile)
        except RunError as error:
            names = ", ".join(row.name for row in wanted)
            raise RunError(f"no results of {names} are recorded, and they cannot be run: {error}") from error
        run_rows(profile, wanted)
    utterances, trials = (joined([pd.read_parquet(work.folder / name) for work in found]) for name in TABLES)
    if "corpus" not in trials:  # recorded when only the emotional corpus had trials
        trials = trials.assign(corpus="emotional")
    names = tuple(row.name for row in chosen)
    made = {"seed": seed, "n_bootstrap": n_bootstrap, "profile": profile, "works": tuple(found)}
    return StudyResults(utterances, trials, names, profile.name, profile.recognisers.ser, **made)


def _provenance(work: RowWork) -> dict[str, object]:
    recorded, state = work.record.read(), state_of(work)
    identity = recorded["identity"]
    selection = identity["selection"] or {}
    codes = {name: component.get("code") for name, component in identity["components"].items()}
    return {
        "row": work.name,
        "profile": work.profile.name,
        "state": state.state,
        "differs": ", ".join(state.reasons),
        "seed": recorded["seed"],
        "selec-anon": f"per {selection['level']}, {selection['n_random']} of {selection['n_farthest']}"
        if "n_random" in selection
        else "",
        "attackers": ", ".join(recorded["attackers"]),
        "code": digest(codes)[:12],
        "git_commit": recorded["environment"]["git_commit"],
        "recorded": recorded["recorded"],
    }
