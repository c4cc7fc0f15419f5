"""Released checkpoints through their loaders: key for key, by second routes, by the originals' tensors, damaged."""

import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import torch
from safetensors.torch import save_file
from speechbrain.dataio.encoder import CategoricalEncoder, CTCTextEncoder
from speechbrain.decoders import ctc_greedy_decode
from speechbrain.inference.classifiers import EncoderClassifier
from speechbrain.integrations.huggingface.wav2vec2 import Wav2Vec2
from speechbrain.lobes.models.VanillaNN import VanillaNN
from speechbrain.nnet.containers import LengthsCapableSequential
from speechbrain.nnet.linear import Linear
from speechbrain.nnet.pooling import StatisticsPooling
from stand_ins import EMOTIONS, SMALL, fairseq_state, hubert_model, write_all, write_labels
from torch import nn
from torchaudio.models import wav2vec2_model
from torchaudio.models.wav2vec2.utils.import_fairseq import _convert_state_dict
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor

from emotrace.corpus.audio import AudioError
from emotrace.corpus.metadata import Emotion
from emotrace.official.evaluation_models import VpcAsr, VpcAsv, VpcSer
from emotrace.official.hubert import hubert_base, hubert_soft, ssl_sas_soft_predictor
from emotrace.official.hyperparams import Hyperparams, Tagged
from emotrace.official.labels import read_labels
from emotrace.official.registry import CHECKPOINTS
from emotrace.official.speaker import ecapa_voxceleb, style_encoder
from emotrace.official.vocoder import ssl_sas_generator
from emotrace.official.weights import read_weights
from emotrace.vocoder.checkpoint import CheckpointError

