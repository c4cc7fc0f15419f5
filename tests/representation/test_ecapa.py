"""ECAPA: shapes, the sentence mean, gradients, determinism."""

import pytest
import torch

from emotrace.representation.ecapa import Ecapa

CHANNELS = (16, 16, 16, 16, 48)


@pytest.fixture(scope="module")
def ecapa():
    torch.manual_seed(0)
    return Ecapa(CHANNELS, attention=8)


@pytest.fixture
def waveform():
    return torch.randn(2, 16_000, generator=torch.Generator().manual_seed(1)) * 0.1


def test_the_default_is_the_released_voxceleb_network():
    weights = Ecapa().model.state_dict()
    assert weights["blocks.0.conv.conv.weight"].shape == (1024, 80, 5)
    assert weights["mfa.conv.conv.weight"].shape == (3072, 3072, 1)
    assert weights["fc.conv.weight"].shape == (192, 6144, 1)


def test_features_have_the_mean_of_their_sentence_removed(ecapa, waveform):
    features = ecapa.features(waveform)
    assert features.shape == (2, 101, 80)
    torch.testing.assert_close(features.mean(1), torch.zeros(2, 80), rtol=0, atol=1e-4)
    assert features.std() > 1.0


def test_the_level_does_not_matter_but_the_speaker_does(ecapa, waveform):
    loud = ecapa.embed(waveform[0])
    torch.testing.assert_close(ecapa.embed(waveform[0] * 0.5), loud, rtol=0, atol=1e-4)
    assert (ecapa.embed(waveform[1].cumsum(0)) - loud).abs().max() > 1e-2


def test_one_utterance_is_its_row_of_a_batch(ecapa, waveform):
    ecapa.eval()
    batch = ecapa(waveform)
    assert batch.shape == (2, 192)
    torch.testing.assert_close(ecapa.embed(waveform[1]), batch[1].detach(), rtol=0, atol=1e-5)


def test_embedding_is_deterministic_and_leaves_the_mode(ecapa, waveform):
    ecapa.train()
    before = {name: value.clone() for name, value in ecapa.state_dict().items()}
    first = ecapa.embed(waveform[0])
    assert torch.equal(ecapa.embed(waveform[0]), first) and not first.requires_grad
    assert ecapa.training
    assert all(torch.equal(value, before[name]) for name, value in ecapa.state_dict().items())


def test_gradients_reach_the_first_layer(ecapa, waveform):
    ecapa.train()
    ecapa(waveform).square().sum().backward()
    assert ecapa.model.blocks[0].conv.conv.weight.grad.abs().sum() > 0


def test_the_shortest_utterance(ecapa):
    assert torch.isfinite(ecapa.embed(torch.randn(800))).all()
    with pytest.raises(ValueError, match="at least 800"):
        ecapa.embed(torch.randn(799))
