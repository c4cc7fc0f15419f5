"""One utterance through one row: the same audio as its parts by hand, from the streams that the row names alone."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from stand_in import make_corpus
from tiny_models import make_models

from emotrace.anonymizer import ANONYMIZERS
from emotrace.anonymizer.draws import Selection
from emotrace.corpus.audio import load_audio, peak_normalise
from emotrace.corpus.datadir import DataDir
from emotrace.pipeline.effects import EFFECTS
from emotrace.pipeline.pipeline import Parts, render, write_rendering
from emotrace.pipeline.rows import ALL_ROWS, Row, select_rows
from emotrace.pipeline.waveforms import write_effect
from emotrace.representation import STREAMS
from emotrace.representation.discrete import load_codebook
from emotrace.representation.ir import build_ir
from emotrace.representation.spec import StreamSpec
from emotrace.vocoder import VOCODERS
from emotrace.weights import ModelFolder

ROWS = {row.name: row for row in ALL_ROWS if not row.recorded}
SELECTION = Selection(n_farthest=10, n_random=5)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> ModelFolder:
    return ModelFolder(make_models(tmp_path_factory.mktemp("models"), layers=(6,)))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> DataDir:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def parts(models, tmp_path):
    """The parts of a row by its name, with a cache of its own for the features."""

    def of(row: Row, selection: Selection = SELECTION) -> Parts:
        keys = dict.fromkeys(row.streams, "key")
        return Parts.of(row, models, selection, tmp_path / "features", keys, "cpu")

    return of


class FeaturesByHand:
    """The streams of an utterance, computed anew each time."""

    def __init__(self, models, utterance, of_speaker):
        self.models, self.utterance, self.of_speaker = models, utterance, of_speaker

    def __getitem__(self, spec, utterance=None):
        spec = StreamSpec(spec) if isinstance(spec, str) else spec
        waveform = torch.from_numpy(peak_normalise(load_audio((utterance or self.utterance).path)))
        return STREAMS.find(spec.name).load(self.models, spec.layer)(waveform)

    def speaker_mean(self, stream):
        return torch.stack([self.__getitem__(stream, one) for one in self.of_speaker]).mean(0)


def render_by_hand(row, models, utterance, of_speaker=(), selection=SELECTION) -> np.ndarray:
    features = FeaturesByHand(models, utterance, of_speaker)
    speaker, register = None, None
    if row.anonymizer:
        speaker, register = ANONYMIZERS.find(row.anonymizer).load(models, selection)(features)
    codebook = load_codebook(models, row.ir.codebook)
    ir = build_ir(row.ir, features.__getitem__, codebook=codebook, speaker=speaker, register=register)
    samples = len(load_audio(utterance.path))
    return VOCODERS.find(row.vocoder).load(models, row.decoder)(ir, samples).numpy()


@pytest.mark.parametrize("name", ROWS)
def test_a_rendering_is_that_of_the_parts_by_hand(parts, models, data, name):
    row, utterance = ROWS[name], data.utterances[1]
    waveform = render(utterance, parts(row))
    assert waveform.dtype == np.float32 and waveform.shape == load_audio(utterance.path).shape
    assert np.abs(waveform).max() == pytest.approx(0.95, abs=1e-5)
    np.testing.assert_allclose(waveform, render_by_hand(row, models, utterance), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ROWS)
def test_the_streams_that_a_row_needs_are_those_that_it_reads(parts, data, name):
    made = parts(ROWS[name])
    render(data.utterances[1], made)
    read = {path.name for path in made.cache.iterdir()}
    assert read == {f"{spec}-key" for spec in ROWS[name].streams}


def test_of_a_replaced_speaker_only_what_the_anonymizer_reads_is_needed():
    rows = {name: [str(spec) for spec in row.streams] for name, row in ROWS.items()}
    assert rows["none-T1"] == ["hubert-T1", "f0"]
    assert rows["GST-orig-T12-soft"] == ["soft", "f0", "gst"]
    assert rows["ECAPA-orig-T6"] == rows["ECAPA-anon-T6"] == ["hubert-T6", "f0", "ecapa"]
    assert rows["B3-IR"] == ["hubert-T12", "f0", "log-mel"]  # the style is sampled
    assert rows["B4-IR"] == ["hubert-T12"]  # the prompt is another speaker's
    assert select_rows(["original"])[0].streams == ()


def test_at_level_speaker_the_voice_is_that_of_all_utterances_of_the_speaker(parts, models, data):
    row, utterance = ROWS["ECAPA-anon-T6"], data.utterances[1]
    per_speaker = replace(SELECTION, level="speaker")
    own = tuple(one for one in data if one.speaker == utterance.speaker)
    waveform = render(utterance, parts(row, per_speaker), own)
    np.testing.assert_allclose(waveform, render_by_hand(row, models, utterance, own, per_speaker), rtol=0, atol=1e-6)


def test_parts_that_have_travelled_to_a_worker_render_the_same(parts, data):
    made = parts(ROWS["ECAPA-anon-T6"])
    expected = render(data.utterances[0], made)
    np.testing.assert_array_equal(render(data.utterances[0], pickle.loads(pickle.dumps(made))), expected)


def test_the_order_of_the_utterances_leaves_no_trace(models, data, tmp_path):
    row = ROWS["ECAPA-anon-T6"]
    keys = dict.fromkeys(row.streams, "key")
    forwards, backwards = (
        Parts.of(row, models, SELECTION, tmp_path / name, keys, "cpu") for name in ("forwards", "backwards")
    )
    first = [render(utterance, forwards) for utterance in data.utterances[:3]]
    second = [render(utterance, backwards) for utterance in reversed(data.utterances[:3])]
    for one, other in zip(first, reversed(second), strict=True):
        np.testing.assert_array_equal(one, other)


def test_files_hold_the_rendering_and_the_effect_in_16_bits(parts, data, tmp_path):
    made, utterance = parts(ROWS["ECAPA-anon-T6"]), data.utterances[0]
    write_rendering(tmp_path / "made.flac", utterance, made, ())
    rendered = load_audio(tmp_path / "made.flac")
    np.testing.assert_allclose(rendered, render(utterance, made), rtol=0, atol=2**-15)
    write_effect(tmp_path / "changed.flac", utterance, EFFECTS.find("level-down"), tmp_path / "made.flac")
    expected = EFFECTS.find("level-down")(rendered)
    np.testing.assert_allclose(load_audio(tmp_path / "changed.flac"), expected, rtol=0, atol=2**-15)


def test_a_part_that_is_registered_by_the_main_process_alone_travels_as_a_class(models, data, tmp_path, monkeypatch):
    """A worker process knows the package's registries and not what the caller has added to them."""
    row = replace(ROWS["none-T6"], name="toy")
    monkeypatch.setitem(VOCODERS, "toy", ToyVocoder)
    toy = replace(row, vocoder="toy")
    made = Parts.of(toy, models, SELECTION, tmp_path, dict.fromkeys(toy.streams, "key"), "cpu")
    monkeypatch.delitem(VOCODERS, "toy")
    waveform = render(data.utterances[0], pickle.loads(pickle.dumps(made)))
    np.testing.assert_array_equal(waveform, np.full(len(load_audio(data.utterances[0].path)), 0.5, np.float32))


class ToyVocoder:
    """Makes a constant of any IR."""

    @staticmethod
    def models(ir):
        return ()

    @staticmethod
    def files():
        return ()

    @classmethod
    def load(cls, models, ir, device="cpu"):
        return cls()

    def __call__(self, ir, n_samples):
        return torch.full((n_samples,), 0.5)
