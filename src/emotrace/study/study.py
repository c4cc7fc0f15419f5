"""The study as notebooks see it: results of one profile, loaded where recorded, run where missing."""

from collections.abc import Iterable

import pandas as pd

from emotrace.study.layout import Layout
from emotrace.study.profiles import Profile, ProfileError, get_profile, prepare
from emotrace.study.provenance import digest
from emotrace.study.rows import STUDIED_LAYER, Row
from emotrace.study.runner import RowState, read_provenance, row_state, run_rows
from emotrace.study.workers import DEFAULT_JOBS


class Study:
    """Results of the rows of one profile.

    Recorded results are loaded when they belong to the present code, models, data and configuration. Missing rows are
    run, which needs the data and may take long (``emotrace plan`` says how long). Stale rows are loaded as they are
    and marked so in ``provenance``.

    Args:
        profile: "phantom" or "scale", or a profile itself.
        rows: names of rows; all by default.
        layer: rows at T6 are taken at T<layer>; their names change with it.
        seed: of the pseudo-speakers (0: the study's own selection) and of the bootstrap.
        n_bootstrap: number of draws behind every interval.
        jobs: worker processes of this machine.
        scheduler: instead of those, the dask cluster behind this address or scheduler file.
        rerun_stale: run stale rows again instead of loading them.

    Raises:
        ProfileError: a row is missing and the data to run it is not there.
        ValueError: an unknown row.
        ModelError: a row needs a model that is not there.
    """

    def __init__(
        self,
        profile: str | Profile = "phantom",
        rows: Iterable[str] | None = None,
        layer: int = STUDIED_LAYER,
        seed: int = 0,
        n_bootstrap: int = 1000,
        *,
        jobs: int = DEFAULT_JOBS,
        scheduler: str | None = None,
        rerun_stale: bool = False,
    ):
        self.profile = profile if isinstance(profile, Profile) else get_profile(profile)
        self.layer, self.seed, self.n_bootstrap = layer, seed, n_bootstrap
        self._rows = self.profile.select(rows, layer=layer)
        self._layout = Layout(self.profile, seed=seed)
        self._run_missing(jobs, scheduler, rerun_stale)
        self.utterances = self._load("utterances.parquet")
        self.trials = self._load("trials.parquet")

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of the rows, in the order of table II."""
        return tuple(row.name for row in self._rows)

    @property
    def states(self) -> list[RowState]:
        """Where each row stands, in the order of ``rows``."""
        return [row_state(self._layout, row) for row in self._rows]

    @property
    def provenance(self) -> pd.DataFrame:
        """One line per row: row, profile, state, differs (what of a stale row is not as it is now), seed, selec-anon,
        attackers, code, git_commit, recorded."""
        lines = [self._provenance(row, state) for row, state in zip(self._rows, self.states, strict=True)]
        return pd.DataFrame(lines)

    def _run_missing(self, jobs: int, scheduler: str | None, rerun_stale: bool) -> None:
        open_states = ("missing", "partial", "stale") if rerun_stale else ("missing", "partial")
        wanted = [row for row, state in zip(self._rows, self.states, strict=True) if state.state in open_states]
        if not wanted:
            return
        try:
            prepare(self.profile)
        except ProfileError as error:
            names = ", ".join(row.name for row in wanted)
            raise ProfileError(f"no results of {names} are recorded, and they cannot be run: {error}") from error
        run_rows(self._layout, wanted, jobs=jobs, scheduler=scheduler)

    def _load(self, name: str) -> pd.DataFrame:
        parts = [pd.read_parquet(self._layout.results(row) / name) for row in self._rows]
        return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)

    def _provenance(self, row: Row, state: RowState) -> dict[str, object]:
        recorded = read_provenance(self._layout, row)
        identity = recorded["identity"]
        selection = identity["selection"] or {}
        return {
            "row": row.name,
            "profile": self.profile.name,
            "state": state.state,
            "differs": ", ".join(state.reasons),
            "seed": recorded["seed"],
            "selec-anon": f"per {selection['level']}, {selection['n_random']} of {selection['n_farthest']}"
            if "n_random" in selection
            else "",
            "attackers": ", ".join(recorded["attackers"]),
            "code": digest([identity["synthesis_code"], identity["evaluation_code"]])[:12],
            "git_commit": recorded["environment"]["git_commit"],
            "recorded": recorded["recorded"],
        }
