"""The feature store: computed once, atomic, damage noticed; and the IRs made of its features."""

import os

import numpy as np
import pytest
import torch
from tiny_models import HUBERT

from emotrace.corpus.audio import AudioError, save_audio
from emotrace.corpus.datadir import Utterance
from emotrace.representation.discrete import KMeansUnits
from emotrace.representation.ecapa import Ecapa
from emotrace.representation.features import FeatureFileError, FeatureStore, FrontEnds, read_features, write_features
from emotrace.representation.gst import GstEncoder
from emotrace.representation.hubert import Hubert
from emotrace.representation.ir import IRError, IRSpec, assemble_ir
from emotrace.representation.soft import SoftHead

SAMPLES = 16_123


@pytest.fixture(scope="module")
def front_ends():
    torch.manual_seed(0)
    hubert, soft_hubert = Hubert.from_pretrained(HUBERT), Hubert.from_pretrained(HUBERT)
    ecapa = Ecapa((16, 16, 16, 16, 48), attention=8)
    return FrontEnds(hubert, soft_hubert, SoftHead(16, 10), ecapa, GstEncoder(), layers=(1, 6))


@pytest.fixture(scope="module")
def waveform():
    time = np.arange(SAMPLES) / 16_000
    voice = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 12))
    noise = np.random.default_rng(0).normal(0, 0.02, SAMPLES)
    return (0.1 * voice + noise).astype(np.float32)


@pytest.fixture(scope="module")
def features(front_ends, waveform):
    return front_ends(waveform)


@pytest.fixture
def utterance(tmp_path, waveform):
    path = tmp_path / "audio" / "u.wav"
    path.parent.mkdir()
    save_audio(path, waveform)
    return Utterance("spk-u/1", "spk", "f", path)


class Counting:
    def __init__(self, extract):
        self.extract, self.calls = extract, 0

    def __call__(self, waveform):
        self.calls += 1
        return self.extract(waveform)


@pytest.fixture
def store(tmp_path, front_ends):
    return FeatureStore(tmp_path / "features", "models-1", Counting(front_ends))


def tensors(features):
    return {**features.layers, **{n: getattr(features, n) for n in ("soft", "f0", "ecapa", "gst", "log_mel")}}


def assert_same(one, other):
    one, other = tensors(one), tensors(other)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_shapes(features):
    assert {n: tuple(layer.shape) for n, layer in features.layers.items()} == {1: (50, 16), 6: (50, 16)}
    assert features.soft.shape == (50, 10)
    assert features.f0.shape == (101,)
    assert (features.ecapa.shape, features.gst.shape) == ((192,), (128,))
    assert features.log_mel.shape == (80, 101)
    assert not any(tensor.requires_grad for tensor in tensors(features).values())


def test_soft_units_come_from_their_own_hubert(front_ends, features, waveform):
    samples = torch.from_numpy(waveform * (0.95 / np.abs(waveform).max()))
    own = front_ends.soft_head(front_ends.soft_hubert.layers(samples)[12])
    other = front_ends.soft_head(front_ends.hubert.layers(samples)[12])
    torch.testing.assert_close(features.soft, own, rtol=0, atol=1e-4)
    assert (features.soft - other).abs().max() > 1e-2


def test_the_level_of_the_recording_does_not_matter(front_ends, features, waveform):
    quiet = front_ends(waveform * 0.25)
    torch.testing.assert_close(quiet.layers[6], features.layers[6], rtol=0, atol=1e-4)
    torch.testing.assert_close(quiet.log_mel, features.log_mel, rtol=0, atol=1e-4)


def test_features_are_computed_once(store, utterance):
    first = store.get(utterance)
    assert_same(store.get(utterance), first)
    assert store.extract.calls == 1
    assert store.path(utterance.id).name == "spk-u%2F1.safetensors"


def test_another_key_is_another_cache(store, utterance, front_ends):
    store.get(utterance)
    other = FeatureStore(store.root, "models-2", Counting(front_ends))
    other.get(utterance)
    assert other.extract.calls == 1


