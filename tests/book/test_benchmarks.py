"""The benchmarks run, compare like with like, and count what they say they count. Nothing is asserted on time."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import HUBERT

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def importable():
    """The benchmarks are scripts: they import one another from their own folder."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def tiny():
    """The paper's models, narrow."""
    from paper_models import Sizes, paper_models

    from emotrace.anonymizer.draws import Selection
    from emotrace.vocoder.hifigan import SSL_SAS

    vocoder = replace(SSL_SAS, initial_channels=32)
    sizes = Sizes(
        HUBERT, (8, 8, 8, 8, 24), units=8, vocoder=vocoder, pool=20, selection=Selection(n_farthest=8, n_random=4)
    )
    return paper_models(sizes), sizes


@pytest.fixture(scope="module")
def utterance():
    from shared_features import CORPUS

    from emotrace.corpus.datadir import DataDir

    return DataDir.read(CORPUS)["f1-test-ang-s1"]


def test_one_command_writes_finite_ratios_and_where_they_come_from(tmp_path, monkeypatch, capsys):
    import run

    for name in run.THREAD_VARIABLES:
        monkeypatch.setenv(name, "1")  # the command sets them: put back what was there
    output = tmp_path / "results.json"
    assert run.main(["--quick", "--only", "c,d", "--output", str(output)]) == 0
    results, shown = json.loads(output.read_text()), capsys.readouterr().out
    assert results["quick"] and {"git_commit", "versions", "processor", "threads", "load"} <= set(
        results["environment"]
    )
    for name, keys in {
        "generator": {"float32 over matmul", "bfloat16 over float32"},
        "eer": {"times faster, 1,000 trials", "memory, 1,000 trials"},
    }.items():
        ratios = {ratio["name"]: ratio["value"] for ratio in results[name]["ratios"]}
        assert keys <= set(ratios) and all(math.isfinite(value) for value in ratios.values())
        assert all(name in shown for name in ratios)
    assert results["generator"]["details"]["fidelity"]["mel_error"]["bfloat16 to float32"] > 0
    assert results["eer"]["details"]["emotrace"]["1000"]["eer"] == pytest.approx(_eer_by_counting(1_000))


def _eer_by_counting(trials: int) -> float:
    import eer

    target, nontarget = eer.scores(trials)
    assert len(target) + len(nontarget) == trials
    rates = [((target <= t).mean(), (nontarget > t).mean()) for t in np.concatenate([target, nontarget])]
    return sum(min(rates, key=lambda pair: abs(pair[0] - pair[1]))) / 2


def test_help_names_the_benchmarks_and_an_unknown_one_is_refused():
    command = [sys.executable, str(BENCHMARKS / "run.py")]
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(name in shown for name in ("shared_features", "training_step", "generator", "eer"))
    refused = subprocess.run([*command, "--only", "a,x"], capture_output=True, text=True)
    assert refused.returncode == 2 and "one or more of a shared_features" in refused.stderr


@pytest.mark.parametrize(("channels", "frames"), [(128, 7), (64, 20)])
def test_the_formula_counts_what_torch_counts(channels, frames):
    from generator import convolution_flops, counted_flops

    from emotrace.vocoder.hifigan import SSL_SAS, UNIVERSAL

    for config in (SSL_SAS, UNIVERSAL):
        config = replace(config, initial_channels=channels)
        assert convolution_flops(config, frames) == counted_flops(config, frames)


def test_the_seven_rows_need_five_vocoders_with_the_channels_of_the_paper():
    from paper_models import LAYERS, ROWS, ir_channels, paper_sizes

    channels = {row.ir.name: ir_channels(paper_sizes(), row.ir) for row in ROWS}
    assert len(ROWS) == 7 and LAYERS == (1, 6)
    assert channels == {
        **{"none-T1": 769, "ECAPA-T6": 961, "ECAPA-T12-soft": 393},
        **{"GST-T12-soft": 329, "none-T6": 769},
    }


