"""The shipped models: complete, as their cards say, small, and of the shapes that the rows need."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from emotrace.models import DEFAULT, ModelError, load_models
from emotrace.pipeline.rows import ALL_ROWS, Row, with_layer
from emotrace.pipeline.pipeline import FRONT_END_MODELS, used_models

MODELS = load_models()
ROWS = (*ALL_ROWS, *with_layer(ALL_ROWS, 3))
NEEDED = sorted({*FRONT_END_MODELS, *(name for row in ROWS for name in used_models(row))})


def test_every_row_finds_its_models_at_layers_6_and_3():
    assert set(NEEDED) <= set(MODELS.names())


@pytest.mark.parametrize("name", NEEDED)
def test_card_tells_data_training_and_the_hash_of_the_weights(name):
    card = json.loads((DEFAULT / name / "card.json").read_text())
    assert card["sha256"] == hashlib.sha256((DEFAULT / name / "model.safetensors").read_bytes()).hexdigest()
    assert card["data"]["utterances"] > 0 and "CC BY-NC-SA" in card["licence"]
    assert all(record["steps"] > 0 and record["losses"] for record in card["training"].values())


def test_shipped_models_and_audio_stay_below_60_megabytes():
    shipped = [*DEFAULT.rglob("*.safetensors"), *(DEFAULT.parents[1] / "phantom").rglob("*.flac")]
    assert sum(path.stat().st_size for path in shipped) < 60e6


def test_features_fit_every_acoustic_model():
    time = np.arange(24_000) / 16_000
    waveform = (0.3 * np.sin(2 * np.pi * (200 * time + 20 * time**2))).astype(np.float32)
    features = MODELS.front_ends()(waveform)
    for row in (row for row in ROWS if row.ir is not None):
        ir = features.ir(row.ir, speaker=_number(row), codebook=MODELS.codebook(row.ir.post))
        if row.name != "unified-log-mel":
            with torch.inference_mode():
                mel = MODELS.acoustic(row.vocoder)(ir[None], 129)
            assert mel.shape == (1, 80, 129) and torch.isfinite(mel).all()


def _number(row: Row) -> torch.Tensor | None:
    """What an utterance does not tell: the number of a training speaker."""
    return MODELS.targets.one_hot(MODELS.targets.names[0]) if row.ir.speaker == "one-hot" else None


def test_pool_has_candidates_of_both_genders():
    assert MODELS.pool.embeddings.shape == (len(MODELS.pool.speakers), 192)
    assert min(MODELS.pool.genders.count(gender) for gender in "fm") >= 30


def test_a_model_that_is_not_there_is_named_with_the_command_that_makes_it():
    with pytest.raises(ModelError, match="no model 'acoustic-none-T5'.*emotrace train acoustic-none-T5"):
        MODELS.acoustic("acoustic-none-T5")


def test_damaged_weights_are_named(tmp_path: Path):
    folder = tmp_path / "gst"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes((DEFAULT / "gst" / "model.safetensors").read_bytes()[:1000])
    (folder / "config.json").write_text((DEFAULT / "gst" / "config.json").read_text())
    with pytest.raises(ModelError, match="gst/model.safetensors: damaged weights"):
        _ = load_models(tmp_path).gst
