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
BINDER = CORE | installed_with((ROOT / ".binder" / "requirements.txt").read_text().splitlines()[3:])


def absent(there: set[str]) -> list[str]:
    """Modules of this environment that come with none of the distributions that are there."""
    modules = packages_distributions().items()
    return sorted(name for name, of in modules if name.isidentifier() and not {normal(each) for each in of} & there)


HIDE = """
import json, sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    "Finds nothing of what an installation of the package does not bring."

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {absent!r} else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
"""
SCRIPT = """
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


def run_without(modules: list[str], script: str) -> str:
    """What a script prints in a process that finds none of these modules."""
    command = [sys.executable, "-c", HIDE.format(absent=modules) + script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_measure_is_taken_without_torch():
    measured = json.loads(run_without(absent(CORE), SCRIPT.format(data=str(phantom().path))))
    assert set(measured) == {
        *("words-whisper-tiny.en", "speaker-ge2e", "emotion-functionals", "emotion-whisper"),
        *("naturalness-distillmos", "acoustics"),
    }
    assert len(measured["emotion-functionals"]) == 6461
    if measured["speaker-ge2e"] is not None:
        assert len(measured["speaker-ge2e"]) == 256 and 1 <= measured["naturalness-distillmos"] <= 5


def test_notebooks_read_recorded_rows_without_torch():
    """What Binder installs: recordings are known to be of the code at hand, as their recognisers have stand-ins.

    Of synthesised rows nobody can say it.
    """
    cells = "".join(path.read_text() for path in sorted((ROOT / "notebooks").glob("*.md")))
    imports = sorted(set(re.findall(r"^from emotrace\S* import .+$", cells.replace("(\n", "("), re.MULTILINE)))
    assert len(imports) > 20
    script = "\n".join([line.replace("(", "") for line in imports if not line.endswith("(")])
    script += "\nfrom emotrace import Study\nrows = Study('phantom', ['original', 'none-T1'])\n"
    script += "print(*((state.state, *state.reasons) for state in rows.states))"
    hidden = absent(BINDER)
    assert {"torch", "transformers", "pocketsphinx"} <= set(hidden)
    assert run_without(hidden, script) == "('done',) ('unchecked', 'torch is not installed')\n"


def test_the_list_of_commands_comes_within_a_second_without_heavy_libraries():
    script = "import sys, emotrace.cli; print(*sorted({'torch', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
