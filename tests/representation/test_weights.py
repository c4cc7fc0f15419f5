"""Compact weights: small, close to what was written, and whole."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from emotrace.weights import LEVELS, SCALE, read_weights, write_weights


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    matrix = torch.randn(64, 32, 3, generator=draw) * torch.logspace(-3, 1, 64)[:, None, None]
    matrix[5] = 0
    return {
        "matrix": matrix,
        "bias": torch.randn(64, generator=draw),
        "small": torch.randn(4, 4, generator=draw),
        "count": torch.tensor(7),
    }


def test_a_matrix_is_off_by_half_a_step_of_its_row_at_most(tensors, tmp_path):
    write_weights(tmp_path / "w", tensors)
    step = tensors["matrix"].abs().amax((1, 2)) / LEVELS
    error = (read_weights(tmp_path / "w")["matrix"] - tensors["matrix"]).abs().amax((1, 2))
    assert (error <= 0.5001 * step).all() and error[5] == 0 and error.max() > 0


def test_small_tensors_are_halved_and_counts_stay_integers(tensors, tmp_path):
    write_weights(tmp_path / "w", tensors)
    read = read_weights(tmp_path / "w")
    assert set(read) == set(tensors)
    assert torch.equal(read["bias"], tensors["bias"].half()) and torch.equal(read["small"], tensors["small"].half())
    assert torch.equal(read["count"], tensors["count"])
    stored = load_file(tmp_path / "w")
    assert stored["matrix"].dtype == torch.int8 and stored["matrix" + SCALE].shape == (64,)
    assert (tmp_path / "w").stat().st_size < 0.3 * sum(t.numel() * t.element_size() for t in tensors.values()) + 1_000


def test_writing_what_was_read_changes_nothing_more(tensors, tmp_path):
    write_weights(tmp_path / "once", tensors)
    write_weights(tmp_path / "twice", read_weights(tmp_path / "once"))
    once, twice = read_weights(tmp_path / "once"), read_weights(tmp_path / "twice")
    assert all(torch.equal(once[name].float(), twice[name].float()) for name in tensors)


def test_a_file_without_scales_comes_as_it_is(tensors, tmp_path):
    save_file(tensors, tmp_path / "plain")
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in read_weights(tmp_path / "plain").items())


def test_weights_that_are_not_finite_stay_so_and_are_not_hidden(tmp_path):
    write_weights(tmp_path / "w", {"broken": torch.full((64, 64), torch.nan)})
    assert torch.isnan(read_weights(tmp_path / "w")["broken"]).all()
