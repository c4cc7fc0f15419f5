"""The feature cache: each stream computed once, written atomically, damage noticed; streams of one utterance."""

import os

import numpy as np
import pytest
import torch

from emotrace.corpus.audio import AudioError, save_audio
from emotrace.corpus.datadir import Utterance
from emotrace.representation import features
from emotrace.representation.features import FeatureCache, FeatureFileError, Features, read_stream, write_stream
from emotrace.representation.spec import StreamSpec

SAMPLES = 16_123
LEVELS, PEAKS = StreamSpec("levels"), StreamSpec("peaks", 3)


def waveform(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.1, 0.1, SAMPLES).astype(np.float32)


def levels(samples: torch.Tensor) -> torch.Tensor:
    """A stream (100, 1). Raises ValueError for less than a second."""
    if len(samples) < 16_000:
        raise ValueError("levels need at least 16000 samples")
    return samples[:16_000].view(100, 160).square().mean(1, keepdim=True)


def peaks(samples: torch.Tensor) -> torch.Tensor:
    """One vector (2,)."""
    return torch.stack([samples.min(), samples.max()])


class Streams:
    """Loads the streams above, and counts how often each is loaded and computed."""

    def __init__(self):
        self.loaded, self.computed = [], []

    def __call__(self, spec: StreamSpec):
        self.loaded.append(spec)
        compute = {LEVELS: levels, PEAKS: peaks}[spec]

        def counted(samples):
            self.computed.append(spec)
            return compute(samples)

        return counted


@pytest.fixture
def streams():
    return Streams()


@pytest.fixture
def cache(tmp_path, streams):
    return FeatureCache(tmp_path / "features", {LEVELS: "one", PEAKS: "two"}, streams)


@pytest.fixture
def utterance(tmp_path):
    path = tmp_path / "audio" / "u.wav"
    save_audio(path, waveform())
    return Utterance("spk-u/1", "spk", "f", path)


def test_a_stream_is_computed_once(cache, streams, utterance):
    first = cache.get(utterance, LEVELS)
    assert torch.equal(cache.get(utterance, LEVELS), first)
    assert streams.computed == [LEVELS]


def test_nothing_is_loaded_for_what_is_on_the_disk(cache, utterance):
    expected = cache.get(utterance, LEVELS)

    def refuse(spec):
        raise AssertionError(f"{spec} is loaded")

    assert torch.equal(FeatureCache(cache.root, cache.keys, refuse).get(utterance, LEVELS), expected)


def test_streams_are_computed_from_the_whole_utterance_at_a_peak_of_095(cache, utterance):
    smallest, largest = cache.get(utterance, PEAKS)
    assert max(-smallest, largest) == pytest.approx(0.95, abs=1e-4)
    samples = torch.from_numpy(waveform() * (0.95 / np.abs(waveform()).max()))
    torch.testing.assert_close(cache.get(utterance, LEVELS), levels(samples), rtol=1e-3, atol=1e-5)


def test_another_key_is_another_file(cache, streams, utterance):
    cache.get(utterance, LEVELS)
    other = FeatureCache(cache.root, {LEVELS: "three"}, streams)
    other.get(utterance, LEVELS)
    assert streams.computed == [LEVELS, LEVELS]
    assert cache.path(utterance, LEVELS).exists() and other.path(utterance, LEVELS).exists()


def test_files_tell_stream_layer_key_and_the_encoded_name_of_the_utterance(cache, utterance):
    assert cache.path(utterance, LEVELS) == cache.root / "levels-one" / "spk-u%2F1.safetensors"
    assert cache.path(utterance, PEAKS) == cache.root / "peaks-T3-two" / "spk-u%2F1.safetensors"


@pytest.mark.parametrize("name", ["a/b", "../a", "a b", "ä", "a%2Fb", "a:b"])
def test_any_name_of_an_utterance_is_one_file_in_the_folder_of_its_stream(cache, utterance, name):
    odd = Utterance(name, "spk", "f", utterance.path)
    expected = cache.get(odd, LEVELS)
    assert torch.equal(cache.get(odd, LEVELS), expected)
    assert [path.parent for path in cache.root.rglob("*.safetensors")] == [cache.root / "levels-one"]


