"""Weights on disk: compact ones are close to what was written and whole; a folder of models names what it lacks."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from emotrace.weights import LEVELS, SCALE, ModelError, ModelFolder, read_weights, write_weights


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


@pytest.fixture
def folder(tmp_path) -> ModelFolder:
    """Two models, "line" and "other", and a folder without weights."""
    for name in ("line", "other"):
        (tmp_path / name).mkdir()
        write_weights(tmp_path / name / "model.safetensors", nn.Linear(3, 2).state_dict())
        (tmp_path / name / "config.json").write_text(json.dumps({"inputs": 3}))
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.json").write_text("{}")
    return ModelFolder(tmp_path)


def test_a_folder_tells_its_models_and_their_configuration(folder):
    assert folder.names() == ("line", "other")
    assert folder.path("line") == folder.folder / "line"
    assert folder.config("line") == {"inputs": 3}


def test_a_model_is_filled_and_put_in_evaluation_mode(folder):
    line = folder.fill(nn.Linear(3, 2), "line")
    assert not line.training
    for name, value in folder.tensors("line").items():
        assert torch.equal(line.state_dict()[name], value.float())


def test_some_tensors_fill_a_part(folder):
    part = folder.fill(nn.Linear(3, 2, bias=False), "line", {"weight": torch.ones(2, 3)})
    assert torch.equal(part.weight, torch.ones(2, 3))


def test_the_hash_is_that_of_weights_and_configuration(folder):
    path = folder.path("line")
    content = (path / "model.safetensors").read_bytes() + (path / "config.json").read_bytes()
    before = folder.sha256("line")
    assert before == hashlib.sha256(content).hexdigest()
    (path / "config.json").write_text(json.dumps({"inputs": 4}))
    changed = folder.sha256("line")
    write_weights(path / "model.safetensors", nn.Linear(3, 2).state_dict())
    assert len({before, changed, folder.sha256("line"), folder.sha256("other")}) == 4


@pytest.mark.parametrize("name", ["absent", "unfinished"])
def test_a_model_that_is_not_there_is_named_with_the_command_that_makes_it(folder, name):
    message = rf"no model '{name}' in .* \(there: line, other\); train it: emotrace train {name}"
    for look in (folder.path, folder.sha256, folder.config, folder.tensors):
        with pytest.raises(ModelError, match=message):
            look(name)
    with pytest.raises(ModelError, match="there: none"):
        ModelFolder(folder.folder / "line").path(name)


def test_damaged_foreign_and_unusable_weights_are_named(folder):
    path = folder.folder / "line" / "model.safetensors"
    with pytest.raises(ModelError, match="line: weights that do not fit the configuration"):
        folder.fill(nn.Linear(4, 2), "line")
    write_weights(
        path, {name: torch.full_like(value, torch.nan) for name, value in nn.Linear(3, 2).state_dict().items()}
    )
    with pytest.raises(ModelError, match="line: NaN or infinite weights"):
        folder.fill(nn.Linear(3, 2), "line")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ModelError, match="line/model.safetensors: damaged weights"):
        folder.tensors("line")
