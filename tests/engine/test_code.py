"""Digests of code: what a component computes and nothing else, wherever it stands."""

import importlib
import os
import shutil
import sys
from collections.abc import Mapping

import pytest

from emotrace.anonymizer import ANONYMIZERS, WAVEFORM_ANONYMIZERS
from emotrace.engine.code import code_digest, digest, package_digest, reached
from emotrace.evaluation import ASR, ASV, SER
from emotrace.paths import PACKAGE
from emotrace.pipeline.measures import MEASURES
from emotrace.representation import STREAMS
from emotrace.vocoder import VOCODERS

FILES = {
    "__init__.py": "",
    "component.py": '''"""Doc."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from emotrace import shapes
from emotrace.middle import scaled
from emotrace.things import THINGS

if TYPE_CHECKING:
    from emotrace.settings import Setting


class Component:
    """Doc of the class."""

    def __call__(self, x: float = 1.0, setting: Setting | None = None) -> float:
        """Doc of the method."""
        # a comment
        if x < 0:
            raise ValueError("negative")
        return math.floor(scaled(x)) / 2 + shapes.area(x) + THINGS.find("other")(x)


class Neighbour:
    """Uses nothing."""

    size = 1
''',
    "middle.py": """from emotrace.far import FACTOR, half


def scaled(x):
    from emotrace.late import shift

    return half(x) * FACTOR + shift(x)
""",
    "far.py": """FACTOR = 3.0


def half(x):
    return x / 2


def unused(x):
    return x + 1
""",
    "late.py": """def shift(x):
    return x + 5
""",
    "shapes.py": """class Square:
    def area(self, x):
        return x * x


class Named(Square):
    pass


def area(x):
    return Named().area(x)
""",
    "settings.py": """class Setting:
    level = 7
""",
    "things.py": """from emotrace.registry import Registry

THINGS = Registry("thing", {"other": "emotrace.other:Other"})
""",
    "other.py": """class Other:
    weight = 9
""",
    "registry.py": """class Registry(dict):
    pass
""",
}
COMPONENT = "emotrace.component:Component"


@pytest.fixture
def digest_of(tmp_path_factory):
    """The digest of a component in the package above, after a change: file, old text, new text."""

    def of(*changes: tuple[str, str, str], thing: str = COMPONENT) -> str:
        package = tmp_path_factory.mktemp("package") / "emotrace"
        package.mkdir()
        files = dict(FILES)
        for file, old, new in changes:
            assert old in files.setdefault(file, ""), f"{file} has no {old!r}"
            files[file] = files[file].replace(old, new) if old else files[file] + new
        for file, text in files.items():
            (package / file).write_text(text)
        return code_digest(thing, package=package)

    return of


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("component.py", '"""Doc."""', '"""Other words."""'),
        ("component.py", '    """Doc of the class."""\n\n', ""),
        ("component.py", "        # a comment\n", ""),
        ("component.py", 'ValueError("negative")', 'ValueError(f"{x} is negative")'),
        ("component.py", 'raise ValueError("negative")', 'raise TypeError("negative") from None'),
        ("component.py", "math.floor(scaled(x)) / 2", "(math.floor(scaled(x))\n                / 2)"),
        ("component.py", "import math\n", "import json\nimport math\nimport os\n"),
        ("component.py", "size = 1", "size = 2"),
        ("component.py", "", "\n\nclass Third:\n    colour = 3\n"),
        ("middle.py", "", "\n\ndef another(x):\n    return half(x)\n"),
        ("far.py", "return x + 1", "return x + 2"),
        ("far.py", "", "\nOTHER_FACTOR = 8.0\n"),
        ("things.py", '"emotrace.other:Other"', '"emotrace.other:Other", "more": "emotrace.far:unused"'),
        ("other.py", "weight = 9", "weight = 10"),
        ("brand_new.py", "", "x = 1\n"),
    ],
)
def test_words_layout_and_neighbours_leave_a_digest(digest_of, file, old, new):
    assert digest_of((file, old, new)) == digest_of()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("component.py", "/ 2", "/ 2.0"),
        ("component.py", "x < 0", "x < 1"),
        ("component.py", "x: float = 1.0", "x: float = 1.5"),
        ("component.py", "math.floor", "math.ceil"),
        ("component.py", "return math", "return -math"),
        ("middle.py", "* FACTOR", "/ FACTOR"),
        ("far.py", "x / 2", "x / 4"),
        ("far.py", "FACTOR = 3.0", "FACTOR = 3.5"),
        ("far.py", "", "\n\nhalf.memory = {}\n"),
        ("late.py", "x + 5", "x + 6"),
        ("shapes.py", "x * x", "x * x * x"),
        ("shapes.py", "class Named(Square):\n    pass", "class Named(Square):\n    corners = 4"),
        ("settings.py", "level = 7", "level = 8"),
    ],
)
def test_a_changed_formula_changes_a_digest_however_far_away(digest_of, file, old, new):
    assert digest_of((file, old, new)) != digest_of()