def test_different_names_are_different_files(cache, utterance):
    names = ["a/b", "a%2Fb", "a_b", "a.b", "A/B"]
    paths = {cache.path(Utterance(name, "spk", "f", utterance.path), LEVELS) for name in names}
    assert len(paths) == len(names)


@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped", "foreign"])
def test_a_damaged_file_is_noticed_and_computed_anew(cache, streams, utterance, damage, caplog):
    expected = cache.get(utterance, LEVELS)
    path = cache.path(utterance, LEVELS)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes({"truncated": content[:-50], "emptied": b"", "flipped": content, "foreign": b"x" * 64}[damage])
    with pytest.raises(FeatureFileError, match=str(path)):
        read_stream(path)
    assert torch.equal(cache.get(utterance, LEVELS), expected)
    assert streams.computed == [LEVELS, LEVELS]
    assert str(path) in caplog.text and "computing the stream anew" in caplog.text
    assert torch.equal(read_stream(path), expected)


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_stream(tmp_path / "u.safetensors", torch.ones(3))
    assert list(tmp_path.iterdir()) == []


def test_the_same_stream_makes_the_same_bytes(tmp_path):
    stream = torch.randn(50, 16)
    write_stream(tmp_path / "a", stream)
    write_stream(tmp_path / "b", stream.T.contiguous().T)  # another layout in memory
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert torch.equal(read_stream(tmp_path / "b"), stream)


def test_a_stream_that_was_computed_with_gradients_is_written_without(tmp_path):
    write_stream(tmp_path / "u", torch.ones(3, requires_grad=True) * 2)
    assert not read_stream(tmp_path / "u").requires_grad


def test_unusable_audio_is_named_and_leaves_no_file(tmp_path, cache):
    silent, short, damaged = (tmp_path / f"{name}.wav" for name in ("silent", "short", "damaged"))
    save_audio(silent, np.zeros(16_000, np.float32))
    save_audio(short, np.full(400, 0.1, np.float32))
    save_audio(damaged, waveform())
    damaged.write_bytes(b"RIFF" + damaged.read_bytes()[40:90])
    for path, error, message in (
        (silent, AudioError, "silent.wav.*silence"),
        (short, ValueError, "short.wav: levels need at least 16000 samples"),
        (damaged, AudioError, "damaged.wav"),
        (tmp_path / "absent.wav", AudioError, "absent.wav"),
    ):
        with pytest.raises(error, match=message):
            cache.get(Utterance(path.stem, "s", "f", path), LEVELS)
    assert not list(cache.root.rglob("*.safetensors"))


def test_several_streams_of_an_utterance_read_its_audio_once(cache, streams, utterance, monkeypatch):
    read = []
    load_audio = features.load_audio
    monkeypatch.setattr(features, "load_audio", lambda path: read.append(path) or load_audio(path))
    streams_of = Features(utterance, cache)
    read_streams = [streams_of["levels"], streams_of[PEAKS], streams_of["levels"]]
    assert read == [utterance.path]
    assert [tuple(stream.shape) for stream in read_streams] == [(100, 1), (2,), (100, 1)]
    assert streams.computed == [LEVELS, PEAKS]


def test_the_mean_of_a_speaker_is_that_of_the_utterances_given(tmp_path, cache):
    spoken = []
    for number in range(3):
        path = tmp_path / f"u{number}.wav"
        save_audio(path, waveform(number) * np.linspace(1, number + 1, SAMPLES, dtype=np.float32))
        spoken.append(Utterance(f"u{number}", "spk", "f", path))
    by_name = FeatureCache(cache.root, {StreamSpec("peaks"): "four"}, lambda _: peaks)
    expected = torch.stack([Features(one, by_name)["peaks"] for one in spoken]).mean(0)
    assert torch.equal(Features(spoken[0], by_name, tuple(spoken)).speaker_mean("peaks"), expected)
    assert torch.equal(
        Features(spoken[0], by_name, (spoken[0],)).speaker_mean("peaks"), by_name.get(spoken[0], StreamSpec("peaks"))
    )
