"""Every stream of the registry, by untrained models: its size and rate, the level, whole utterances."""

import numpy as np
import pytest
import torch
from tiny_models import make_models

from emotrace.corpus.audio import peak_normalise
from emotrace.representation import STREAMS
from emotrace.representation.spec import StreamSpec
from emotrace.weights import ModelError, ModelFolder

SAMPLES = 16_123
ENCODERS = ("hubert", "whisper")


def specification(name: str) -> StreamSpec:
    return StreamSpec(name, 6 if name in ENCODERS else None)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> ModelFolder:
    return ModelFolder(make_models(tmp_path_factory.mktemp("models"), layers=()))


@pytest.fixture(scope="module")
def waveform() -> torch.Tensor:
    """A voice of 150 Hz with some noise (T,), peak 0.95."""
    time = np.arange(SAMPLES) / 16_000
    voice = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 12))
    noise = np.random.default_rng(0).normal(0, 0.2, SAMPLES)
    return torch.from_numpy(peak_normalise((voice + noise).astype(np.float32)))


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_has_the_size_and_the_rate_that_it_says(models, waveform, name):
    stream = STREAMS.find(name).load(models, specification(name).layer)
    read = stream(waveform)
    assert read.dtype == torch.float32 and torch.isfinite(read).all() and not read.requires_grad
    if stream.rate == 0:
        assert read.shape == (stream.dimension,)
        return
    assert len(read) == pytest.approx(stream.rate * SAMPLES / 16_000, abs=1.01)
    assert read[0].numel() == stream.dimension


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_loaded_from_the_models_that_it_names_alone(models, waveform, name, tmp_path):
    kind, layer = STREAMS.find(name), specification(name).layer
    for model in kind.models:
        with pytest.raises(ModelError, match=f"no model '{model}'"):
            kind.load(ModelFolder(tmp_path), layer)
        (tmp_path / model).symlink_to(models.path(model))
    assert torch.equal(kind.load(ModelFolder(tmp_path), layer)(waveform), kind.load(models, layer)(waveform))


def test_layers_are_those_asked_for(models, waveform):
    encoder = STREAMS.find("hubert")
    first, sixth = (encoder.load(models, layer)(waveform) for layer in (1, 6))
    assert (first - sixth).abs().max() > 1e-2
    for layer in (None, -1, 13):
        with pytest.raises(IndexError, match=f"T{layer} of a HuBERT with 12 layers"):
            encoder.load(models, layer)


def test_soft_units_come_from_a_hubert_of_their_own(models, waveform):
    units = STREAMS.find("soft").load(models)
    other = STREAMS.find("hubert").load(models, 12)
    by_the_other = units.head(other(waveform)).detach()
    assert (units(waveform) - by_the_other).abs().max() > 1e-2


def test_features_of_a_crop_are_not_a_crop_of_the_features(models, waveform):
    """SSL-SAS extracts from its training crop of 0.56 s: those values differ from the whole utterance's."""
    crop = waveform[3_200 : 3_200 + 8_960]
    layer, f0 = STREAMS.find("hubert").load(models, 6), STREAMS.find("f0").load(models)
    assert layer(crop).shape == (27, 16) and f0(crop).shape == (56,)
    assert (layer(crop) - layer(waveform)[10:37]).abs().max() > 1e-2


def test_an_acoustic_prompt_is_mean_and_standard_deviation_of_the_log_mel(models, waveform):
    log_mel = STREAMS.find("log-mel").load(models)(waveform).numpy().astype(np.float64)
    prompt = STREAMS.find("prompt").load(models)(waveform)
    np.testing.assert_allclose(prompt.numpy(), np.concatenate([log_mel.mean(0), log_mel.std(0)]), rtol=1e-4)