FAR, FAR_AND_PLACE = (
    "from emotrace.far import FACTOR, half",
    "from emotrace.far import FACTOR\nfrom emotrace.place import half",
)
HALF = "def half(x):\n    return x / 2\n\n\n"


def test_moving_a_definition_to_another_module_leaves_a_digest(digest_of):
    moved = (("far.py", HALF, ""), ("place.py", "", HALF))
    followed = ("middle.py", FAR, FAR_AND_PLACE)
    assert digest_of(*moved, followed) == digest_of()
    passed_on = ("far.py", "FACTOR = 3.0", "from emotrace.place import half\n\nFACTOR = 3.0")
    assert digest_of(*moved, passed_on) == digest_of()


def test_moving_the_component_itself_leaves_its_digest(digest_of):
    text = FILES["component.py"]
    assert digest_of(("elsewhere.py", "", text), thing="emotrace.elsewhere:Component") == digest_of()


def test_a_definition_that_moves_and_changes_changes_a_digest(digest_of):
    moved = (("far.py", HALF, ""), ("place.py", "", HALF.replace("/ 2", "/ 3")))
    followed = ("middle.py", FAR, FAR_AND_PLACE)
    assert digest_of(*moved, followed) != digest_of()


@pytest.mark.parametrize(
    "used",
    [
        "import emotrace.far as far\n\n\ndef scaled(x):\n    return far.half(x)\n",
        "from emotrace import far\n\n\ndef scaled(x):\n    return far.half(x)\n",
        "from emotrace import far as away\n\n\ndef scaled(x):\n    return away.half(x)\n",
        "from emotrace.far import half as divided\n\n\ndef scaled(x):\n    return divided(x)\n",
        "from emotrace.far import half\n\n\n@half\ndef scaled(x):\n    return x\n",
        "from emotrace.far import half\n\nCHOSEN = {1: half}\n\n\ndef scaled(x):\n    return CHOSEN[1](x)\n",
    ],
)
def test_a_name_is_followed_however_it_is_imported_and_used(digest_of, used):
    by_other_means = ("middle.py", FILES["middle.py"], used)
    assert digest_of(by_other_means) != digest_of(by_other_means, ("far.py", "x / 2", "x / 4"))
    assert digest_of(by_other_means) == digest_of(by_other_means, ("far.py", "x + 1", "x + 2"))


def test_the_digest_of_several_things_is_that_of_all_they_reach(tmp_path):
    package = tmp_path / "emotrace"
    package.mkdir()
    for file, text in FILES.items():
        (package / file).write_text(text)
    both = [COMPONENT, "emotrace.component:Neighbour"]
    assert code_digest(*both, package=package) == code_digest(*reversed(both), package=package)
    assert len({code_digest(*both, package=package), *(code_digest(one, package=package) for one in both)}) == 3
    assert reached(*both, package=package) == [
        "emotrace.component:Component",
        "emotrace.component:Neighbour",
        "emotrace.far:FACTOR",
        "emotrace.far:half",
        "emotrace.late:shift",
        "emotrace.middle:scaled",
        "emotrace.settings:Setting",
        "emotrace.shapes:Named",
        "emotrace.shapes:Square",
        "emotrace.shapes:area",
    ]


