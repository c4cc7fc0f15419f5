"""Two processes train as one: the same losses with half of the batch each, and an exact resume."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from shared_training import Mixture, train_all
from tiny_models import WIDTH

from emotrace.training.loop import LoopConfig, fit, own_part
from emotrace.weights import ModelFolder

# accelerate's --cpu starts a single process; without a GPU, --multi_gpu starts two that talk by gloo
LAUNCH = ("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1")
QUIET = ("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0")


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    """The folder of a run of `shared_training` by two processes."""
    folder = tmp_path_factory.mktemp("two")
    path = os.pathsep.join([str(Path(__file__).parents[2] / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    script = Path(__file__).parents[1] / "fixtures" / "shared_training.py"
    command = [sys.executable, "-m", *LAUNCH, *QUIET, str(script), str(folder)]
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL, timeout=900)
    return folder


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Path:
    """The folder of the same run by this process alone."""
    folder = tmp_path_factory.mktemp("one")
    train_all(folder)
    return folder


@pytest.fixture(scope="module")
def seen(two) -> list[dict]:
    """What each of the two processes saw."""
    return [json.loads((two / f"{index}.json").read_text()) for index in range(2)]


def losses(folder: Path) -> dict[tuple[int, str], float]:
    with (folder / "losses.csv").open() as file:
        return {(int(row["step"]), row["loss"]): float(row["value"]) for row in csv.DictReader(file)}


def test_two_processes_follow_the_loss_curve_of_one_with_the_whole_batch(one, two):
    alone, shared = losses(one / "gan"), losses(two / "gan")
    assert alone.keys() == shared.keys()
    assert {step for step, _ in alone} == set(range(1, 51))
    assert {name for _, name in alone} == {"mel", "discriminators", "features", "adversarial"}
    assert alone[50, "mel"] < 0.93 * alone[1, "mel"]  # it learns: the curves are not flat
    assert max(abs(alone[key] - shared[key]) for key in alone) <= 1e-3


def test_one_process_runs_the_same_script(one):
    alone = json.loads((one / "0.json").read_text())
    assert alone["processes"] == 1 and alone["whole"] == alone["resumed"] and "odd" not in alone


def test_the_processes_end_with_the_same_weights(seen):
    assert [each["processes"] for each in seen] == [2, 2]
    for name in ("gan", "whole", "resumed"):
        assert seen[0][name] == seen[1][name], name


def test_a_resumed_run_of_two_processes_equals_an_uninterrupted_one_bit_for_bit(two, seen):
    assert seen[0]["resumed from"] == 5
    assert seen[0]["whole"] == seen[0]["resumed"]
    assert (two / "whole" / "losses.csv").read_bytes() == (two / "parts" / "losses.csv").read_bytes()


def test_each_process_draws_dropout_of_its_own(seen):
    assert not set(seen[0]["drawn"]) & set(seen[1]["drawn"])


def test_a_value_made_by_the_main_process_is_everybodys(seen):
    assert [each["from main"] for each in seen] == [17, 17]


def test_processes_extract_features_together_and_fit_the_units_of_one(one, two):
    alone, shared = (ModelFolder(folder / "units" / "out") for folder in (one, two))
    assert shared.tensors("units")["codes"].shape == (4, WIDTH)
    torch.testing.assert_close(shared.tensors("units"), alone.tensors("units"), rtol=1e-3, atol=1e-3)
    assert shared.config("units")["penalty"] == pytest.approx(alone.config("units")["penalty"], rel=1e-3)
    features = [sorted(path.name for path in (run / "units/work/features").glob("*/*")) for run in (one, two)]
    assert features[0] == features[1] and len(features[0]) == 4


def test_a_batch_that_cannot_be_shared_is_refused(seen):
    for each in seen:
        assert each["odd"] == "a batch of 7 cannot be shared evenly by 2 processes; start another number"


def test_parts_of_a_batch_are_the_batch():
    batch = {"ir": torch.randn(6, 2, 3), "start": torch.arange(6)}
    parts = [own_part(batch, index, 3) for index in range(3)]
    for name, value in batch.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), value)
    assert own_part(batch, 0, 1) is batch


def test_gradients_of_half_batches_average_to_that_of_the_whole():
    whole = Mixture(dropout=0.0)
    line, batch = whole.modules["line"].eval(), whole.batch(np.random.default_rng(0))

    def gradient(part: torch.Tensor) -> torch.Tensor:
        line.zero_grad()
        line(part).square().mean().backward()
        return line[0].weight.grad.clone()

    halves = [gradient(own_part(batch, index, 2)) for index in range(2)]
    torch.testing.assert_close((halves[0] + halves[1]) / 2, gradient(batch))


def test_one_training_may_follow_another_in_other_precision(tmp_path):
    for precision in ("no", "bf16", "no"):
        recipe = Mixture()
        fit(recipe, LoopConfig(steps=2, precision=precision), tmp_path / f"{precision}")
        assert recipe.modules["line"](torch.zeros(2, 4)).dtype == torch.float32
        assert "forward" not in vars(recipe.modules["line"])
