"""The discriminators: published size, periods, scales."""

import pytest
import torch

from emotrace.training.unified import HIFIGAN, SLIM
from emotrace.training.vocoder import PERIODS, Discriminators, PeriodDiscriminator


def size(module):
    """Weights and biases, without the scale that weight norm adds."""
    names = ("bias", "original1", "weight.original")
    return sum(p.numel() for name, p in module.named_parameters() if name.endswith(names))


@pytest.fixture(scope="module")
def slim():
    torch.manual_seed(0)
    return Discriminators(SLIM)


def test_the_papers_sizes():
    with torch.device("meta"):
        paper = Discriminators(HIFIGAN)
    assert size(paper.periods) == pytest.approx(41.1e6, rel=0.01)
    assert size(paper.scales) == pytest.approx(29.6e6, rel=0.01)


def test_slim_is_about_a_million(slim):
    assert 0.8e6 < size(slim) < 1.4e6


@pytest.mark.parametrize("samples", [8960, 8961, 3201])
@torch.no_grad()
def test_every_period_and_scale_reads_every_length(slim, samples):
    outputs = slim(torch.randn(2, 1, samples))
    assert len(outputs) == 8
    assert all(scores.shape[0] == 2 and scores.ndim == 2 for scores, _ in outputs)
    assert [len(maps) for _, maps in outputs] == [6] * 5 + [8] * 3
    assert all(torch.equal(maps[-1].flatten(1), scores) for scores, maps in outputs)


@pytest.mark.parametrize("period", PERIODS)
def test_a_period_discriminator_never_mixes_phases(period):
    discriminator = PeriodDiscriminator(period, SLIM.period_channels)
    waveform = torch.randn(1, 1, 40 * period, requires_grad=True)
    _, maps = discriminator(waveform)
    maps[-1][..., 0].sum().backward()
    phases = waveform.grad[0, 0].abs().view(-1, period).sum(0)
    assert phases[0] > 0 and torch.all(phases[1:] == 0)


@torch.no_grad()
def test_the_second_scale_reads_half_the_rate(slim):
    maps = [maps[0] for _, maps in slim(torch.randn(1, 1, 8000))[5:]]
    assert [m.shape[2] for m in maps] == [8000, 4001, 2001]
