"""A table among a profile's results, and beside it the provenance that declares it valid."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotrace.corpus.files import write_text_atomic
from emotrace.study.provenance import circumstances, differences, file_sha256
from emotrace.study.runner import RowState


@dataclass(frozen=True)
class Record:
    """``table``, a file such as results/probing.csv, with results/probing.json beside it."""

    table: Path

    @property
    def provenance(self) -> Path:
        return self.table.with_suffix(".json")

    def read_provenance(self) -> dict[str, Any] | None:
        """What the table was made with; None where it or its provenance is not there."""
        if not (self.table.is_file() and self.provenance.is_file()):
            return None
        return json.loads(self.provenance.read_text())

    def write(self, save: Callable[[Path], None], profile: str, identity: Mapping[str, Any], seconds: float) -> None:
        """``save`` the table under its name; then the provenance, last, because it declares the table valid."""
        self.provenance.unlink(missing_ok=True)
        save(self.table)
        files = {self.table.name: file_sha256(self.table)}
        provenance = {"profile": profile, "identity": identity, **circumstances(seconds), "files": files}
        write_text_atomic(self.provenance, json.dumps(provenance, indent=2) + "\n")

    def state(self, expected: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> RowState | None:
        """Done, or stale with what differs from the identity ``expected``; None where nothing is recorded.

        ``expected`` gets the recorded identity, for what cannot be known anew, such as the hash of absent data.
        """
        recorded = self.read_provenance()
        if recorded is None:
            return None
        reasons = tuple(differences(recorded["identity"], expected(recorded["identity"])))
        return RowState(self.table.stem, "stale" if reasons else "done", reasons)
