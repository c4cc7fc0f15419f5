"""Released checkpoints through their loaders: key for key, by second routes, by the originals' tensors."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from stand_ins import SMALL, fairseq_state, hubert_model, write_all
from torchaudio.models import wav2vec2_model
from torchaudio.models.wav2vec2.utils.import_fairseq import _convert_state_dict

from emotrace.released.checkpoints import CHECKPOINTS
from emotrace.released.files import read_weights
from emotrace.released.loaders import (
    ecapa_voxceleb,
    hubert_base,
    ssl_sas_generator,
    ssl_sas_soft_predictor,
    style_encoder,
)
from emotrace.released.vpc import VpcAsr, VpcAsv, VpcSer
from emotrace.weights import CheckpointError

PARITY = Path(__file__).parents[1] / "data" / "parity"
LOADERS = {
    "ssl_sas_generator": ssl_sas_generator,
    "ssl_sas_soft_predictor": ssl_sas_soft_predictor,
    "ssl_sas_ecapa": ecapa_voxceleb,
    "hubert_base": hubert_base,
    "hubert_base_fairseq": hubert_base,
    "ecapa_voxceleb": ecapa_voxceleb,
    "style_encoder": style_encoder,
    "vpc_asv_orig": VpcAsv,
    "vpc_asr": VpcAsr,
    "vpc_ser": VpcSer,
    "asr_wav2vec2_librispeech": VpcAsr,
}
FILES = [name for name in LOADERS if not name.startswith(("vpc", "asr", "hubert_base"))] + ["hubert_base_fairseq"]


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Every checkpoint, shrunk and random, in its released format: name -> what its loader takes."""
    return write_all(tmp_path_factory.mktemp("checkpoints"), small=True)


@pytest.fixture(scope="module")
def waveform():
    generator = torch.Generator().manual_seed(3)
    return (0.1 * torch.randn(8_000, generator=generator).cumsum(0) / 10).numpy()


def parity(name):
    return torch.load(PARITY / name, weights_only=True)


# ---- all of them ----------------------------------------------------------------------------------------------------


def test_every_entry_of_the_registry_has_a_loader_and_lies_where_the_registry_looks(released):
    others = {"whisper_base", "whisper_tiny_en", "ge2e", "distillmos"}  # of recognisers: test_whisper.py, tests/light
    assert set(released) == set(LOADERS) == set(CHECKPOINTS) - others
    folder = released["hubert_base"].parent
    assert {name: CHECKPOINTS.find(name).path(folder) for name in released} == released


@pytest.mark.parametrize("name", LOADERS)
def test_every_released_format_loads(released, name):
    assert LOADERS[name](released[name]) is not None


def weights_of(path):
    """What a file holds, without what fairseq leaves beside its weights, and the state dict in it."""
    content = read_weights(path)
    key = next((key for key in ("generator", "style_emb_func", "model") if key in content), None)
    return ({key: content[key]}, content[key]) if key else (content, content)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_additional_key_is_named(released, name, tmp_path):
    content, state = weights_of(released[name])
    victim = next(key for key in state if key.endswith("bias"))
    copy = tmp_path / released[name].name
    value = state.pop(victim)
    torch.save(content, copy)
    with pytest.raises(CheckpointError, match=f"{copy.name}: .*[Mm]issing.*bias"):
        LOADERS[name](copy)
    state[victim] = value
    state[victim.replace("bias", "surplus")] = value
    torch.save(content, copy)
    with pytest.raises(CheckpointError, match=f"{copy.name}: .*nexpected.*surplus"):
        LOADERS[name](copy)


@pytest.mark.parametrize("name", FILES)
def test_nan_weights_are_refused(released, name, tmp_path):
    content, state = weights_of(released[name])
    next(iter(state.values())).view(-1)[0] = torch.nan
    torch.save(content, tmp_path / "file")
    with pytest.raises(CheckpointError, match="NaN or infinite"):
        LOADERS[name](tmp_path / "file")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("other", FILES)
def test_one_model_is_not_taken_for_another(released, name, other):
    same = {"ecapa_voxceleb", "ssl_sas_ecapa"}
    if name == other or {name, other} == same:
        return
    with pytest.raises(CheckpointError):
        LOADERS[name](released[other])


