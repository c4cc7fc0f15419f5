"""The run of the probes: every representation once, the same after a kill, stale for the reason that changed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, recall_score
from tiny_models import make_models
from tiny_probing import DRAWS, make_probed_corpus, run_labels

from emotrace.corpus.datadir import DataDir, write_datadir
from emotrace.engine.provenance import CodeChangedError
from emotrace.engine.runner import RunError, State, state_of
from emotrace.experiments.probe_features import EMBEDDINGS, REPRESENTATIONS
from emotrace.experiments.probing import (
    TARGETS,
    Material,
    Probe,
    ProbingWork,
    Split,
    probing_beside,
    probing_record,
    read_probing,
    run_probing,
    write_line,
)
from emotrace.study.profiles import ALL_MEASURES, Corpus, Profile
from emotrace.weights import ModelError

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    make_probed_corpus(folder / "corpus")
    make_models(folder / "models", layers=(6,))
    return folder


@pytest.fixture(scope="module")
def finished(shared, tmp_path_factory) -> Profile:
    """A profile whose emotion and speaker probes are recorded."""
    return run_labels(shared, tmp_path_factory.mktemp("finished"))


def probing_state(profile: Profile, n_bootstrap: int = DRAWS) -> State:
    return state_of(ProbingWork(profile, n_bootstrap))


def test_a_killed_run_ends_with_the_same_bytes(shared, finished, tmp_path):
    command = [sys.executable, str(FIXTURES / "tiny_probing.py"), str(shared), str(tmp_path)]
    path = os.pathsep.join([str(FIXTURES.parents[1] / "src"), str(FIXTURES)])
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": path})
    _wait_for_files(tmp_path / "work" / "probing", 24, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "results" / "probing.json").exists()
    left = {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "probing").rglob("*.safetensors")}
    resumed = run_labels(shared, tmp_path)
    for ended, whole in zip(probing_record(resumed).tables, probing_record(finished).tables, strict=True):
        assert ended.read_bytes() == whole.read_bytes()
    assert left and all(path.stat().st_mtime_ns == made for path, made in left.items())
    assert probing_state(resumed).state == "done"


def _wait_for_files(folder: Path, count: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 300
    while sum(path.is_file() and path.name[0] != "." for path in folder.rglob("*")) < count:
        assert time.monotonic() < deadline, "waited for five minutes"
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)


def test_the_results_have_every_representation_and_say_what_the_intervals_are_over(finished):
    table = read_probing(finished)
    for _, part in table.groupby("target"):
        assert list(part["representation"]) == list(REPRESENTATIONS)
    assert (table["low"] <= table["estimate"]).all() and (table["estimate"] <= table["high"]).all()
    assert set(table["interval_over"]) == {"speakers"}
    assert table.groupby("target")["baseline"].first().to_dict() == {"emotion": 0.5, "speaker": 0.25}
    # two folds of two speakers, two texts: each half of 16 utterances
    assert set(table["n_train"]) == {8} and set(table["n_test"]) == {16}


def test_the_recorded_predictions_give_the_recorded_scores(finished):
    """A second route: scikit-learn on the predictions, UAR as the mean over folds."""
    predictions = pd.read_parquet(probing_record(finished).tables[1])
    for line in read_probing(finished).itertuples():
        own = predictions[(predictions["representation"] == line.representation) & (predictions["of"] == line.target)]
        assert len(own) == line.n_test and set(own["probe"]) == {line.probe}
        if line.score == "UAR":
            of_folds = [recall_score(f["label"], f["predicted_label"], average="macro") for _, f in own.groupby("fold")]
            assert line.estimate == pytest.approx(np.mean(of_folds), abs=1e-6)
        else:
            assert line.estimate == pytest.approx(accuracy_score(own["label"], own["predicted_label"]), abs=1e-6)


def test_nothing_is_probed_twice(finished):
    provenance = probing_record(finished).provenance
    before = provenance.stat().st_mtime_ns
    assert run_probing(finished, n_bootstrap=DRAWS) is False
    assert provenance.stat().st_mtime_ns == before


def test_probing_is_stale_for_the_reason_that_changed(shared, finished, tmp_path, monkeypatch):
    assert probing_state(finished).state == "done"
    assert probing_state(finished, DRAWS + 1).reasons == ("n_bootstrap",)
    assert probing_state(replace(finished, seed=1)).reasons == ("seed",)
    (tmp_path / "models").mkdir()
    for model in (shared / "models").iterdir():
        (tmp_path / "models" / model.name).symlink_to(model)
    (tmp_path / "models" / "gst").unlink()
    shutil.copytree(shared / "models" / "gst", tmp_path / "models" / "gst")
    (tmp_path / "models" / "gst" / "config.json").write_text("{}")
    other = replace(finished, models=tmp_path / "models")
    assert probing_state(other).reasons == ("models: gst",)
    fewer = write_datadir(tmp_path / "fewer", DataDir.read(shared / "corpus").utterances[:-1])
    assert probing_state(_with_corpus(finished, fewer.path)).reasons == ("data: emotional",)
    work = ProbingWork(finished, DRAWS)
    work.identity()
    work.require_unchanged_code()
    monkeypatch.setattr("emotrace.engine.keys.code_digest", lambda *_: "other")
    reasons = ("components: features", "components: probes")
    assert probing_state(finished).reasons == reasons
    with pytest.raises(CodeChangedError, match="the code changed"):
        work.require_unchanged_code()


def _with_corpus(profile: Profile, path: Path) -> Profile:
    return replace(profile, corpora=(Corpus("emotional", path, ALL_MEASURES),))


def test_what_is_recorded_is_judged_without_the_data(finished, tmp_path):
    gone = _with_corpus(finished, tmp_path / "gone")
    assert probing_state(gone).state == "done"
    empty = replace(gone, results=tmp_path / "none")
    assert probing_state(empty).state == "missing"
    with pytest.raises(RunError, match="no data to probe"):
        run_probing(empty)
    with pytest.raises(RunError, match="emotrace probe --profile tiny"):
        read_probing(empty)
    beside = probing_beside([empty, finished])
    assert len(beside) == len(read_probing(finished)) and set(beside["panel"]) == {"tiny: utterance"}
    assert list(beside["representation"].cat.categories) == list(REPRESENTATIONS)
    with pytest.raises(RunError, match="emotrace probe --profile tiny"):
        probing_beside([empty])


def test_a_missing_model_and_a_profile_without_emotions_are_said(finished, tmp_path):
    with pytest.raises(ModelError, match="no model ecapa in .*: emotrace train ecapa"):
        ProbingWork(replace(finished, models=tmp_path)).require()
    with pytest.raises(RunError, match="no emotional corpus to probe"):
        ProbingWork(replace(finished, corpora=()))


def test_provenance_says_what_the_results_depend_on(finished):
    recorded = json.loads(probing_record(finished).provenance.read_text())
    assert set(recorded["identity"]["models"]) == {"hubert", "soft", "soft-whisper", "whisper", "ecapa", "gst"}
    assert set(recorded["identity"]["data"]) == {"emotional"}
    assert recorded["environment"]["versions"]["scikit-learn"]


def _materials(work: ProbingWork) -> dict[Split, Material]:
    """What the probes of each split learn from and are tested on."""
    _, probes = work.stages()
    return {target.split: material for _, target, material, *_ in (task.arguments for task in probes[1])}


def test_regressions_of_a_real_run_stand_on_both_sides(finished, tmp_path):
    """Made-up tones: the mean F0 of an utterance is in its mean log-mel, as two other speakers show."""
    target = next(target for target in TARGETS if (target.name, target.probe) == ("F0", Probe.MEAN))
    material = _materials(ProbingWork(finished))[Split.SPEAKERS]
    write_line(tmp_path / "line.json", "log-mel", target, material, 0, DRAWS)
    line = json.loads((tmp_path / "line.json").read_text())["line"]
    assert line["baseline"] == 0 and line["estimate"] > line["baseline"] and line["score"] == "R2"


def test_scale_learns_from_the_training_parts_and_is_tested_on_the_others(shared, tmp_path):
    """Directories in miniature, named as scale's: no actor and no utterance is on both sides."""
    profile = Profile(
        name="scale",
        corpora=(
            Corpus("emotional", tmp_path / "ravdess" / "test", ALL_MEASURES),
            Corpus("read", tmp_path / "librispeech" / "test", ALL_MEASURES),
        ),
        work=tmp_path / "work",
        results=tmp_path / "results",
        ser_training=tmp_path / "ravdess" / "train",
        models=shared / "models",
    )
    speakers = {"ravdess/train": "a", "ravdess/test": "b", "librispeech/test": "r"}
    for number, (part, letter) in enumerate(speakers.items()):
        corpus = make_probed_corpus(tmp_path / "made" / part)
        moved = [replace(u, id=f"{letter}{u.id}-{number}", speaker=f"{letter}{u.speaker}") for u in corpus]
        write_datadir(tmp_path / part, moved)
    work = ProbingWork(profile)
    part_of = {u.id: part for part in speakers for u in DataDir.read(tmp_path / part)}
    sides = {
        split: [[sorted({part_of[name] for name in side}) for side in fold] for fold in material.folds]
        for split, material in _materials(work).items()
    }
    assert sides[Split.SPEAKERS] == [[["ravdess/train"], ["ravdess/test"]]]
    assert sides[Split.TEXTS] == 2 * [[["ravdess/test"], ["ravdess/test"]]]
    assert sides[Split.READING] == 4 * [[["librispeech/test"], ["librispeech/test"]]]  # four readers
    features, _ = work.stages()
    aligned = {task.arguments[0].id: task.arguments[-1] for task in features[1]}
    assert {part_of[name] for name, wanted in aligned.items() if wanted} == {"librispeech/test"}
    embeddings = {name for target in TARGETS if target.probe is Probe.FRAME for name in target.representations}
    assert not embeddings & set(EMBEDDINGS)