PARITY = Path(__file__).parent / "data" / "parity"
LOADERS = {
    "ssl_sas_generator": ssl_sas_generator,
    "ssl_sas_soft_predictor": ssl_sas_soft_predictor,
    "ssl_sas_ecapa": ecapa_voxceleb,
    "hubert_base": hubert_base,
    "hubert_base_fairseq": hubert_base,
    "hubert_soft": hubert_soft,
    "ecapa_voxceleb": ecapa_voxceleb,
    "style_encoder": style_encoder,
    "vpc_asv_orig": VpcAsv.load,
    "vpc_asr": VpcAsr.load,
    "vpc_ser": VpcSer.load,
    "asr_wav2vec2_librispeech": VpcAsr.load,
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
    assert set(released) == set(LOADERS) == set(CHECKPOINTS)
    folder = released["hubert_base"].parent
    assert {name: entry.path(folder) for name, entry in CHECKPOINTS.items()} == released


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
    with pytest.raises(CheckpointError, match=f"{copy.name}: .*(missing|Missing)"):
        LOADERS[name](copy)
    state[victim] = value
    state[victim.replace("bias", "surplus")] = value
    torch.save(content, copy)
    with pytest.raises(CheckpointError, match=f"{copy.name}: .*nexpected"):
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


class Marker:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("form", ["zip", "legacy", "bare pickle"])
def test_a_pickle_that_runs_code_is_refused_and_not_run(name, form, tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "file.pt"
    content = {key: {"weight": Marker(marker)} for key in ("generator", "model", "style_emb_func", "W")}
    if form == "bare pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(CheckpointError, match="file.pt: (refused: .*mkdir.*run code|damaged)"):
        LOADERS[name](path)
    assert not marker.exists()


@pytest.mark.parametrize("damage", ["empty", "html", "beginning", "half", "last byte"])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_damaged_file_is_one_clear_error(released, damage, legacy, tmp_path):
    path = tmp_path / "embedding_model.ckpt"
    state = torch.load(released["ecapa_voxceleb"], weights_only=True)
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    content = path.read_bytes()
    size = {"empty": 0, "html": 0, "beginning": 20, "half": len(content) // 2, "last byte": len(content) - 1}[damage]
    path.write_bytes(b"<html>Not found</html>" if damage == "html" else content[:size])
    with pytest.raises(CheckpointError) as caught:
        ecapa_voxceleb(path)
    assert str(caught.value).startswith(f"{path}: damaged") and "weights_only" not in str(caught.value)


def test_flipped_bytes_never_give_another_kind_of_error(tmp_path):
    path = tmp_path / "file.pt"
    torch.save({"a": torch.randn(3, 4)}, path, _use_new_zipfile_serialization=False)
    content, generator = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        flipped = bytearray(content)
        for place in generator.integers(0, len(content), 3):
            flipped[place] ^= int(generator.integers(1, 256))
        path.write_bytes(flipped)
        try:
            read_weights(path)
        except CheckpointError:
            refused += 1
    assert 100 < refused < 200  # the others hit the numbers themselves


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


def test_fairseqs_hubert_has_torchaudios_layers(released, waveform):
    samples = torch.from_numpy(waveform)
    hubert = hubert_base(released["hubert_base_fairseq"])
    layers = hubert.layers(samples)
    expected = torchaudios_layers(read_weights(released["hubert_base_fairseq"])["model"], samples)
    assert len(layers) == 13 and len(expected) == 12 and not hubert.training
    for ours, theirs in zip(layers[1:], expected, strict=True):
        torch.testing.assert_close(ours, theirs[0], rtol=0, atol=1e-5)
        assert theirs.std() > 0.1


def test_ssl_sass_hubert_has_torchaudios_layers(released, waveform):
    samples = torch.from_numpy(waveform)
    hubert, head = ssl_sas_soft_predictor(released["ssl_sas_soft_predictor"])
    state = read_weights(released["ssl_sas_soft_predictor"])
    assert torch.equal(head.W, state["W"])
    theirs = {key.removeprefix("ssl_model."): value for key, value in state.items() if key != "W"}
    expected = torchaudios_layers(theirs, samples)
    torch.testing.assert_close(hubert.layers(samples)[12], expected[-1][0], rtol=0, atol=1e-5)


def test_both_formats_of_one_hubert_agree_key_for_key(released, waveform, tmp_path):
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
            torch.testing.assert_close(ours, theirs[0], rtol=0, atol=1e-6)


def test_the_modules_of_pretraining_alone_are_left_out_by_name_only(released, tmp_path):
    content = {"model": read_weights(released["hubert_base_fairseq"])["model"]}
    content["model"]["final_proj_of_another_kind"] = torch.zeros(1)
    torch.save(content, tmp_path / "file.pt")
    with pytest.raises(CheckpointError, match="unexpected: final_proj_of_another_kind"):
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
def test_soft_vcs_layers_and_units_are_the_originals():
    fixture, (hubert, head) = parity("hubert_soft_small.pt"), hubert_soft(PARITY / "hubert_soft_small.pt")
    layers = hubert.layers(fixture["waveform"][0, 0])
    for n in (1, 6, 12):
        torch.testing.assert_close(layers[n], fixture[f"T{n}"][0], rtol=0, atol=1e-5)
    torch.testing.assert_close(head(layers[12]), fixture["units"][0], rtol=0, atol=1e-5)
    torch.testing.assert_close(head.label_embedding.weight, fixture["hubert"]["label_embedding.weight"])


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


def test_ecapa_is_speechbrains_classifier_by_its_own_interface(released, waveform, tmp_path):
    """speechbrain's HyperPyYAML route, on a folder that this test itself wrote."""
    source = released["vpc_asv_orig"] / "asv_orig"
    shutil.copytree(source, tmp_path / "asv")
    yaml = (tmp_path / "asv" / "hyperparams.yaml").read_text()
    modules = "modules:\n" + "".join(
        f"    {name}: !ref <{name}>\n"
        for name in ("compute_features", "mean_var_norm", "embedding_model", "classifier")
    )
    classifier = "classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier\n    input_size: 192\n"
    se_channels = f"    lin_neurons: 192\n    se_channels: {SMALL.attention}\n"
    yaml = yaml.replace("pretrained_path: exp/asv_orig", f"pretrained_path: {tmp_path / 'asv'}")
    yaml = yaml.replace("    lin_neurons: 192\n", se_channels).replace(
        "pretrainer:", classifier + modules + "pretrainer:"
    )
    (tmp_path / "asv" / "hyperparams.yaml").write_text(yaml)
    theirs = EncoderClassifier.from_hparams(source=str(tmp_path / "asv"), savedir=str(tmp_path / "asv"))
    meter = pyloudnorm.Meter(16_000)
    silence = np.zeros(300, dtype=np.float32)
    speech = np.concatenate([silence, waveform, silence])
    # VoicePrivacy's order: loudness to -30 LUFS, peak to 1, zeros cut at both ends
    loud = pyloudnorm.normalize.loudness(speech, meter.integrated_loudness(speech), -30.0)
    normalised = np.trim_zeros(loud / np.abs(loud).max()).astype(np.float32)
    expected = theirs.encode_batch(torch.from_numpy(normalised)[None]).squeeze()
    ours = VpcAsv.load(released["vpc_asv_orig"]).embed(speech)
    assert ours.dtype == np.float32 and ours.std() > 0.01
    np.testing.assert_allclose(ours, expected.numpy(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["ecapa_voxceleb", "ssl_sas_ecapa"])
def test_ecapas_widths_are_read_off_its_weights(released, name):
    ecapa, state = ecapa_voxceleb(released[name]), read_weights(released[name])
    widths = {"ecapa_voxceleb": SMALL.ecapa, "ssl_sas_ecapa": SMALL.ecapa_small}[name]
    assert ecapa.model.mfa.conv.conv.weight.shape[0] == widths[-1] and not ecapa.training
    assert ecapa.model.state_dict().keys() == state.keys() and len(state) == 231
    assert all(torch.equal(value, state[key]) for key, value in ecapa.model.state_dict().items())


def test_silence_and_nan_have_no_speaker(released):
    encoder = VpcAsv.load(released["vpc_asv_orig"])
    with pytest.raises(AudioError, match="silence"):
        encoder.embed(np.zeros(16_000, dtype=np.float32))
    with pytest.raises(AudioError, match="NaN"):
        encoder.embed(np.full(16_000, np.nan, dtype=np.float32))
    with pytest.raises(ValueError, match="at least 800"):
        encoder.embed(np.ones(799, dtype=np.float32))


def test_another_ecapa_by_its_hyperparameters_is_refused(released, tmp_path):
    shutil.copytree(released["vpc_asv_orig"], tmp_path / "asv")
    path = tmp_path / "asv/asv_orig/hyperparams.yaml"
    path.write_text(path.read_text().replace("dilations: [1, 2, 3, 4, 1]", "dilations: [1, 2, 3, 5, 1]"))
    with pytest.raises(CheckpointError, match=r"dilations \[1, 2, 3, 5, 1\]"):
        VpcAsv.load(tmp_path / "asv")


# ---- wav2vec 2.0: recognition of words and emotions, against speechbrain's own modules ------------------------------


def speechbrains_wav2vec2(path, folder, *, large):
    """speechbrain's lobe on a local transformers folder, filled from the released file."""
    width, feed_forward, layers = SMALL.large if large else (SMALL.hidden, SMALL.feed_forward, SMALL.layers)
    Wav2Vec2Config(
        hidden_size=width,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=12,
        conv_dim=(SMALL.conv,) * 7,
        conv_bias=large,
        feat_extract_norm="layer" if large else "group",
        do_stable_layer_norm=large,
    ).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    lobe = Wav2Vec2(str(folder), save_path=str(folder), output_norm=True, freeze=True)
    lobe.load_state_dict(torch.load(path, weights_only=True))
    return lobe.eval()


@torch.no_grad()
def test_words_are_those_of_speechbrains_modules(released, waveform, tmp_path, monkeypatch):
    folder = released["vpc_asr"] / "asr"
    monkeypatch.setattr(Wav2Vec2, "_from_pretrained", _untrained, raising=True)
    wav2vec2 = speechbrains_wav2vec2(folder / "wav2vec2.ckpt", tmp_path / "hub", large=True)
    width = SMALL.large[0]
    enc, ctc = VanillaNN([None, None, width], nn.LeakyReLU, 2, width), Linear(31, input_size=width)
    nn.ModuleList([enc, ctc]).load_state_dict(torch.load(folder / "asr.ckpt", weights_only=True))
    tokenizer = CTCTextEncoder()
    tokenizer.load(folder / "tokenizer.ckpt")
    encoder = LengthsCapableSequential(wav2vec2=wav2vec2, enc=enc, ctc_lin=ctc)
    recogniser = VpcAsr.load(released["vpc_asr"])
    heard = set()
    for level in (0.01, 1.0):
        for shift in (0, 1000, 3000):
            samples = torch.from_numpy(level * waveform[shift:])[None]
            tokens = ctc_greedy_decode(encoder(samples, torch.ones(1)), torch.ones(1), blank_id=0)
            expected = "".join(tokenizer.decode_ndim(tokens[0]))
            ours = recogniser.transcribe(samples[0].numpy())
            assert ours == " ".join(word.strip("'") for word in expected.split() if word.strip("'"))
            heard.add(ours)
    assert len(heard) >= 3 and all(heard)


@torch.no_grad()
def test_emotions_are_those_of_speechbrains_modules(released, waveform, tmp_path, monkeypatch):
    monkeypatch.setattr(Wav2Vec2, "_from_pretrained", _untrained, raising=True)
    recogniser = VpcSer.load(released["vpc_ser"])
    assert recogniser.folds == ("1", "2", "3", "4", "5")
    for fold in ("1", "4"):
        (folder,) = (released["vpc_ser"] / "ser" / f"fold_{fold}").iterdir()
        lobe = speechbrains_wav2vec2(folder / "wav2vec2.ckpt", tmp_path / fold, large=False)
        mlp = Linear(4, input_size=SMALL.hidden, bias=False)
        nn.ModuleList([mlp]).load_state_dict(torch.load(folder / "model.ckpt", weights_only=True))
        labels = CategoricalEncoder()
        labels.load(folder / "label_encoder.txt")
        pooled = StatisticsPooling(return_std=False)(lobe(torch.from_numpy(waveform)[None]), torch.ones(1))
        expected = mlp(pooled.view(1, -1)).softmax(dim=-1)[0]
        posteriors = recogniser.posteriors(waveform, fold)
        assert sum(posteriors.values()) == pytest.approx(1, abs=1e-6)
        for index, label in labels.ind2lab.items():
            assert posteriors[Emotion(label)] == pytest.approx(float(expected[index]), abs=2e-4)
        assert recogniser.predict(waveform, fold) == labels.ind2lab[int(expected.argmax())]
    assert recogniser.posteriors(waveform, "1") != recogniser.posteriors(waveform, "4")


def _untrained(self, source, **options):
    """speechbrain would look for weights in the folder; the test fills them in from the released file."""
    self.model = self.auto_class.from_config(self.config)


def test_the_level_of_the_waveform_does_not_matter(released, waveform):
    recogniser = VpcSer.load(released["vpc_ser"])
    loud, soft = (recogniser.posteriors(gain * waveform, "2") for gain in (1.0, 0.1))
    assert loud == pytest.approx(soft, abs=1e-3)


def test_an_unknown_fold_lists_the_known_ones(released, waveform):
    with pytest.raises(CheckpointError, match="fold '6'; there are 1, 2, 3, 4, 5"):
        VpcSer.load(released["vpc_ser"]).predict(waveform, "6")


@pytest.mark.parametrize("waveform", [np.full(8000, np.nan, np.float32), np.zeros((2, 800)), np.ones(399)])
def test_waveforms_without_words_or_emotion_are_refused(released, waveform):
    with pytest.raises(ValueError, match=r"\(T,\)|400"):
        VpcAsr.load(released["vpc_asr"]).transcribe(waveform)
    with pytest.raises(ValueError, match=r"\(T,\)|400"):
        VpcSer.load(released["vpc_ser"]).posteriors(waveform, "1")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("label_encoder.txt", "'neu' => 0\n'ang' => 1\n'hap' => 2\n'xyz' => 3\n================\n", "labels .*xyz"),
        ("label_encoder.txt", "'neu' => 0\n'ang' => 0\n================\n", "an index twice"),
        ("label_encoder.txt", "__import__('os').mkdir('x') => 0\n================\n", "not a label file"),
        ("label_encoder.txt", "'neu' => 0\n", "not a label file"),
        ("hyperparams.yaml", "a: [", "not a hyperparams.yaml"),
        ("hyperparams.yaml", "- 1", "no mapping"),
        ("hyperparams.yaml", "avg_pool: !new:os.system\n  command: mkdir x", "avg_pool is 'os.system'"),
        ("model.ckpt", "", "damaged"),
    ],
)
def test_a_damaged_emotion_model_is_one_clear_error(released, waveform, tmp_path, file, content, message):
    shutil.copytree(released["vpc_ser"] / "ser" / "fold_3", tmp_path / "fold_3")
    (path,) = tmp_path.rglob(file)
    path.write_text(content)
    with pytest.raises(CheckpointError, match=f"{file}.*{message}"):
        VpcSer.load(tmp_path).predict(waveform, "3")


def test_the_tokenizer_has_to_cover_the_outputs(released, tmp_path):
    shutil.copytree(released["vpc_asr"], tmp_path / "asr")
    write_labels(tmp_path / "asr/asr/tokenizer.ckpt", ("<blank>", "A", "B"), {})
    with pytest.raises(CheckpointError, match="31 outputs, but 3 labels"):
        VpcAsr.load(tmp_path / "asr")


def test_the_newest_checkpoint_folder_counts(released, tmp_path):
    source = next((released["vpc_ser"] / "ser" / "fold_1").iterdir())
    for day, labels in (("01", EMOTIONS), ("02", EMOTIONS[::-1])):
        folder = tmp_path / "fold_1" / f"CKPT+2024-01-{day}"
        shutil.copytree(source, folder)
        write_labels(folder / "label_encoder.txt", labels, {"starting_index": 0})
    first, newest = (VpcSer.load(path) for path in (released["vpc_ser"], tmp_path))
    waveform = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    pairs = dict(zip(map(Emotion, EMOTIONS), map(Emotion, EMOTIONS[::-1]), strict=True))
    expected = {pairs[emotion]: value for emotion, value in first.posteriors(waveform, "1").items()}
    assert newest.posteriors(waveform, "1") == pytest.approx(expected)


# ---- hyperparams.yaml as data ---------------------------------------------------------------------------------------


def test_tags_are_kept_as_data_and_nothing_is_run(tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "hyperparams.yaml"
    path.write_text(
        f"x: !apply:os.mkdir [{marker}]\ny: !new:os.mkdir\n    path: {marker}\nz: !name:os.mkdir\n"
        "n: 3\nlist: [!ref <n>, !ref <alias>]\nalias: !ref <n>\nw: !include:/etc/passwd\n"
        "obj: !new:a.B\n    size: !ref <alias>\n    sizes: [1, !ref <n>]\n    text: !ref <n>/path\n"
    )
    read = Hyperparams.read(path)
    assert not marker.exists()
    assert read.values["x"] == Tagged("apply:os.mkdir", [str(marker)]) and read.values["z"].target == "os.mkdir"
    assert read.resolved(read.values["list"]) == [3, 3]
    assert read.arguments("obj", of=r"a\.B") == {"size": 3, "sizes": [1, 3], "text": Tagged("ref", "<n>/path")}


@pytest.mark.parametrize("text", ["!!python/object/apply:os.mkdir [{}]", "!!python/object/new:os.mkdir [{}]"])
def test_pythons_own_yaml_tags_are_refused(tmp_path, text):
    path = tmp_path / "hyperparams.yaml"
    path.write_text(f"x: {text.format(tmp_path / 'ran')}\n")
    with pytest.raises(CheckpointError, match="not a hyperparams.yaml"):
        Hyperparams.read(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("text", ["a: !ref <a>", "a: !ref <b>\nb: !ref <a>", "a: !ref <nothing>"])
def test_references_in_a_circle_or_to_nothing_are_refused(tmp_path, text):
    path = tmp_path / "hyperparams.yaml"
    path.write_text(text)
    read = Hyperparams.read(path)
    with pytest.raises(CheckpointError, match="leads nowhere"):
        read.resolved(read.values["a"])


def test_labels_are_speechbrains(released):
    path = released["vpc_asr"] / "asr" / "tokenizer.ckpt"
    tokenizer = CTCTextEncoder()
    tokenizer.load(path)
    assert read_labels(path) == tokenizer.ind2lab