def test_shared_features_give_every_row_the_ir_that_it_computes_alone(tiny, utterance, tmp_path):
    from shared_features import feature_cache, irs_alone, irs_shared, require_equal

    models, _ = tiny
    alone = irs_alone(models, utterance)
    shared = irs_shared(models, utterance, feature_cache(tmp_path, models.streams()))
    require_equal(alone, shared)
    assert not torch.equal(alone["ECAPA-orig-T6"], alone["ECAPA-anon-T6"])
    shared["none-T1"] = shared["none-T1"] + 1
    with pytest.raises(AssertionError, match="row none-T1"):
        require_equal(alone, shared)


def test_all_ways_of_seven_rows_run(tiny, utterance, tmp_path):
    from measurement import interleaved
    from shared_features import ALONE, BFLOAT16, FLOAT32, SHARED, bfloat16_differences, shared_tasks

    models, _ = tiny
    timings = interleaved(shared_tasks(models, [utterance], tmp_path), 1)
    for route in (SHARED, FLOAT32, BFLOAT16):
        assert 0 < timings.ratio(route, ALONE) < math.inf
    # of untrained networks; 0.5 of HuBERT on an Intel with AVX-512 and without bfloat16 instructions, 0.02 on others
    assert all(0 < error < 0.7 for error in bfloat16_differences(models, utterance).values())


def test_the_crops_features_are_those_of_the_training_mode(tiny):
    from training_step import SPEC, crop_irs

    from emotrace.corpus.audio import load_audio, peak_normalise
    from emotrace.training.vocoder import SEGMENT, CropFeatures

    models, _ = tiny
    waveform = peak_normalise(load_audio(ROOT / "data/phantom/test/audio/f1-test-sad-s2.flac"))
    firsts = (20, 60)
    batched = crop_irs(models, torch.stack([torch.from_numpy(waveform[160 * i : 160 * i + SEGMENT]) for i in firsts]))
    by_crop = CropFeatures([waveform], SPEC, models.streams())
    torch.testing.assert_close(batched, torch.stack([by_crop(0, i) for i in firsts]), rtol=0, atol=1e-4)


def test_a_step_of_each_kind_runs(tiny):
    from measurement import interleaved
    from training_step import cached_over_crops, step_tasks

    models, sizes = tiny
    assert 0 < cached_over_crops(interleaved(step_tasks(models, sizes, "slim"), 1)) < 1


def test_an_eer_that_takes_too_long_is_reported_as_stopped():
    import eer

    stopped = eer._in_a_process("speechbrain", 200_000, 0.2)
    assert not stopped["finished"] and stopped["eer"] is None and "TimeoutError" in stopped["stopped"]


def test_a_stopped_one_gives_a_bound_and_no_extrapolation():
    import eer

    ours = {n: {"seconds": n / 1e6, "bytes": n} for n in (100_000, 1_000_000)}
    theirs = {100_000: {"seconds": 20.0, "bytes": 4e5}, 1_000_000: {"seconds": 60.0, "bytes": 1e6}}
    finished, stopped = eer._speed_ratios(ours, theirs, [100_000])
    assert finished.name == "times faster, 100,000 trials" and finished.value == pytest.approx(200)
    assert "at least" in stopped.name and stopped.value == pytest.approx(60) and stopped.met is False
    memory, growth = eer._memory_ratios(ours, theirs, [100_000])
    assert memory.value == pytest.approx(0.25) and growth.value == pytest.approx(1) and growth.met
    assert eer._exponent({10: 1.0, 100: 100.0, 1000: 1e4}) == pytest.approx(2) and eer._exponent({10: 1.0}) is None


def test_a_disagreement_with_speechbrain_stops_the_benchmark():
    import eer

    eer._require_agreement(10, 0.1, 0.1 + 1e-7)
    with pytest.raises(AssertionError, match="EER of 10 trials"):
        eer._require_agreement(10, 0.1, 0.2)


def test_the_ratio_of_sums_is_taken_within_each_round():
    from measurement import Ratio, Timings

    timings = Timings({"a": [1.0, 30.0, 3.0], "b": [1.0, 30.0, 1.0], "c": [2.0, 60.0, 4.0]})
    assert timings.ratio(["a", "b"], ["c"]) == 1.0 and timings["a"] == 3.0
    assert Ratio("r", 0.3, at_most=0.35).met and Ratio("r", 1.9, at_least=1.8).met
    assert Ratio("r", 0.4, at_most=0.35).met is False and Ratio("r", 1.0).met is None
