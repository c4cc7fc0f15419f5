"""HuBERT on log-mel frames: its frames against librosa's, HuBERT's own count, and what a configuration builds."""

import librosa
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from speech import phantom_speech
from transformers import HubertConfig, HubertModel

from emotrace.representation.hubert import Hubert, load_hubert
from emotrace.representation.mel_hubert import BANDS, LogMelFrames, MelHubertModel, log_mel, mel_config, model_class
from emotrace.training.hubert import mini_config, n_frames, standardise_bands
from emotrace.weights import CONFIG, WEIGHTS, ModelFolder

TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TINY |= {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4, "do_stable_layer_norm": True}


def test_bands_are_librosas_around_the_centres_of_hubert_frames(oracle):
    speech = phantom_speech()
    log_power = log_mel(torch.from_numpy(speech)[None])[0].numpy()
    # librosa pads the window of 800 to the FFT of 1024 on both sides: its frame begins (1024 - 400) / 2 samples earlier
    padded = np.pad(speech, (312, 312 + 160))
    options = {"n_fft": 1024, "win_length": 800, "hop_length": 160, "center": False, "n_mels": BANDS}
    power = librosa.feature.melspectrogram(y=padded, sr=16_000, **options).T
    oracle("mel bands of HuBERT", "librosa", log_power, np.log(np.maximum(power, 1e-8)), 2e-3, "ln")


@pytest.mark.parametrize("samples", [400, 401, 719, 720, 16_000, 16_123])
def test_frames_are_as_many_as_hubert_makes(samples):
    frames = LogMelFrames()(torch.randn(2, samples))
    assert frames.shape == (2, 2 * BANDS, n_frames(samples))


def test_a_click_is_in_the_frame_of_its_moment():
    waveform = torch.zeros(1, 16_000)
    waveform[0, 8_000] = 1.0
    loudest = LogMelFrames()(waveform)[0].mean(0).argmax()
    assert abs(int(loudest) * 320 + 200 - 8_000) <= 320


def test_normalisation_makes_the_training_speech_standard():
    speech = torch.from_numpy(phantom_speech())
    front_end = LogMelFrames()
    standardise_bands(front_end, [speech])
    stacked = front_end(speech[None])[0].reshape(2, BANDS, -1)
    assert stacked.mean((0, 2)).abs().max() < 0.05 and (stacked.std((0, 2)) - 1).abs().max() < 0.05


def test_too_little_speech_is_refused():
    with pytest.raises(ValueError, match="at least 400 samples"):
        LogMelFrames()(torch.randn(1, 399))


def test_the_configuration_says_which_model_it_is(tmp_path):
    assert model_class(HubertConfig()) is HubertModel and model_class(mini_config()) is MelHubertModel
    with pytest.raises(ValueError, match="front_end 'wavelets': one of waveform, log-mel"):
        model_class(HubertConfig(front_end="wavelets"))
    model = MelHubertModel(mel_config(**TINY))
    model.feature_extractor.mean += 1.0
    (tmp_path / "hubert").mkdir()
    (tmp_path / "hubert" / CONFIG).write_text(model.config.to_json_string(use_diff=False))
    save_file(model.state_dict(), tmp_path / "hubert" / WEIGHTS)
    waveform = torch.randn(8_000)
    loaded = load_hubert(ModelFolder(tmp_path), "hubert", "cpu").layers(waveform)
    expected = Hubert(model).eval().layers(waveform)
    assert all(torch.equal(one, other) for one, other in zip(loaded, expected, strict=True))


def test_the_level_of_a_frame_is_not_normalised_away():
    torch.manual_seed(0)
    hubert = Hubert(MelHubertModel(mel_config(**TINY))).eval()
    speech = torch.from_numpy(phantom_speech())
    loud, soft = hubert.model.feature_extractor(torch.stack([speech, 0.1 * speech])).flatten(1).median(1).values
    assert float(loud - soft) == pytest.approx(np.log(100), rel=0.02)  # ten times the amplitude, in power
