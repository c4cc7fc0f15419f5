"""The runner: resumable, atomic, the same bytes whatever happened on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_tasks import square_tasks, write_environment
from tiny_study import ROWS, make_tiny, tiny_layout

from emotrace.corpus.audio import load_audio, peak_normalise
from emotrace.models import ModelError
from emotrace.pipeline.results import RECOGNISED
from emotrace.study.groups import with_effect
from emotrace.study.layout import Layout
from emotrace.pipeline.measures import measure_keys
from emotrace.study.profiles import Backends, Measure, ProfileError, Selection
from emotrace.engine.provenance import CodeChangedError
from emotrace.pipeline.rows import select_rows
from emotrace.study.runner import FILES, read_provenance, row_state, run_rows, running
from emotrace.engine.workers import KERNELS, PORTABLE, THREAD_VARIABLES, LocalWorkers, Task, TaskError

ORIGINAL, ANONYMISED = ROWS


def test_a_task_is_done_once(tmp_path):
    with LocalWorkers(2) as workers:
        assert workers.run(square_tasks(tmp_path, [1, 2]), "squares") == 2
        assert workers.run(square_tasks(tmp_path, [1, 2, 3]), "squares") == 1
        assert workers.run(square_tasks(tmp_path, [1, 2, 3]), "squares") == 0
    assert sorted((tmp_path / "log").read_text().split()) == ["1", "2", "3"]
    assert (tmp_path / "3.txt").read_text() == "9\n"


def test_a_failure_names_its_task_and_leaves_what_is_done(tmp_path):
    with LocalWorkers(1) as workers:
        with pytest.raises(TaskError, match="square of -1: ValueError: no negative numbers"):
            workers.run(square_tasks(tmp_path, [1, -1, *range(50, 90)]), "squares")
        assert (tmp_path / "1.txt").exists()
        assert workers.run(square_tasks(tmp_path, [1, 2]), "squares") == 1


def test_a_task_without_output_is_a_failure(tmp_path):
    with LocalWorkers(1) as workers, pytest.raises(TaskError, match="square of 13: no output"):
        workers.run(square_tasks(tmp_path, [13]), "squares")


def test_workers_compute_with_the_kernels_asked_for_and_one_thread(tmp_path):
    wanted = KERNELS[PORTABLE] | dict.fromkeys(THREAD_VARIABLES, "1")
    before = dict(os.environ)
    with LocalWorkers(1, PORTABLE) as workers:
        workers.run([Task("environment", tmp_path / "its.json", write_environment, tuple(wanted))], "environment")
    assert json.loads((tmp_path / "its.json").read_text()) == wanted and dict(os.environ) == before


def test_workers_do_not_outlive_a_killed_run(tmp_path):
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]; from pathlib import Path; from test_runner import *\n"
        "if __name__ == '__main__':\n"
        "    with LocalWorkers(2) as workers:\n"
        "        workers.run(square_tasks(Path(sys.argv[1]), range(20, 2000)), 'squares')\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    folders = [str(Path(__file__).parents[1] / "fixtures"), str(Path(__file__).parents[2] / "src")]
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path), *folders], stderr=subprocess.DEVNULL)
    _wait_until(lambda: len(list(tmp_path.glob("*.txt"))) >= 4, process)
    workers = _children(process.pid)
    process.kill()
    process.wait()
    assert len(workers) >= 2
    _wait_until(lambda: not any(_alive(pid) for pid in workers))


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def finished(shared, tmp_path_factory) -> Layout:
    """An uninterrupted run by a single worker."""
    layout = tiny_layout(shared, tmp_path_factory.mktemp("finished"))
    assert run_rows(layout, ROWS, jobs=1) == ["original", "ECAPA-anon-T6"]
    return layout


def test_a_run_killed_at_any_moment_ends_with_the_same_bytes(shared, finished, tmp_path):
    command = [sys.executable, str(Path(__file__).parents[1] / "fixtures" / "tiny_study.py"), str(shared), str(tmp_path)]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    for files in (5, 60):
        process = subprocess.Popen(command, env=path, stderr=subprocess.DEVNULL)
        _wait_until(
            lambda files=files: sum(path.is_file() for path in (tmp_path / "work").rglob("*")) >= files, process
        )
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not list((tmp_path / "results").rglob("provenance.json")) or files > 5
    subprocess.run(command, env=path, check=True, stderr=subprocess.DEVNULL)
    names = sorted(str(path.relative_to(tmp_path / "results")) for path in (tmp_path / "results").rglob("*.parquet"))
    assert names == sorted(f"{row.name}/{name}" for row in ROWS for name in FILES if name.endswith("parquet"))
    for name in names:
        assert (tmp_path / "results" / name).read_bytes() == (finished.profile.results / name).read_bytes(), name


def test_results_have_every_utterance_and_every_attacker(finished):
    folder = finished.results(ANONYMISED)
    utterances, trials = (pd.read_parquet(folder / name) for name in FILES[:2])
    assert len(utterances) == 16 and utterances["utterance"].is_monotonic_increasing
    for column in (*RECOGNISED, "centroid_hz", "loudness_lufs", "fold"):
        assert utterances[column].notna().all(), column
    assert set(trials["attacker"]) == {"ignorant", "lazy-informed"} and len(trials) == 2 * 8
    assert set(pd.read_parquet(finished.results(ORIGINAL) / "trials.parquet")["attacker"]) == {"original"}
    assert set(pd.read_parquet(finished.results(ORIGINAL) / "utterances.parquet")["corpus"]) == {"emotional", "f0"}


def test_the_lazy_informed_attacker_enrols_a_separate_invocation(finished):
    version = finished.version(ANONYMISED, finished.corpora(ANONYMISED)[0])
    assert set(version.enrolment) == set(version.original.enrolment)
    name = version.original.enrolment[0]
    assert version.enrolment[name].read_bytes() != version.audio[name].read_bytes()


def test_finished_rows_are_done_and_not_run_again(finished):
    assert [row_state(finished, row).state for row in ROWS] == ["done", "done"]
    assert run_rows(finished, ROWS) == []


def test_provenance_says_what_a_result_depends_on(finished):
    recorded = read_provenance(finished, ANONYMISED)
    assert recorded["identity"]["selection"] == {"level": "utterance", "n_farthest": 10, "n_random": 5, "seed": "2020"}
    assert set(recorded["identity"]["models"]) == {"hubert", "ecapa", "pool", "acoustic-ECAPA-T6"}
    assert recorded["attackers"] == ["ignorant", "lazy-informed"]
    assert recorded["environment"]["versions"]["torch"]


def test_a_row_is_stale_for_the_reason_that_changed(finished, monkeypatch):
    other = replace(finished.profile, selection=Selection(n_farthest=10, n_random=4))
    layout = Layout(other, models=finished.models.folder)
    assert row_state(layout, ANONYMISED).reasons == ("selection",)
    assert row_state(layout, ORIGINAL).state == "done"
    monkeypatch.setattr("emotrace.study.layout.code_version", lambda parts: "other")
    edited = Layout(finished.profile, models=finished.models.folder)
    assert row_state(edited, ANONYMISED).reasons == ("evaluation_code", "synthesis_code")
    assert row_state(edited, ORIGINAL).reasons == ("evaluation_code",)
    with pytest.raises(CodeChangedError, match="repeat the command"):
        finished.require_unchanged_code()


def test_a_changed_measure_is_taken_anew_and_nothing_else(finished, monkeypatch):
    corpus = finished.corpora(ANONYMISED)[0]
    keys = measure_keys(finished.backends)
    monkeypatch.setattr("emotrace.study.layout.measure_keys", lambda _: keys | {Measure.EMOTION: "other"})
    layout = Layout(finished.profile, models=finished.models.folder)
    before, after = finished.version(ANONYMISED, corpus), layout.version(ANONYMISED, corpus)
    assert after.audio == before.audio
    name = before.original.utterances[0].id
    moved = [measure for measure in Measure if after.file(measure, name) != before.file(measure, name)]
    assert moved == [Measure.EMOTION]


def test_the_key_of_a_measure_names_the_code_and_the_back_end():
    default, other = measure_keys(Backends()), measure_keys(Backends(asr="another"))
    assert len(set(default.values())) == len(Measure)
    assert {measure for measure in Measure if default[measure] != other[measure]} == {Measure.WORDS}


def test_recorded_results_are_judged_without_the_data(finished, tmp_path):
    gone = replace(finished.profile.corpora[0], path=tmp_path / "gone")
    profile = replace(finished.profile, corpora=(gone, *finished.profile.corpora[1:]))
    layout = Layout(profile, models=finished.models.folder)
    assert not profile.has_data()
    assert row_state(layout, ANONYMISED).state == "done"
    assert row_state(layout, select_rows(["none-T1"])[0]).state == "missing"
    with pytest.raises(ProfileError, match="the data is not there"):
        run_rows(layout, select_rows(["none-T1"]))


def test_recorded_results_are_judged_without_a_model_that_is_not_there(finished, tmp_path):
    for name in finished.models.names():
        if name != ANONYMISED.vocoder:
            (tmp_path / name).symlink_to(finished.models.path(name))
    assert row_state(Layout(finished.profile, models=tmp_path), ANONYMISED).state == "done"
    (tmp_path / ANONYMISED.vocoder).symlink_to(finished.models.path("acoustic-none-T6"))
    assert row_state(Layout(finished.profile, models=tmp_path), ANONYMISED).reasons == ("models",)


def test_other_kernels_are_another_result_in_another_place(finished):
    portable = Layout(replace(finished.profile, kernels=PORTABLE), models=finished.models.folder)
    assert "kernels" not in finished.identity(ANONYMISED), "records of native kernels stay valid"
    assert row_state(portable, ANONYMISED).reasons == row_state(portable, ORIGINAL).reasons == ("kernels",)
    for corpus in finished.corpora(ANONYMISED):
        assert portable.studio(ANONYMISED, corpus).key != finished.studio(ANONYMISED, corpus).key
        assert portable.version(ANONYMISED, corpus).folder != finished.version(ANONYMISED, corpus).folder


def test_an_unreachable_scheduler_is_an_error_even_where_nothing_is_left_to_run(finished):
    assert run_rows(finished, ROWS) == []
    with pytest.raises(TaskError, match="--scheduler nowhere.json: no such scheduler file"):
        run_rows(finished, ROWS, scheduler="nowhere.json")


def test_another_seed_is_another_result_for_anonymised_rows_alone(finished):
    other = Layout(finished.profile, seed=1, models=finished.models.folder)
    assert other.results(ORIGINAL) == finished.results(ORIGINAL)
    assert other.results(ANONYMISED) != finished.results(ANONYMISED)
    assert row_state(other, ORIGINAL).state == "done" and row_state(other, ANONYMISED).state == "missing"


def test_a_missing_model_is_named_before_anything_is_started(finished):
    with pytest.raises(ModelError, match="no model acoustic-none-T4 .*emotrace train acoustic-none-T4"):
        run_rows(finished, select_rows(["none-T4"], layer=4))


def test_an_effect_changes_the_finished_audio_and_leaves_the_words_out(finished):
    rows = [with_effect(row, "peak") for row in ROWS]
    assert run_rows(finished, rows, jobs=1) == ["original~peak", "ECAPA-anon-T6~peak"]
    for row in rows:
        lines = pd.read_parquet(finished.results(row) / "utterances.parquet")
        assert set(lines["corpus"]) == {"emotional"} and lines["words"].isna().all() and lines["ser"].notna().all()
        corpus = finished.corpora(row)[0]
        before, after = finished.version(row.before, corpus), finished.version(row, corpus)
        for name in before.audio:
            expected = peak_normalise(load_audio(before.audio[name]))
            np.testing.assert_allclose(load_audio(after.audio[name]), expected, rtol=0, atol=2**-15)
    trials = pd.read_parquet(finished.results(rows[1]) / "trials.parquet")
    assert set(trials["attacker"]) == {"ignorant", "lazy-informed"}


def test_a_second_run_of_a_profile_is_refused_while_one_is_at_work(finished):
    with running(finished, 1), pytest.raises(ProfileError, match="another run is at work"):
        with running(finished, 1):
            pass


def test_parquet_files_know_nothing_of_the_time_or_the_machine(finished):
    import pyarrow.parquet as pq

    assert pq.read_schema(finished.results(ORIGINAL) / "utterances.parquet").metadata is None
    assert "recorded" in json.loads((finished.results(ORIGINAL) / "provenance.json").read_text())


def _wait_until(condition, process: subprocess.Popen | None = None) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "waited for five minutes"
        assert process is None or process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
