"""The checksums of checkpoints that were seen, in one JSON file beside them: what was used once is what is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pooch

from emotrace.corpus.files import write_text_atomic
from emotrace.weights import CheckpointError

LOCK = "checkpoints.lock.json"


@dataclass(frozen=True)
class Lock:
    """The lock file of a checkpoint folder: path below it (with "/") -> sha256, hexadecimal."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / LOCK

    def read(self) -> dict[str, str]:
        """What was recorded; empty before the first file. Raises CheckpointError when the lock file is damaged."""
        if not self.path.exists():
            return {}
        try:
            recorded = json.loads(self.path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CheckpointError(f"{self.path}: damaged ({error}); restore it, or delete it to trust anew") from error
        if not isinstance(recorded, dict) or not all(isinstance(value, str) for value in recorded.values()):
            raise CheckpointError(f"{self.path}: not a lock file; restore it, or delete it to trust anew")
        return recorded

    def check(self, files: Mapping[Path, str | None], *, source: str) -> None:
        """Compare files with their published digest (or its leading digits) and with the recorded one; record new ones.

        Nothing is recorded unless every file passes. `source` says where the right ones come from. Raises
        CheckpointError naming the file that differs.
        """
        recorded = self.read()
        seen = {self._key(path): pooch.file_hash(str(path), alg="sha256") for path in files}
        for (path, published), (key, digest) in zip(files.items(), seen.items(), strict=True):
            if published and not digest.startswith(published):
                raise CheckpointError(_differs(path, digest, f"its publisher states {published}", source))
            if recorded.get(key, digest) != digest:
                reason = f"{self.path} records {recorded[key]} from its first use"
                raise CheckpointError(_differs(path, digest, reason, source))
        if seen.items() - recorded.items():
            write_text_atomic(self.path, json.dumps(recorded | seen, indent=1, sort_keys=True) + "\n")

    def _key(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


def _differs(path: Path, digest: str, expected: str, source: str) -> str:
    return (
        f"{path}: another or damaged file: its sha256 is {digest}, but {expected}. "
        f"Move it away and get the released one from {source}."
    )
