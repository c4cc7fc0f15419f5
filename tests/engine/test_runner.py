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
import pyarrow.parquet as pq
import pytest
from small_tasks import square_tasks, write_environment
from tiny_study import ROWS, make_tiny, tiny_profile
from traced import executed, import_everything

from emotrace.anonymizer.draws import Selection
from emotrace.corpus.audio import load_audio, peak_normalise
from emotrace.engine.code import reached
from emotrace.engine.keys import TABLES as TABLE_CODE
from emotrace.engine.provenance import CodeChangedError
from emotrace.engine.runner import RunError, State, running, state_of
from emotrace.engine.workers import KERNELS, PORTABLE, THREAD_VARIABLES, LocalWorkers, Task, TaskError
from emotrace.evaluation import SER
from emotrace.pipeline.results import (
    TRIALS,
    Training,
    emotion_columns,
    joined,
    trial_lines,
    utterance_lines,
    utterance_schema,
    write_parquet,
)
from emotrace.pipeline.rows import Row, select_rows
from emotrace.study.groups import with_effect
from emotrace.study.profiles import Profile
from emotrace.study.run import TABLES, RowWork, read_provenance, run_rows
from emotrace.weights import ModelError

FIXTURES, SOURCE = Path(__file__).parents[1] / "fixtures", Path(__file__).parents[2] / "src"
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
        "import sys; sys.path[:0] = sys.argv[2:]; from pathlib import Path\n"
        "from small_tasks import square_tasks; from emotrace.engine.workers import LocalWorkers\n"
        "if __name__ == '__main__':\n"
        "    with LocalWorkers(2) as workers:\n"
        "        workers.run(square_tasks(Path(sys.argv[1]), range(20, 2000)), 'squares')\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    command = [sys.executable, str(script), str(tmp_path), str(FIXTURES), str(SOURCE)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
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
def finished(shared, tmp_path_factory) -> Profile:
    """An uninterrupted run in a process of its own."""
    profile = tiny_profile(shared, tmp_path_factory.mktemp("finished"))
    assert run_rows(profile, ROWS, jobs=1) == ["original", "ECAPA-anon-T6"]
    return profile


def results(profile: Profile, row: Row) -> Path:
    return RowWork(profile, row).folder


def state(profile: Profile, row: Row) -> State:
    return state_of(RowWork(profile, row))