@pytest.mark.parametrize("name", LOADERS)
def test_a_file_that_is_not_there_is_named(name, tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        LOADERS[name](tmp_path / "nowhere")


# ---- HuBERT ---------------------------------------------------------------------------------------------------------


def torchaudios_layers(state, samples):
    """The twelve layers by torchaudio's HuBERT and torchaudio's own reading of fairseq's keys."""
    kernels = [(10, 5), *[(3, 2)] * 4, *[(2, 2)] * 2]
    model = wav2vec2_model(
        extractor_mode="group_norm",
        extractor_conv_layer_config=[(SMALL.conv, kernel, stride) for kernel, stride in kernels],
        extractor_conv_bias=False,
        encoder_embed_dim=SMALL.hidden,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=128,
        encoder_pos_conv_groups=16,
        encoder_num_layers=SMALL.layers,
        encoder_num_heads=12,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=SMALL.feed_forward,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=False,
        encoder_layer_drop=0.0,
        aux_num_out=None,
    )
    state = {key: value for key, value in state.items() if key != "label_embs_concat"}
    model.load_state_dict(_convert_state_dict(state))
    with torch.no_grad():
        return model.eval().extract_features(samples[None])[0]


def test_fairseqs_hubert_has_torchaudios_layers(released, waveform, oracle):
    samples = torch.from_numpy(waveform)
    hubert = hubert_base(released["hubert_base_fairseq"])
    layers = hubert.layers(samples)
    expected = torchaudios_layers(read_weights(released["hubert_base_fairseq"])["model"], samples)
    assert len(layers) == 13 and len(expected) == 12 and not hubert.training
    for ours, theirs in zip(layers[1:], expected, strict=True):
        oracle("layers of fairseq's HuBERT", "torchaudio", ours, theirs[0], 1e-5)
        assert theirs.std() > 0.1


def test_ssl_sass_hubert_has_torchaudios_layers(released, waveform, oracle):
    samples = torch.from_numpy(waveform)
    hubert, head = ssl_sas_soft_predictor(released["ssl_sas_soft_predictor"])
    state = read_weights(released["ssl_sas_soft_predictor"])
    assert torch.equal(head.W, state["W"])
    theirs = {key.removeprefix("ssl_model."): value for key, value in state.items() if key != "W"}
    expected = torchaudios_layers(theirs, samples)
    oracle("last layer of SSL-SAS's HuBERT", "torchaudio", hubert.layers(samples)[12], expected[-1][0], 1e-5)


def test_both_formats_of_one_hubert_agree_key_for_key(released, waveform, tmp_path, oracle):
    model = hubert_model(SMALL)
    torch.save({"model": fairseq_state(model)}, tmp_path / "fairseq.pt")
    folder = tmp_path / "transformers"
    model.save_pretrained(folder)
    assert (folder / "model.safetensors").is_file()
    save_file(model.state_dict(), tmp_path / "bare.safetensors")
    samples = torch.from_numpy(waveform)
    expected = model(samples[None], output_hidden_states=True).hidden_states
    for path in (tmp_path / "fairseq.pt", folder, tmp_path / "bare.safetensors"):
        loaded = hubert_base(path)
        state = loaded.model.state_dict()
        assert state.keys() == model.state_dict().keys() and len(state) == 211
        assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
        for ours, theirs in zip(loaded.layers(samples), expected, strict=True):
            oracle("layers of a loaded HuBERT", "transformers", ours, theirs[0].detach(), 1e-6)


def test_the_modules_of_pretraining_alone_are_left_out_by_name_only(released, tmp_path):
    content = {"model": read_weights(released["hubert_base_fairseq"])["model"]}
    content["model"]["final_proj_of_another_kind"] = torch.zeros(1)
    torch.save(content, tmp_path / "file.pt")
    with pytest.raises(CheckpointError, match="Unexpected.*final_proj_of_another_kind"):
        hubert_base(tmp_path / "file.pt")


def test_what_fairseq_leaves_beside_its_weights_becomes_nothing(released):
    content = read_weights(released["hubert_base_fairseq"])
    (dictionary,) = content["task_state"]["dictionaries"]
    assert vars(dictionary) == {} and vars(content["args"]) == {} and "fairseq" not in sys.modules


def test_w_of_another_width_than_its_hubert_is_refused(released, tmp_path):
    state = read_weights(released["ssl_sas_soft_predictor"])
    torch.save(state | {"W": torch.randn(200, 47)}, tmp_path / "soft_model.pt")
    with pytest.raises(CheckpointError, match="W takes 47 channels, its HuBERT gives 48"):
        ssl_sas_soft_predictor(tmp_path / "soft_model.pt")


# ---- parity: the originals' own tensors through the loaders ---------------------------------------------------------


@torch.no_grad()
def test_ssl_sass_generator_gives_the_originals_waveform():
    fixture, generator = parity("ssl_sas_generator.pt"), ssl_sas_generator(PARITY / "ssl_sas_generator.pt")
    assert generator.state_dict().keys() == fixture["generator"].keys()
    assert (generator.config.in_channels, generator.config.initial_channels, generator.config.hop) == (19, 32, 160)
    torch.testing.assert_close(generator(fixture["input"]), fixture["output"], rtol=0, atol=1e-5)


@torch.no_grad()
def test_ssl_sass_soft_units_are_the_originals(tmp_path):
    fixture = parity("ssl_sas_soft_predictor.pt")
    model = hubert_model(type(SMALL)(hidden=768, feed_forward=8, conv=4, layers=1))
    state = {f"ssl_model.{key}": value for key, value in fairseq_state(model).items()}
    torch.save(state | {"W": fixture["W"]}, tmp_path / "soft_model.pt")
    hubert, head = ssl_sas_soft_predictor(tmp_path / "soft_model.pt")
    assert hubert.channels == 768
    torch.testing.assert_close(head(fixture["features"]), fixture["logits"], rtol=0, atol=1e-5)


@torch.no_grad()
def test_sttts_style_embedding_is_the_originals():
    fixture, encoder = parity("ims_toucan_gst.pt"), style_encoder(PARITY / "ims_toucan_gst.pt")
    assert encoder.state_dict().keys() == fixture["style_emb_func"].keys()
    torch.testing.assert_close(encoder(fixture["log_mel"]), fixture["embedding"], rtol=0, atol=1e-5)


# ---- generator and ECAPA --------------------------------------------------------------------------------------------


def test_a_generator_is_read_without_the_front_ends_in_its_file(released):
    state = read_weights(released["ssl_sas_generator"])["generator"]
    generator = ssl_sas_generator(released["ssl_sas_generator"])
    own = {key for key in state if key.split(".")[0] in ("conv_pre", "ups", "resblocks", "conv_post")}
    assert generator.state_dict().keys() == own and len(own) < len(state) - 300
    assert all(torch.equal(value, state[key]) for key, value in generator.state_dict().items())
    assert generator.config.in_channels == 393


def test_other_upsampling_needs_the_released_configuration(released, tmp_path):
    state = read_weights(released["ssl_sas_generator"])["generator"]
    state["ups.0.weight_v"] = torch.randn(32, 16, 10)
    path = tmp_path / "g_00100000"
    torch.save({"generator": state}, path)
    with pytest.raises(CheckpointError, match=r"kernels \(10, 8, 4, 4, 4\) are not SSL-SAS's .* config.json"):
        ssl_sas_generator(path)
    (tmp_path / "config.json").write_text(json.dumps({"upsample_rates": [4, 4, 2, 2, 2]}))
    assert ssl_sas_generator(path).config.hop == 128
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="config.json: no upsample_rates"):
        ssl_sas_generator(path)


@pytest.mark.parametrize("name", ["ecapa_voxceleb", "ssl_sas_ecapa"])
def test_ecapas_widths_are_read_off_its_weights(released, name):
    ecapa, state = ecapa_voxceleb(released[name]), read_weights(released[name])
    widths = {"ecapa_voxceleb": SMALL.ecapa, "ssl_sas_ecapa": SMALL.ecapa_small}[name]
    assert ecapa.model.mfa.conv.conv.weight.shape[0] == widths[-1] and not ecapa.training
    assert ecapa.model.state_dict().keys() == state.keys() and len(state) == 231
    assert all(torch.equal(value, state[key]) for key, value in ecapa.model.state_dict().items())