def test_what_is_not_there_is_refused(digest_of):
    with pytest.raises(KeyError, match="emotrace.component defines no Absent"):
        digest_of(thing="emotrace.component:Absent")
    with pytest.raises(FileNotFoundError, match="emotrace.nowhere"):
        digest_of(thing="emotrace.nowhere:Component")
    with pytest.raises(KeyError, match="emotrace.engine.code defines no code_digits"):
        code_digest("emotrace.engine.code:code_digits")


TOY = '''"""A stream of somebody else."""

from emotrace.representation.f0 import yaapt_f0


def louder(f0):
    return 2 * f0


class Toy:
    """Doc."""

    def __call__(self, waveform):
        return louder(yaapt_f0(waveform))


class Unrelated:
    size = 1
'''


@pytest.fixture
def toy_digest(tmp_path, monkeypatch):
    """The digest of the class `Toy` in a module of that text, outside the package."""
    monkeypatch.syspath_prepend(tmp_path)
    count = iter(range(100))

    def of(text: str) -> str:
        name = f"toy_module_{next(count)}"
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        try:
            return code_digest(importlib.import_module(name).Toy)
        finally:
            sys.modules.pop(name, None)

    return of


def test_a_thing_from_outside_the_package_has_a_digest_of_its_own_code(toy_digest):
    before = toy_digest(TOY)
    assert toy_digest(TOY.replace('"""Doc."""', '"""Other words."""')) == before
    assert toy_digest(TOY.replace("size = 1", "size = 2")) == before
    assert toy_digest(TOY.replace("2 * f0", "3 * f0")) != before
    assert toy_digest(TOY.replace("louder(yaapt_f0(waveform))", "yaapt_f0(waveform)")) != before


def test_a_thing_from_outside_reaches_what_it_uses_of_the_package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "toy_outside.py").write_text(TOY)
    found = reached(importlib.import_module("toy_outside").Toy)
    assert {"toy_outside:Toy", "toy_outside:louder", "emotrace.representation.f0:yaapt_f0"} <= set(found)
    assert "toy_outside:Unrelated" not in found


