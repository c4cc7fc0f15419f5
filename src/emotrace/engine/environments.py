"""What the machines that share a run must have in common: Python, libraries, code and a folder."""

import os
import platform
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from emotrace.engine.provenance import EVALUATION_CODE, SYNTHESIS_CODE, code_version, environment
from emotrace.engine.workers import KERNELS, NATIVE


@dataclass(frozen=True)
class Site:
    """What a worker must have in common with the machine that asks.

    Attributes:
        python: version, e.g. "3.11".
        versions: (library, version) of everything that computes.
        code: digest of the package's code.
        probe: a file in the folder of the run.
        content: what is written there.
        environment: variables that choose kernels; the libraries read them when they are loaded.
    """

    python: str
    versions: tuple[tuple[str, str | None], ...]
    code: str
    probe: Path
    content: str
    environment: tuple[tuple[str, str], ...] = ()


@lru_cache(maxsize=4)
def complaints(site: Site) -> tuple[str, ...]:
    """On a worker: what it lacks to work for ``site``."""
    mine = dict(_versions())
    found = [
        f"has {name} {mine.get(name)}, not {version}" for name, version in site.versions if mine.get(name) != version
    ]
    if python_version() != site.python:
        found.append(f"runs Python {python_version()}, not {site.python}")
    if _loaded_code() != site.code:
        found.append("runs another version of emotrace: install this one and restart the workers")
    if any(os.environ.get(name) != value for name, value in site.environment):
        variables = " ".join(f"{name}={value}" for name, value in site.environment)
        found.append(f"computes with other kernels: start it as {variables} dask worker ...")
    if not _reads(site.probe, site.content):
        found.append(f"does not see {site.probe.parent} as this machine does: put it on a file system that both share")
    elif not os.access(site.probe.parent, os.W_OK):
        found.append(f"may not write to {site.probe.parent}")
    return tuple(found)


def make_site(folder: Path, kernels: str = NATIVE) -> Site:
    """This machine, and a probe for the folder of a run; the caller writes ``content`` to it."""
    token = uuid.uuid4().hex
    probe = folder.absolute() / f".cluster.{token}.tmp"
    code = code_version((*SYNTHESIS_CODE, *EVALUATION_CODE))
    return Site(python_version(), _versions(), code, probe, token, tuple(KERNELS[kernels].items()))


def python_version() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def _versions() -> tuple[tuple[str, str | None], ...]:
    return tuple(sorted(environment()["versions"].items()))


@lru_cache(maxsize=1)
def _loaded_code() -> str:
    """Of the code when this worker first worked: a later edit of the files does not change what is loaded."""
    return code_version((*SYNTHESIS_CODE, *EVALUATION_CODE))


def _reads(path: Path, content: str) -> bool:
    try:
        return path.read_text() == content
    except OSError:
        return False
