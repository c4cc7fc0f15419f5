"""The iSTFT generator: perfect reconstruction, timing, size."""

import pytest
import torch

from emotrace.training.data import normalise_to
from emotrace.vocoder.istft import IstftConfig, IstftGenerator, overlap_add
from emotrace.weights import load_model, save_model


def analysis(waveform, window, hop):
    """STFT whose frame l is centred on the middle of hop l: the inverse of what is tested."""
    margin = (len(window) - hop) // 2
    padded = torch.nn.functional.pad(waveform, (margin, margin))
    return torch.fft.rfft(padded.unfold(1, len(window), hop) * window, dim=2).transpose(1, 2)


@pytest.mark.parametrize(("n_fft", "hop"), [(640, 160), (320, 160), (64, 16)])
def test_overlap_add_inverts_the_stft(n_fft, hop):
    torch.manual_seed(0)
    waveform, window = torch.randn(2, 20 * hop), torch.hann_window(n_fft)
    again = overlap_add(analysis(waveform, window, hop), window, hop)
    assert again.shape == waveform.shape
    torch.testing.assert_close(again, waveform, rtol=1e-4, atol=1e-4)


def test_overlap_add_agrees_with_torch_istft_inside(oracle):
    torch.manual_seed(0)
    spectrum, window = torch.randn(1, 321, 12, dtype=torch.complex64), torch.hann_window(640)
    waveform = overlap_add(spectrum, window, 160)[0]
    # centred: torch's frame l sits at 160 l, that of overlap_add half a hop later
    by_torch = torch.istft(spectrum, 640, 160, window=window)[0]
    ours, theirs = waveform[400 : 400 + 1000], by_torch[320 : 320 + 1000]
    oracle("overlap-add of the iSTFT generator", "torch.istft", ours, theirs, 1e-4)


def test_a_frame_sounds_at_its_own_time():
    spectrum = torch.zeros(1, 321, 9, dtype=torch.complex64)
    spectrum[:, :, 4] = 1.0  # an impulse at the first sample of the window, made to sit at its centre
    spectrum = spectrum * torch.polar(torch.ones(321), -torch.pi * torch.arange(321.0))[:, None]
    waveform = overlap_add(spectrum, torch.hann_window(640), 160)[0]
    assert waveform.abs().argmax() == 4 * 160 + 80


def small():
    torch.manual_seed(0)
    return IstftGenerator(IstftConfig(6, dim=16, blocks=2)).eval()


def test_shapes_size_and_gradients():
    generator = small()
    waveform = generator(torch.randn(2, 6, 7))
    assert waveform.shape == (2, 1, 7 * 160)
    waveform.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in generator.parameters())
    assert 1e6 < sum(p.numel() for p in IstftGenerator(IstftConfig(393)).parameters()) < 2.5e6


def test_utterances_of_a_batch_do_not_mix():
    generator, ir = small(), torch.randn(2, 6, 11)
    torch.testing.assert_close(generator(ir)[1:], generator(ir[1:]), rtol=1e-4, atol=1e-5)


def test_huge_inputs_stay_finite():
    assert torch.isfinite(small()(1e4 * torch.randn(1, 6, 5))).all()


def test_saved_and_loaded_generators_agree(tmp_path):
    generator = small()
    normalise_to(generator, ir=[3 + torch.randn(6, 50)])
    save_model(generator, tmp_path)
    ir = torch.randn(1, 6, 8)
    assert torch.equal(load_model(IstftGenerator, IstftConfig, tmp_path)(ir), generator(ir))


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(B, 6, L\)"):
        small()(torch.zeros(1, 5, 8))
    with pytest.raises(ValueError, match="multiple of hop"):
        IstftConfig(6, n_fft=500)
