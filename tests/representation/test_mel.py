"""Mel spectrograms: parity with SSL-SAS, and librosa as the independent reference."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from emotrace.representation.mel import gst_log_mel, hifigan_log_mel, ssl_sas_mel

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.fixture
def noise():
    return torch.randn(1, 8_000, generator=torch.Generator().manual_seed(0)) * 0.1


def test_ssl_sas_mel_is_that_of_ssl_sas():
    fixture = torch.load(PARITY / "ssl_sas_mel_spectrogram.pt", weights_only=True)
    torch.testing.assert_close(ssl_sas_mel(fixture["waveform"]), fixture["mel"], rtol=0, atol=1e-5)


def test_hifigan_log_mel_agrees_with_librosa(noise):
    padded = np.pad(noise[0].numpy(), 384, mode="reflect")
    magnitude = np.abs(librosa.stft(padded, n_fft=1024, hop_length=256, center=False))
    mel = librosa.filters.mel(sr=22_050, n_fft=1024, n_mels=80, fmin=0, fmax=8000) @ magnitude
    np.testing.assert_allclose(hifigan_log_mel(noise)[0].numpy(), np.log(np.maximum(mel, 1e-5)), atol=1e-4)


def test_gst_log_mel_agrees_with_librosa(noise):
    magnitude = np.abs(librosa.stft(noise[0].numpy(), n_fft=1024, hop_length=256, pad_mode="reflect"))
    mel = librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=80, fmin=40, fmax=8000) @ magnitude
    np.testing.assert_allclose(gst_log_mel(noise)[0].numpy(), np.log10(mel).T, atol=1e-4)


@pytest.mark.parametrize(("samples", "frames"), [(8_960, 35), (9_215, 35), (9_216, 36)])
def test_frames_of_the_uncentred_mels(samples, frames):
    assert ssl_sas_mel(torch.ones(2, samples)).shape == (2, 80, frames)
    assert hifigan_log_mel(torch.ones(2, samples)).shape == (2, 80, frames)


def test_silence_has_a_finite_gradient():
    waveform = torch.zeros(1, 2_048, requires_grad=True)
    ssl_sas_mel(waveform).sum().backward()
    assert torch.isfinite(waveform.grad).all()


@pytest.mark.parametrize("mel", [ssl_sas_mel, hifigan_log_mel, gst_log_mel])
@pytest.mark.parametrize("shape", [(8_000,), (1, 300)])
def test_refuses_a_missing_batch_axis_and_too_few_samples(mel, shape):
    with pytest.raises(ValueError, match="mel spectrogram"):
        mel(torch.ones(shape))
