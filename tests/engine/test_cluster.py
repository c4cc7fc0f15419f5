"""A dask cluster instead of local processes: the same bytes, lost workers included, and one message where it fails."""

import os
import platform
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import distributed
import pytest
from small_tasks import meet, square_tasks, torch_threads
from stand_in import make_corpus
from tiny_study import ROWS, make_tiny, tiny_profile

from emotrace import evaluate
from emotrace.analysis.summary import summary_table, write_results
from emotrace.corpus.audio import load_audio, save_audio
from emotrace.corpus.datadir import write_datadir
from emotrace.engine import cluster as engine_cluster
from emotrace.engine.cluster import ClusterError, ClusterWorkers, mismatches, own_environment
from emotrace.engine.workers import PORTABLE, Task, TaskError
from emotrace.pipeline.measures import Measure, Recognisers
from emotrace.study.profiles import Profile
from emotrace.study.run import TABLES, RowWork, run_rows

PYTHON = platform.python_version()
ROW = ROWS[1]  # anonymised: features, pool, synthesis, a separate enrolment


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of one thread; the nanny of a killed one starts another."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": 0}
    with distributed.LocalCluster(**options) as cluster:
        yield cluster


def test_two_workers_one_of_them_killed_write_the_bytes_of_a_local_run(cluster, tmp_path):
    shared = make_tiny(tmp_path / "shared")
    local, remote = (speakers_alone(tiny_profile(shared, tmp_path / name)) for name in ("local", "remote"))
    killed = []
    killer = threading.Thread(target=lambda: killed.append(kill_a_worker(cluster, remote, after=3)))
    killer.start()
    assert run_rows(remote, [ROW], scheduler=cluster.scheduler_address) == [ROW.name]
    killer.join()
    run_rows(local, [ROW], jobs=1)
    assert len(killed) == 1
    for name in TABLES:
        bytes_of = [(RowWork(profile, ROW).folder / name).read_bytes() for profile in (remote, local)]
        assert bytes_of[0] == bytes_of[1], name
    assert not list(remote.work.rglob(".cluster*"))


def speakers_alone(profile: Profile) -> Profile:
    """The same study of speakers and acoustics: which measures run is no matter of the cluster's."""
    corpus = replace(profile.corpora[0], measures=frozenset({Measure.SPEAKER, Measure.ACOUSTICS}))
    return replace(profile, corpora=(corpus,))