def test_an_edit_of_a_thing_from_outside_is_noticed_in_the_same_process(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "toy_edited.py"
    path.write_text(TOY)
    toy = importlib.import_module("toy_edited").Toy
    before = code_digest(toy)
    path.write_text(TOY.replace("2 * f0", "3 * f0 + 1"))
    os.utime(path, (0, 0))  # another time, even where the clock of the file system is coarse
    assert code_digest(toy) != before


COMPONENTS = {
    f"{registry.kind} {name}": registry.find(name)
    for registry in (STREAMS, ANONYMIZERS, WAVEFORM_ANONYMIZERS, VOCODERS, ASR, ASV, SER, MEASURES)
    for name in registry
}
"""Everything in the registries of the package."""


@pytest.fixture(scope="module")
def copied_digests(tmp_path_factory):
    """Digests of all components, by name, in a copy of the package with some files changed."""

    def of(changes: Mapping[str, tuple[str, str]] = {}) -> dict[str, str]:  # noqa: B006 - never changed
        package = tmp_path_factory.mktemp("copy") / "emotrace"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", "*.html", "*.js", "*.css"))
        for file, (old, new) in changes.items():
            path = package / file
            text = path.read_text() if path.exists() else ""
            assert old in text, f"{file} has no {old!r}"
            path.write_text(text.replace(old, new, 1) if old else text + new)
        return {
            name: code_digest(f"{thing.__module__}:{thing.__qualname__}", package=package)
            for name, thing in COMPONENTS.items()
        }

    return of


@pytest.fixture(scope="module")
def digests(copied_digests) -> dict[str, str]:
    return copied_digests()


def test_every_component_of_the_package_has_a_digest_of_its_own(digests):
    assert digests == {name: code_digest(thing) for name, thing in COMPONENTS.items()}
    assert len(set(digests.values())) == len(digests)


def test_adding_components_to_the_package_leaves_all_digests(copied_digests, digests):
    toy = "class Toy:\n    models = ()\n    rate = 50.0\n\n    def __call__(self, x):\n        return x\n"
    line = '        "toy": "emotrace.representation.toy:Toy",\n'

    def registered(before: str) -> tuple[str, str]:
        return before, f"{line}{before}"

    changed = copied_digests(
        {
            "representation/toy.py": ("", toy),
            "representation/ecapa.py": ("", f"\n\n{toy}"),
            "vocoder/toy.py": ("", toy),
            "representation/__init__.py": registered('        "f0"'),
            "anonymizer/__init__.py": registered('        "selec-anon"'),
            "vocoder/__init__.py": registered('        "universal"'),
            "evaluation/__init__.py": registered('        "functionals"'),
        }
    )
    assert changed == digests


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("representation/f0.py", "nccf_thresh1=0.25", "nccf_thresh1=0.3", {"stream f0"}),
        ("evaluation/pitch.py", "HIGHEST = 60.0, 500.0", "HIGHEST = 60.0, 400.0", {"measure acoustics"}),
        ("representation/gst.py", "CONV_CHANNELS = (32, 32,", "CONV_CHANNELS = (32, 16,", {"stream gst"}),
        ("anonymizer/selec_anon.py", ".double().mean(0)", ".mean(0)", {"anonymizer selec-anon"}),
        ("evaluation/ser.py", "COST = 0.03", "COST = 0.04", {"emotion recogniser egemaps", "emotion recogniser ge2e"}),
        ("evaluation/asr.py", "MAX_STATES = 5000", "MAX_STATES = 6000", {"speech recogniser pocketsphinx"}),
    ],
)
def test_a_changed_formula_changes_the_components_that_use_it(copied_digests, digests, file, old, new, expected):
    changed = copied_digests({file: (old, new)})
    differing = {name for name in digests if changed[name] != digests[name]}
    assert expected <= differing
    assert {name.partition(" ")[0] for name in differing} <= {name.partition(" ")[0] for name in expected}


def test_components_reach_no_code_that_computes_nothing():
    """Training, the engine, the study, tables and pages decide no measurement."""
    computing = {"corpus", "representation", "anonymizer", "vocoder", "evaluation", "pipeline", "weights"}
    for name, thing in COMPONENTS.items():
        folders = {place.split(":")[0].split(".")[1] for place in reached(thing)}
        released = {"released"} if name.endswith(" vpc") or "whisper" in name else set()
        light = {"light"} if name.endswith("-windows") else set()
        assert folders <= computing | released | light, name


def test_the_digest_of_the_package_is_that_of_its_code_whatever_the_files_are_called(tmp_path):
    for number, (name, text) in enumerate({"a": "x = 1\n", "b": '"""Doc."""\nx = 1\n', "c": "x = 2\n"}.items()):
        folder = tmp_path / str(number)
        (folder / name).mkdir(parents=True)
        (folder / name / "module.py").write_text(text)
    one, renamed, other = (package_digest(tmp_path / str(number)) for number in range(3))
    assert one == renamed != other


def test_a_digest_ignores_the_order_of_keys_and_refuses_nan():
    assert digest({"a": 1, "b": [2, "c"]}) == digest({"b": [2, "c"], "a": 1}) != digest({"a": 1, "b": ["c", 2]})
    with pytest.raises(ValueError):
        digest({"a": float("nan")})


def test_the_places_that_are_not_followed_exist():
    from emotrace.engine.code import _IDENTIFIED

    for place in _IDENTIFIED:
        module, _, name = place.partition(":")
        found = importlib.import_module(module)
        assert not name or hasattr(found, name), place
