"""The generator: parity with SSL-SAS, shapes, released key names."""

from pathlib import Path

import pytest
import torch

from emotrace.vocoder.hifigan import SSL_SAS, UNIVERSAL, FrozenHifiGan, HifiGan, HifiGanConfig
from emotrace.weights import CheckpointError, load_model, save_model

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.fixture(scope="module")
def original():
    return torch.load(PARITY / "ssl_sas_generator.pt", weights_only=True)


@pytest.fixture(scope="module")
def generator(original):
    config = original["config"]
    generator = HifiGan(HifiGanConfig(config["model_in_dim"], config["upsample_initial_channel"]))
    generator.load_state_dict(original["generator"], strict=True)
    return generator.eval()


@torch.no_grad()
def test_output_is_that_of_ssl_sas(generator, original, oracle):
    oracle("HiFi-GAN", "SSL-SAS's generator", generator(original["input"]), original["output"], 1e-5)


@torch.no_grad()
def test_waveform_of_an_assembled_ir_is_that_of_ssl_sas(generator, oracle):
    fixture = torch.load(PARITY / "ssl_sas_ir_assembly.pt", weights_only=True)
    # random weights make this waveform vary by 2e-6 about its mean only: 1e-5 would accept a constant
    assert fixture["waveform"].std() > 1.5e-6
    waveform = generator(fixture["ir"])
    oracle("waveform of an assembled IR", "SSL-SAS's tensors", waveform, fixture["waveform"], 2e-7)


@torch.no_grad()
def test_the_last_slope_matters(generator, original, monkeypatch):
    monkeypatch.setattr("emotrace.vocoder.hifigan.FINAL_SLOPE", 0.1)
    assert (generator(original["input"]) - original["output"]).abs().max() > 1e-5


def test_state_dict_has_the_released_names_and_loads_again(generator, original):
    state = generator.state_dict()
    assert list(state) and set(state) == set(original["generator"])
    other = HifiGan(generator.config)
    other.load_state_dict(state, strict=True)
    assert all(torch.equal(value, state[key]) for key, value in other.state_dict().items())


@torch.no_grad()
def test_removing_weight_norm_keeps_the_output(generator, original):
    plain = HifiGan(generator.config)
    plain.load_state_dict(original["generator"])
    plain.remove_weight_norm()
    torch.testing.assert_close(plain(original["input"]), original["output"], rtol=0, atol=1e-5)
    assert "conv_pre.weight" in plain.state_dict()


def test_the_frozen_generator_gives_the_same_output_and_leaves_the_original_alone(generator, original):
    frozen = FrozenHifiGan(generator)
    torch.testing.assert_close(frozen(original["input"]), original["output"], rtol=0, atol=1e-5)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert set(generator.state_dict()) == set(original["generator"])
    half = FrozenHifiGan(generator, torch.bfloat16)(original["input"])
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, original["output"], rtol=0, atol=0.02)
    with pytest.raises(ValueError, match="L"):
        frozen(torch.zeros(1, 20, 5))


@pytest.mark.parametrize(("preset", "hop"), [(SSL_SAS, 160), (UNIVERSAL, 256)])
@torch.no_grad()
def test_presets_give_hop_samples_a_frame(preset, hop):
    assert preset.hop == hop
    generator = HifiGan(preset)
    assert generator(torch.zeros(1, preset.in_channels, 3)).shape == (1, 1, 3 * hop)


def test_the_paper_preset_has_the_papers_size():
    parameters = sum(p.numel() for p in HifiGan(SSL_SAS).remove_weight_norm().parameters())
    assert parameters == pytest.approx(14.2e6, rel=0.05)


def test_saved_and_loaded_generators_agree(generator, original, tmp_path):
    save_model(generator, tmp_path)
    loaded = load_model(HifiGan, HifiGanConfig, tmp_path)
    assert loaded.config == generator.config
    assert torch.equal(loaded(original["input"]), generator(original["input"]))


@pytest.mark.parametrize("damage", ["missing weights", "foreign key", "truncated", "other shape"])
def test_a_damaged_folder_is_refused_by_name(generator, tmp_path, damage):
    save_model(generator, tmp_path)
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    if damage == "missing weights":
        weights.unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "foreign key":
        config.write_text(config.read_text().replace("in_channels", "inputs"))
    else:
        config.write_text(config.read_text().replace('"in_channels": 19', '"in_channels": 20'))
    with pytest.raises(CheckpointError, match="config.json" if damage == "foreign key" else "model.safetensors"):
        load_model(HifiGan, HifiGanConfig, tmp_path)


def test_wrong_shapes_are_refused(generator):
    with pytest.raises(ValueError, match=r"\(B, 19, L\)"):
        generator(torch.zeros(1, 20, 5))
    with pytest.raises(ValueError, match="kernels"):
        HifiGanConfig(3, upsample_rates=(2, 2), upsample_kernels=(4,))
    with pytest.raises(ValueError, match="halved"):
        HifiGanConfig(3, initial_channels=16)