def test_an_evaluation_by_one_process_two_or_a_cluster_writes_the_same_files(cluster, tmp_path):
    """The protocol on another machine: parquet, summary and notes, byte by byte."""
    data, bare = make_corpus(tmp_path / "data"), Recognisers(ser=("ge2e",), naturalness="")
    data = write_datadir(tmp_path / "data", [replace(each, text=None) for each in data], trials=data.trials)
    copy = tmp_path / "copy"
    copy.mkdir()
    for utterance in data:
        save_audio(copy / f"{utterance.id}.wav", 0.5 * load_audio(utterance.path))
    ways = {"one": {"jobs": 1}, "two": {"jobs": 2}, "dask": {"scheduler": cluster.scheduler_address}}
    for name, way in ways.items():
        results = evaluate(data, copy, recognisers=bare, work=tmp_path / "work" / name, **way)
        write_results(tmp_path / name, results, summary_table(results))
    files = {name: {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ways}
    assert len(files["one"]) == 4 and files["one"] == files["two"] == files["dask"]


def kill_a_worker(cluster, profile: Profile, *, after: int) -> int:
    """SIGKILL one of two workers when so many utterances are synthesised and others are not; returns its process id."""
    audio = profile.work / ROW.name
    wait_until(lambda: len(list(audio.rglob("*.flac"))) >= after)
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        pids = list(client.run(os.getpid).values())
    assert len(pids) == 2
    os.kill(pids[0], signal.SIGKILL)
    assert len(list(audio.rglob("*.flac"))) < 16
    return pids[0]


def wait_until(condition) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "waited for five minutes"
        time.sleep(0.02)


def test_a_task_that_fails_is_named_as_in_a_local_run(cluster, tmp_path):
    with ClusterWorkers(cluster.scheduler_address, tmp_path) as workers:
        with pytest.raises(TaskError, match="^square of -1: ValueError: no negative numbers$"):
            workers.run(square_tasks(tmp_path, [1, -1]), "squares")
        with pytest.raises(TaskError, match="^square of 13: no output was written to .*13.txt$"):
            workers.run(square_tasks(tmp_path, [13]), "squares")
        assert workers.run(square_tasks(tmp_path, [1, 2, 3]), "squares") >= 2
        assert workers.run(square_tasks(tmp_path, [1, 2, 3]), "squares") == 0
    assert (tmp_path / "3.txt").read_text() == "9\n"


def test_both_workers_work_each_with_one_thread(cluster, tmp_path):
    tasks = [Task(f"meeting {n}", tmp_path / f"{n}.txt", meet, (tmp_path,)) for n in range(2)]
    with ClusterWorkers(cluster.scheduler_address, tmp_path) as workers:
        threading.Thread(target=_go_when_two_are_there, args=(tmp_path,)).start()
        workers.run(tasks, "meetings")
        threads = workers._client.run(torch_threads)
    assert len(list(tmp_path.glob("*.pid"))) == 2
    assert set(threads.values()) == {1}


def _go_when_two_are_there(folder: Path) -> None:
    wait_until(lambda: len(list(folder.glob("*.pid"))) == 2)
    (folder / "go").touch()


def test_a_run_whose_workers_are_all_gone_stops_and_says_so(tmp_path):
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as lonely:
        address = lonely.scheduler_address
        with ClusterWorkers(address, tmp_path, patience=1) as workers:
            task = Task("meeting", tmp_path / "never.txt", meet, (tmp_path,))

            def dismiss() -> None:
                wait_until(lambda: list(tmp_path.glob("*.pid")))
                lonely.scale(0)

            threading.Thread(target=dismiss).start()
            with pytest.raises(ClusterError, match="all workers are gone for 1 s; what is done stays done"):
                workers.run([task], "meetings")
        with pytest.raises(ClusterError, match="no worker in 1 s; start some: dask worker"):
            ClusterWorkers(address, tmp_path, patience=1)


def test_an_unreachable_scheduler_is_one_message(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_cluster, "CONNECT_SECONDS", 0.2)
    with pytest.raises(ClusterError, match="--scheduler tcp://127.0.0.1:9: no dask scheduler answers there"):
        ClusterWorkers("tcp://127.0.0.1:9", tmp_path)
    with pytest.raises(ClusterError, match="--scheduler nowhere.json: no such scheduler file, and no address"):
        ClusterWorkers("nowhere.json", tmp_path)


def test_a_scheduler_file_is_an_address(cluster, tmp_path):
    path = tmp_path / "scheduler.json"
    path.write_text(f'{{"address": "{cluster.scheduler_address}"}}')
    with ClusterWorkers(str(path), tmp_path) as workers:
        assert workers.run(square_tasks(tmp_path, [4]), "squares") == 1


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("package_digest", lambda: "other", "runs another version of emotrace: install this one"),
        ("environment", lambda: {"python": PYTHON, "versions": {"torch": "0.1"}}, r"has torch 2\.\S+, not 0.1"),
        ("environment", lambda: {"python": "3.8.1", "versions": {}}, r"has Python 3\.1\d, not 3.8"),
    ],
)
def test_workers_with_other_versions_are_refused(cluster, tmp_path, monkeypatch, name, value, words):
    monkeypatch.setattr(engine_cluster, name, value)
    with pytest.raises(ClusterError, match=f"2 of 2 workers cannot be used; worker tcp://.* {words}"):
        ClusterWorkers(cluster.scheduler_address, tmp_path)


def test_workers_with_other_kernels_are_refused_and_told_how_to_start(cluster, tmp_path):
    words = "computes with other kernels: start it as ATEN_CPU_CAPABILITY=avx2 .*CORETYPE=Haswell .*dask worker"
    with pytest.raises(ClusterError, match=words):
        ClusterWorkers(cluster.scheduler_address, tmp_path, PORTABLE)


def test_workers_that_do_not_share_the_folder_are_refused(tmp_path):
    wanted = own_environment(tmp_path)
    assert [words.split(" as ")[0] for words in mismatches(wanted)] == [f"does not see {tmp_path}"]
    wanted.probe.write_text("of another machine")
    mismatches.cache_clear()
    assert mismatches(wanted)
    wanted.probe.write_text(wanted.content)
    mismatches.cache_clear()
    assert mismatches(wanted) == ()


def test_workers_without_the_package_are_one_message():
    answers = {"tcp://a:1": ModuleNotFoundError("No module named 'emotrace'"), "tcp://b:1": ()}
    words = "1 of 2 workers cannot be used; worker tcp://a:1 cannot load emotrace (No module named 'emotrace')"
    assert engine_cluster._unfit(answers) == words