@pytest.mark.parametrize("key", ["", "..", "a/b"])
def test_refuses_a_key_that_is_no_folder_name(tmp_path, front_ends, key):
    with pytest.raises(ValueError, match="feature key"):
        FeatureStore(tmp_path, key, front_ends)


@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped", "foreign"])
def test_a_damaged_file_is_noticed_and_computed_anew(store, utterance, damage, caplog):
    expected = store.get(utterance)
    path = store.path(utterance.id)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes({"truncated": content[:-50], "emptied": b"", "flipped": content, "foreign": b"x" * 64}[damage])
    with pytest.raises(FeatureFileError, match=str(path)):
        read_features(path)
    assert_same(store.get(utterance), expected)
    assert store.extract.calls == 2
    assert "computing the features anew" in caplog.text
    assert_same(read_features(path), expected)


def test_a_write_that_fails_leaves_nothing(tmp_path, features, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_features(tmp_path / "u.safetensors", features)
    assert list(tmp_path.iterdir()) == []


def test_the_same_features_make_the_same_bytes(tmp_path, features):
    write_features(tmp_path / "a", features)
    write_features(tmp_path / "b", features)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_unusable_audio_is_named(tmp_path, store):
    silent, short = tmp_path / "silent.wav", tmp_path / "short.wav"
    save_audio(silent, np.zeros(16_000, np.float32))
    save_audio(short, np.full(400, 0.1, np.float32))
    with pytest.raises(AudioError, match="silent.wav.*silence"):
        store.get(Utterance("a", "s", "f", silent))
    with pytest.raises(ValueError, match="short.wav"):
        store.get(Utterance("b", "s", "f", short))
    assert not store.path("a").exists()


def test_irs_of_the_rows(features):
    f0 = features.f0
    for spec, expected in {
        IRSpec(layer=1): (features.layers[1], f0, None),
        IRSpec(layer=6, speaker="ecapa"): (features.layers[6], f0, features.ecapa),
        IRSpec(layer=12, post="soft", speaker="gst"): (features.soft, f0, features.gst),
        IRSpec(layer=6, f0=False): (features.layers[6], None, None),
    }.items():
        assert torch.equal(features.ir(spec), assemble_ir(*expected)), spec.name
    assert torch.equal(features.ir(IRSpec(linguistic="log-mel", layer=0, f0=False)), features.log_mel)


def test_an_anonymised_ir_differs_in_the_embedding_alone(features):
    spec = IRSpec(layer=6, speaker="ecapa")
    original, anonymised = features.ir(spec), features.ir(spec, speaker=torch.randn(192))
    assert torch.equal(original[:17], anonymised[:17])
    assert (original[17:] - anonymised[17:]).abs().max() > 0.1


def test_discrete_units_need_their_codebook(features):
    spec = IRSpec(layer=6, post="kmeans")
    codebook = KMeansUnits.fit(features.layers[6], 4, seed=0)
    ir = features.ir(spec, codebook=codebook)
    assert len(torch.unique(ir[:16].T, dim=0)) == 4
    with pytest.raises(IRError, match="needs its codebook"):
        features.ir(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [(IRSpec(layer=3), "T3 was not extracted .*T1, T6"), (IRSpec(layer=6, post="soft"), "soft units are made of T12")],
)
def test_refuses_a_layer_that_is_not_there(features, spec, message):
    with pytest.raises(IRError, match=message):
        features.ir(spec)


def test_refuses_to_anonymise_without_an_embedding(features):
    with pytest.raises(IRError, match="no speaker embedding to replace"):
        features.ir(IRSpec(layer=6), speaker=torch.ones(192))


def test_crop_features_are_not_a_crop_of_the_features(front_ends, features, waveform):
    """SSL-SAS extracts from the crop: the shapes are those of 0.56 s, the values differ from the whole utterance's."""
    crop = front_ends.of_crop(waveform, start=3_200)
    assert crop.layers[6].shape == (27, 16) and crop.f0.shape == (56,)
    assert (crop.layers[6] - features.layers[6][10:37]).abs().max() > 1e-2
    with pytest.raises(ValueError, match="not within"):
        front_ends.of_crop(waveform, start=SAMPLES - 8_959)
