"""F0: parity with YAAPT under SSL-SAS's settings, a known pitch, and the tracker's traps."""

from pathlib import Path

import numpy as np
import pytest
import torch

from emotrace.representation.f0 import F0Error, yaapt_f0

PARITY = Path(__file__).parents[1] / "data" / "parity"


def test_f0_is_that_of_ssl_sas(oracle):
    fixture = np.load(PARITY / "yaapt.npz")
    f0 = yaapt_f0(fixture["waveform"])
    oracle("F0", "YAAPT as SSL-SAS calls it", f0.double().numpy(), fixture["f0"], 1e-5, "Hz")
    assert (fixture["f0"] == 0).any() and (fixture["f0"] > 0).any()


def vowel(hz: float) -> torch.Tensor:
    """One second, (16000,): harmonics under a formant at 600 Hz, sounding in the first and third quarter."""
    time = torch.arange(16_000) / 16_000
    harmonics = torch.arange(1, 20)[:, None]
    weights = 0.2 / (1 + ((harmonics * hz - 600) / 300) ** 2)
    return (weights * torch.sin(2 * torch.pi * hz * harmonics * time)).sum(0) * ((time * 4).floor() % 2 == 0)


@pytest.mark.parametrize("hz", [110.0, 150.0, 220.0, 300.0])
def test_f0_of_a_vowel_is_its_pitch(hz, oracle):
    f0 = yaapt_f0(vowel(hz) + 0.003 * torch.randn(16_000, generator=torch.Generator().manual_seed(0)))
    oracle("median F0", "vowels of known pitch", f0[f0 > 0].median().item(), hz, 0.02, relative=True)
    assert (f0[3:22] > 0).all() and (f0[53:72] > 0).all()


def test_f0_is_not_interpolated_over_a_pause():
    f0 = yaapt_f0(vowel(150.0) + 0.003 * torch.randn(16_000, generator=torch.Generator().manual_seed(0)))
    assert (f0[30:45] == 0).all()


@pytest.mark.parametrize(("samples", "frames"), [(481, 4), (16_000, 100), (16_001, 101), (16_123, 101), (16_160, 101)])
def test_frames_are_counted_up(samples, frames):
    noise = np.random.default_rng(0).normal(0, 0.1, samples)
    assert yaapt_f0(noise).shape == (frames,)


def test_silence_is_unvoiced():
    assert torch.equal(yaapt_f0(torch.zeros(16_001)), torch.zeros(101))


@pytest.mark.parametrize("samples", [0, 320, 480])
def test_refuses_what_the_tracker_cannot_hold(samples):
    with pytest.raises(F0Error, match="at least 481 samples"):
        yaapt_f0(torch.ones(samples))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_nan_instead_of_calling_it_unvoiced(value):
    waveform = torch.ones(16_000)
    waveform[7] = value
    with pytest.raises(F0Error, match="NaN or infinite"):
        yaapt_f0(waveform)


def test_refuses_a_batch():
    with pytest.raises(F0Error, match=r"\(T,\)"):
        yaapt_f0(torch.ones(1, 16_000))
