"""Weights in torch's files: what torch reads is what is read without it."""

import pickle

import numpy as np
import pytest
import torch

from emotrace.light.tensors import read_state
from emotrace.weights import CheckpointError

STATE = {
    "a.weight": torch.arange(12.0).reshape(3, 4),
    "a.part": torch.arange(12.0).reshape(3, 4)[:, 1:3],  # a view: an offset and a stride
    "turned": torch.arange(6.0).reshape(2, 3).T,
    "count": torch.tensor(7),
    "half": torch.tensor([0.5, -2.0]).half(),
}


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "stream"])
def test_both_formats_are_read_as_torch_reads_them(archive, tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"step": 3, "model": STATE}, path, _use_new_zipfile_serialization=archive)
    read = read_state(path, "model")
    assert read.keys() == STATE.keys()
    for name, tensor in STATE.items():
        np.testing.assert_array_equal(read[name], tensor.numpy())
        assert read[name].dtype == tensor.numpy().dtype


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "stream"])
def test_a_file_that_would_run_code_is_refused(archive, tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"model": STATE, "further": pickle.Pickler}, path, _use_new_zipfile_serialization=archive)
    with pytest.raises(CheckpointError, match="it holds a _?pickle.Pickler"):
        read_state(path, "model")


def test_a_damaged_file_or_a_key_that_is_not_there_is_one_message_with_its_path(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"model": STATE}, path)
    with pytest.raises(CheckpointError, match=f"{path}: no weights 'models'"):
        read_state(path, "models")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CheckpointError, match=str(path)):
        read_state(path, "model")
    with pytest.raises(CheckpointError, match="nowhere.pt"):
        read_state(tmp_path / "nowhere.pt", "model")
