"""What a public repository needs: workflows that call what is there, examples that run, a whole container."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from stand_in import tone

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def steps_of(path: Path) -> list[dict]:
    """Every step of every job of a workflow."""
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_triggers_rights_and_commands_that_are_there(path):
    content = yaml.safe_load(path.read_text())
    assert content[True] and content["permissions"]["contents"] == "read"  # YAML 1.1 reads "on" as true
    assert all(job["runs-on"] and job["steps"] for job in content["jobs"].values())
    for step in steps_of(path):
        assert ("run" in step) != ("uses" in step)
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])
        elif step["run"].startswith("make"):
            assert set(step["run"].split()[1:]) <= TARGETS
        else:
            files = [word for word in step["run"].split() if "/" in word and not word.startswith(".venv")]
            assert all((ROOT / word).exists() for word in files), step["run"]


def test_pages_are_checked_before_they_are_published():
    order = [step.get("run", step.get("uses", "")) for step in steps_of(ROOT / ".github" / "workflows" / "pages.yml")]
    checked, uploaded = (next(n for n, step in enumerate(order) if word in step) for word in ("check_pages", "upload"))
    assert checked < uploaded


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_asks_for_something_that_it_needs(path):
    form = yaml.safe_load(path.read_text())
    assert form["name"] and form["description"]
    names = [field["id"] for field in form["body"]]
    assert len(set(names)) == len(names)
    assert any(field.get("validations", {}).get("required") for field in form["body"])


def examples() -> dict[str, str]:
    """The code below each heading of CONTRIBUTING.md."""
    parts = re.split(r"^### ", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)[1:]
    return {part.splitlines()[0]: re.search(r"```python\n(.*?)```", part, re.DOTALL)[1] for part in parts}


@pytest.fixture
def registries(monkeypatch):
    """The registries, restored afterwards."""
    from emotrace.anonymizer import WAVEFORM_ANONYMIZERS
    from emotrace.corpus.importers import IMPORTERS
    from emotrace.evaluation import SER
    from emotrace.representation import STREAMS

    names = {"energy": STREAMS, "reversed": WAVEFORM_ANONYMIZERS, "loudness": SER, "mine": IMPORTERS}
    for name, registry in names.items():
        monkeypatch.setitem(registry, name, None)
    return names


def test_every_example_of_an_addition_runs(registries, tmp_path):
    import soundfile
    import torch

    assert len(examples()) == 4
    for code in examples().values():
        exec(code, {})
        assert len(code.strip().splitlines()) <= 25
    wave = tone()
    assert registries["energy"].find("energy").load()(torch.from_numpy(wave)).shape == (29, 1)
    assert registries["reversed"].find("reversed").load(None, None)(wave, None)[0] == pytest.approx(wave[-1] * 1.9)
    assert registries["loudness"].find("loudness").make().features(wave).shape == (10,)
    (tmp_path / "corpus" / "audio").mkdir(parents=True)
    soundfile.write(tmp_path / "corpus" / "audio" / "one.wav", wave, 16_000)
    (tmp_path / "corpus" / "metadata.csv").write_text("file,speaker,gender\none.wav,ann,f\n")
    imported = registries["mine"].find("mine")(tmp_path / "corpus", tmp_path / "data")
    assert len(imported.data[0]) == 1


def test_metadata_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    archive = json.loads((ROOT / ".zenodo.json").read_text())
    assert citation["version"] == project["version"]
    assert citation["title"] == archive["title"] and citation["keywords"] == archive["keywords"]
    assert {citation["license"], archive["license"]} == {project["license"]}


def test_the_container_has_what_the_installation_reads():
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Containerfile").read_text(), re.MULTILINE)
    files = {name for line in copied for name in line.split()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"pyproject.toml", "src", project["readme"], *project["license-files"]} <= files
    assert all((ROOT / name).exists() for name in files)
