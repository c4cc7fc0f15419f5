"""Mel spectrograms: parity with SSL-SAS, librosa as the independent reference, and the frames of an IR."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from emotrace.representation.mel import (
    gst_log_mel,
    hifigan_log_mel,
    log_mel_frames,
    prompt_of,
    ssl_sas_mel,
)

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.fixture
def noise():
    return torch.randn(1, 8_000, generator=torch.Generator().manual_seed(0)) * 0.1


def test_ssl_sas_mel_is_that_of_ssl_sas(oracle):
    fixture = torch.load(PARITY / "ssl_sas_mel_spectrogram.pt", weights_only=True)
    oracle("mel spectrogram of SSL-SAS", "SSL-SAS's tensors", ssl_sas_mel(fixture["waveform"]), fixture["mel"], 1e-5)


def test_hifigan_log_mel_agrees_with_librosa(noise, oracle):
    padded = np.pad(noise[0].numpy(), 384, mode="reflect")
    magnitude = np.abs(librosa.stft(padded, n_fft=1024, hop_length=256, center=False))
    mel = librosa.filters.mel(sr=22_050, n_fft=1024, n_mels=80, fmin=0, fmax=8000) @ magnitude
    expected = np.log(np.maximum(mel, 1e-5))
    oracle("mel spectrogram of HiFi-GAN", "librosa", hifigan_log_mel(noise)[0].numpy(), expected, 1e-4, "ln")


def test_gst_log_mel_agrees_with_librosa(noise, oracle):
    magnitude = np.abs(librosa.stft(noise[0].numpy(), n_fft=1024, hop_length=256, pad_mode="reflect"))
    mel = librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=80, fmin=40, fmax=8000) @ magnitude
    ours = gst_log_mel(noise)[0].numpy()
    oracle("mel spectrogram of GST", "librosa", ours, np.log10(mel).T, 1e-4, "log10")


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


@pytest.mark.parametrize("samples", [16_000, 16_123])
def test_log_mel_frames_are_as_many_as_those_of_f0(samples):
    assert log_mel_frames(torch.randn(samples) * 0.1).shape == (80, -(-samples // 160))


def test_log_mel_frames_of_a_steady_sound_are_its_mel():
    """A 1 kHz tone: away from the edges, interpolation in time must not change the spectrum."""
    tone = torch.sin(2 * torch.pi * 1_000 * torch.arange(16_000) / 16_000) * 0.5
    wide = torch.sin(2 * torch.pi * 1_000 * torch.arange(22_050) / 22_050) * 0.5
    loud = hifigan_log_mel(wide[None])[0, :, 40]
    loud_bands = loud > loud.max() - 5
    torch.testing.assert_close(log_mel_frames(tone)[loud_bands, 50], loud[loud_bands], rtol=0, atol=0.05)


def test_a_prompt_is_mean_and_standard_deviation_over_time():
    log_mel = torch.randn(80, 50, generator=torch.Generator().manual_seed(0))
    expected = np.concatenate([log_mel.numpy().mean(1), log_mel.numpy().std(1)])
    np.testing.assert_allclose(prompt_of(log_mel).numpy(), expected, rtol=1e-5, atol=1e-6)
