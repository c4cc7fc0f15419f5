"""The losses: numbers worked out by hand, and their fixed points."""

import pytest
import torch

from emotrace.representation.mel import ssl_sas_mel
from emotrace.training.vocoder import (
    adversarial_loss,
    discriminator_loss,
    feature_loss,
    generator_loss,
    mel_loss,
)


def output(scores, *maps):
    return torch.tensor([scores]), [torch.tensor(m) for m in maps]


REAL = [output([1.0, 0.0], [1.0, 2.0]), output([0.5], [[4.0]], [[0.0]])]
FAKE = [output([0.0, 2.0], [1.0, 4.0]), output([0.5], [[1.0]], [[1.0]])]


def test_least_squares_by_hand():
    # (0 + 1) / 2 + (0 + 4) / 2, then 0.25 + 0.25
    assert discriminator_loss(REAL, FAKE).item() == pytest.approx(3.0)
    # (1 + 1) / 2, then 0.25
    assert adversarial_loss(FAKE).item() == pytest.approx(1.25)


def test_feature_matching_by_hand():
    assert feature_loss(REAL, FAKE).item() == pytest.approx(1.0 + 3.0 + 1.0)
    assert feature_loss(REAL, REAL).item() == 0


def test_feature_matching_teaches_the_generator_alone():
    real, fake = torch.ones(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    feature_loss([(real, [real])], [(fake, [fake])]).backward()
    assert real.grad is None and fake.grad.tolist() == [-0.5, -0.5]


def test_mel_loss_of_a_louder_copy_is_the_log_of_the_gain():
    torch.manual_seed(0)
    waveform = 0.1 * torch.randn(2, 1, 8960)
    assert mel_loss(waveform, waveform).item() == 0
    assert mel_loss(waveform, 2 * waveform).item() == pytest.approx(torch.log(torch.tensor(2.0)).item(), abs=1e-3)
    expected = (ssl_sas_mel(waveform[:, 0]) - ssl_sas_mel(-waveform.flip(0)[:, 0])).abs().mean()
    assert mel_loss(waveform, -waveform.flip(0)).item() == pytest.approx(expected.item(), rel=1e-6)


def test_weights_are_the_papers():
    assert generator_loss(torch.tensor(1.0), torch.tensor(10.0), torch.tensor(100.0)).item() == 45 + 20 + 100
