"""An evaluation where torch, and whatever brings it, is not installed."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

from packaging.requirements import Requirement
from speech import ROOT, phantom

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_with(requirements: list[str]) -> set[str]:
    """Distributions that come with requirements and all that these require."""
    found, waiting = set(), [Requirement(each) for each in requirements]
    while waiting:
        wanted = waiting.pop()
        if normal(wanted.name) in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        found.add(normal(wanted.name))
        try:
            waiting += [Requirement(each) for each in requires(wanted.name) or ()]
        except PackageNotFoundError:  # another system's
            continue
    return found


CORE = installed_with(PROJECT["dependencies"]) | {"emotrace", "pip"}
ABSENT = sorted(
    module
    for module, distributions in packages_distributions().items()
    if module.isidentifier() and not {normal(name) for name in distributions} & CORE
)
SCRIPT = """
import json, sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    "Finds nothing of what an installation of the package does not bring."

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {absent!r} else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
import emotrace.cli, emotrace.show.report.page, emotrace.show.vpc_results, emotrace.study.tasks
from emotrace.corpus.datadir import DataDir
from emotrace.pipeline.measures import Measure, Recognisers, measure
from emotrace.weights import CheckpointError

utterance, found = DataDir.read({data!r}).utterances[0], {{}}
for taken in Recognisers().measurements(frozenset(Measure)):
    try:
        found[str(taken)] = measure(utterance, taken, utterance.path, "cpu")
    except CheckpointError:
        found[str(taken)] = None
print(json.dumps(found))
"""


def test_every_measure_is_taken_without_torch():
    script = SCRIPT.format(absent=ABSENT, data=str(phantom().path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert set(measured) == {
        *("words-whisper-tiny.en", "speaker-ge2e", "emotion-functionals", "emotion-whisper"),
        *("naturalness-distillmos", "acoustics"),
    }
    assert len(measured["emotion-functionals"]) == 6461
    if measured["speaker-ge2e"] is not None:
        assert len(measured["speaker-ge2e"]) == 256 and 1 <= measured["naturalness-distillmos"] <= 5


def test_the_list_of_commands_comes_within_a_second_without_heavy_libraries():
    script = "import sys, emotrace.cli; print(*sorted({'torch', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