def test_a_killed_run_ends_with_the_same_bytes(shared, finished, tmp_path):
    """Killed once, in the middle; `fixtures/kill_run.py` kills the phantom's run as often as one likes."""
    command = [sys.executable, str(FIXTURES / "tiny_study.py"), str(shared), str(tmp_path)]
    path = {**os.environ, "PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen(command, env=path, stderr=subprocess.DEVNULL)
    _wait_until(lambda: sum(path.is_file() for path in (tmp_path / "work").rglob("*")) >= 60, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    subprocess.run(command, env=path, check=True, stderr=subprocess.DEVNULL)
    names = sorted(str(path.relative_to(tmp_path / "results")) for path in (tmp_path / "results").rglob("*.parquet"))
    assert names == sorted(f"{row.name}/{name}" for row in ROWS for name in TABLES)
    for name in names:
        assert (tmp_path / "results" / name).read_bytes() == (finished.results / name).read_bytes(), name


def test_results_have_every_utterance_and_every_attacker(finished):
    utterances, trials = (pd.read_parquet(results(finished, ANONYMISED) / name) for name in TABLES)
    assert len(utterances) == 16 and utterances["utterance"].is_monotonic_increasing
    for column in (*emotion_columns(finished.recognisers), "centroid_hz", "loudness_lufs", "fold"):
        assert utterances[column].notna().all(), column
    assert set(trials["attacker"]) == {"ignorant", "lazy-informed"} and len(trials) == 2 * 8
    utterances, trials = (pd.read_parquet(results(finished, ORIGINAL) / name) for name in TABLES)
    assert set(trials["attacker"]) == {"original"}
    assert set(utterances["corpus"]) == {"emotional", "f0"}


def test_the_lazy_informed_attacker_enrols_a_separate_invocation(finished):
    work = RowWork(finished, ANONYMISED)
    rendering = work.rendering(work.corpora[0])
    assert set(rendering.enrolment) == set(rendering.data.enrolment)
    name = rendering.data.enrolment[0]
    assert rendering.enrolment[name].read_bytes() != rendering.audio[name].read_bytes()


def test_finished_rows_are_done_and_not_run_again(finished):
    assert [state(finished, row).state for row in ROWS] == ["done", "done"]
    assert run_rows(finished, ROWS) == []


def test_provenance_says_what_a_result_depends_on(finished):
    recorded = read_provenance(finished, ANONYMISED)
    assert (recorded["row"], recorded["profile"], recorded["seed"]) == ("ECAPA-anon-T6", "tiny", 0)
    identity = recorded["identity"]
    assert identity["selection"] == {"level": "utterance", "n_farthest": 10, "n_random": 5, "seed": "2020"}
    weights = {name for part in identity["components"].values() for name in part.get("weights", {})}
    models = {name for name in weights if not name.startswith("/")}
    assert models == {"hubert", "ecapa", "pool", "acoustic-ECAPA-T6"} < weights
    assert all(part.get("code") or part.get("weights") for part in identity["components"].values())
    trials = pd.read_parquet(results(finished, ANONYMISED) / TABLES[1])
    assert recorded["attackers"] == sorted(set(trials["attacker"])) and "ignorant" in recorded["attackers"]
    assert recorded["environment"]["versions"]["torch"]


def test_a_row_is_stale_for_the_reason_that_changed(finished, monkeypatch):
    other = replace(finished, selection=Selection(n_farthest=10, n_random=4))
    assert state(other, ANONYMISED).reasons == ("selection: n_random",)
    assert state(other, ORIGINAL).state == "done"
    work = RowWork(finished, ANONYMISED)
    components = work.identity()["components"]
    monkeypatch.setattr("emotrace.engine.keys.code_digest", lambda *things: "other")
    assert set(state(finished, ANONYMISED).reasons) == {
        f"components: {name}: code" for name, part in components.items() if "code" in part
    }
    assert not [reason for reason in state(finished, ORIGINAL).reasons if "stream" in reason or "vocoder" in reason]
    with pytest.raises(CodeChangedError, match="repeat the command"):
        work.require_unchanged_code()


def test_recorded_results_are_judged_without_the_data(finished, tmp_path):
    gone = replace(finished.corpora[0], path=tmp_path / "gone")
    profile = replace(finished, corpora=(gone, *finished.corpora[1:]))
    assert not profile.has_data()
    assert state(profile, ANONYMISED).state == "done"
    assert state(profile, select_rows(["none-T1"])[0]).state == "missing"
    with pytest.raises(RunError, match="the data is not there"):
        run_rows(profile, select_rows(["none-T1"]))


def test_recorded_results_are_judged_without_a_model_that_is_not_there(finished, tmp_path):
    vocoder = f"acoustic-{ANONYMISED.decoder}"
    for model in finished.models.iterdir():
        if model.name != vocoder:
            (tmp_path / model.name).symlink_to(model)
    profile = replace(finished, models=tmp_path)
    assert state(profile, ANONYMISED).state == "done"
    (tmp_path / vocoder).symlink_to(finished.models / "acoustic-none-T6")
    reasons = state(profile, ANONYMISED).reasons
    assert reasons == (f"components: vocoder two-stage: weights: {vocoder}",)


def test_other_kernels_are_another_result_in_another_place(finished):
    portable = replace(finished, kernels=PORTABLE)
    assert state(portable, ANONYMISED).reasons == state(portable, ORIGINAL).reasons == ("kernels",)
    one, other = (RowWork(profile, ANONYMISED) for profile in (finished, portable))
    for corpus in one.corpora:
        streams = [work.keys.streams(ANONYMISED, corpus.path) for work in (one, other)]
        assert all(streams[0][spec] != streams[1][spec] for spec in streams[0])
        renderings = [work.rendering(corpus) for work in (one, other)]
        assert renderings[0].folder != renderings[1].folder
        assert all(renderings[0].keys[taken] != renderings[1].keys[taken] for taken in renderings[0].keys)


def test_an_unreachable_scheduler_is_an_error_even_where_nothing_is_left_to_run(finished):
    assert run_rows(finished, ROWS) == []
    with pytest.raises(TaskError, match="--scheduler nowhere.json: no such scheduler file"):
        run_rows(finished, ROWS, scheduler="nowhere.json")


def test_another_seed_is_another_result_for_anonymised_rows_alone(finished):
    other = replace(finished, seed=1)
    assert results(other, ORIGINAL) == results(finished, ORIGINAL)
    assert results(other, ANONYMISED) != results(finished, ANONYMISED)
    assert state(other, ORIGINAL).state == "done"
    assert state(other, ANONYMISED).state in ("missing", "partial"), "the originals that all rows share are measured"


def test_a_missing_model_is_named_before_anything_is_started(finished):
    with pytest.raises(ModelError, match="no model acoustic-none-T4 .*emotrace train acoustic-none-T4"):
        run_rows(finished, select_rows(["none-T4"], layer=4))


def test_an_effect_changes_the_finished_audio_and_leaves_the_words_out(finished):
    rows = [with_effect(row, "peak") for row in ROWS]
    assert run_rows(finished, rows, jobs=1) == ["original~peak", "ECAPA-anon-T6~peak"]
    for row in rows:
        lines = pd.read_parquet(results(finished, row) / "utterances.parquet")
        assert set(lines["corpus"]) == {"emotional"} and lines["words"].isna().all()
        assert lines[[*emotion_columns(finished.recognisers)]].notna().all(axis=None)
        work = RowWork(finished, row)
        before, after = (work.rendering(work.corpora[0], version) for version in (row.before, row))
        for name in before.audio:
            expected = peak_normalise(load_audio(before.audio[name]))
            np.testing.assert_allclose(load_audio(after.audio[name]), expected, rtol=0, atol=2**-15)
    trials = pd.read_parquet(results(finished, rows[1]) / "trials.parquet")
    assert set(trials["attacker"]) == {"ignorant", "lazy-informed"}


def test_a_second_run_of_a_profile_is_refused_while_one_is_at_work(finished):
    with running(finished.work, 1), pytest.raises(RunError, match="another run is at work"):
        with running(finished.work, 1):
            pass


def test_parquet_files_know_nothing_of_the_time_or_the_machine(finished):
    assert pq.read_schema(results(finished, ORIGINAL) / "utterances.parquet").metadata is None
    assert "recorded" in json.loads((results(finished, ORIGINAL) / "provenance.json").read_text())


def test_all_that_makes_the_tables_stands_in_the_identity_of_the_row(finished, tmp_path):
    import_everything()
    work, recognisers = RowWork(finished, ANONYMISED), finished.recognisers
    made, original = (work.rendering(work.corpora[0], row) for row in (ANONYMISED, ORIGINAL))

    training = Training(original, made)

    def make_tables() -> None:
        utterances = joined([utterance_lines(made, training, recognisers)])
        write_parquet(tmp_path / TABLES[0], utterances, utterance_schema(recognisers))
        write_parquet(tmp_path / TABLES[1], joined([trial_lines(made, original, training, recognisers)]), TRIALS)

    ran = executed(make_tables)
    assert sorted(ran - set(reached(*TABLE_CODE, *map(SER.find, recognisers.ser)))) == []
    for name in TABLES:
        assert (tmp_path / name).read_bytes() == (work.folder / name).read_bytes(), name


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
