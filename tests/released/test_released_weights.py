"""Weight files as data: damaged ones, and pickles that would run code."""

import os
import pickle

import numpy as np
import pytest
import torch
from stand_ins import SMALL, ecapa

from emotrace.released.files import read_weights
from emotrace.released.loaders import (
    ecapa_voxceleb,
    hubert_base,
    ssl_sas_generator,
    ssl_sas_soft_predictor,
    style_encoder,
)
from emotrace.weights import CheckpointError

LOADERS = (ssl_sas_generator, ssl_sas_soft_predictor, hubert_base, ecapa_voxceleb, style_encoder)


class Marker:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("form", ["zip", "legacy", "bare pickle"])
def test_a_pickle_that_runs_code_is_refused_and_not_run(load, form, tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "file.pt"
    content = {key: {"weight": Marker(marker)} for key in ("generator", "model", "style_emb_func", "W")}
    if form == "bare pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(CheckpointError, match="file.pt: (refused: .*mkdir.*run code|damaged)"):
        load(path)
    assert not marker.exists()


@pytest.mark.parametrize("damage", ["empty", "html", "beginning", "half", "last byte"])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_damaged_file_is_one_clear_error(damage, legacy, tmp_path):
    path = tmp_path / "embedding_model.ckpt"
    torch.save(ecapa(SMALL.ecapa, SMALL), path, _use_new_zipfile_serialization=not legacy)
    content = path.read_bytes()
    size = {"empty": 0, "html": 0, "beginning": 20, "half": len(content) // 2, "last byte": len(content) - 1}[damage]
    path.write_bytes(b"<html>Not found</html>" if damage == "html" else content[:size])
    with pytest.raises(CheckpointError) as caught:
        ecapa_voxceleb(path)
    assert str(caught.value).startswith(f"{path}: damaged") and "weights_only" not in str(caught.value)


def test_flipped_bytes_never_give_another_kind_of_error(tmp_path):
    path = tmp_path / "file.pt"
    torch.save({"a": torch.randn(3, 4)}, path, _use_new_zipfile_serialization=False)
    content, generator = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        flipped = bytearray(content)
        for place in generator.integers(0, len(content), 3):
            flipped[place] ^= int(generator.integers(1, 256))
        path.write_bytes(flipped)
        try:
            read_weights(path)
        except CheckpointError:
            refused += 1
    assert 100 < refused < 200  # the others hit the numbers themselves
