"""Measures: what is to be measured by whom, each once; dispatch to the recogniser; what JSON can hold."""

import json
from pathlib import Path

import numpy as np
import pytest
from speech import phantom_speech

from emotrace.corpus.audio import load_audio, save_audio
from emotrace.corpus.datadir import DataDir, Emotion, Utterance
from emotrace.evaluation import ASR, ASV, NATURALNESS, SER
from emotrace.evaluation.acoustics import ACOUSTIC_FEATURES, AcousticFeature, acoustic_features, oracle_mask
from emotrace.evaluation.asr import Transcript
from emotrace.pipeline.measures import RATED, Measure, Recognisers, Rendering, measure, write_measurement


class MadeUp:
    """A recogniser of everything, whose answers tell what it was given."""

    label, embedding = "made up", ""

    def __init__(self, device):
        self.device = device

    @classmethod
    def make(cls, device):
        return cls(device)

    def transcribe(self, waveform):
        return Transcript(f"{len(waveform)} SAMPLES ON {self.device}", "length")

    def score(self, waveform):
        return len(waveform) / 1000

    def embed(self, waveform):
        return np.float32([waveform.max(), 1.0])

    def features(self, waveform):
        return np.float32([len(waveform), 2.0])


class MadeUpTrained(MadeUp):
    def posteriors(self, waveform, fold):
        return {emotion: float(fold) + place for place, emotion in enumerate(reversed(Emotion))}


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    for registry in (ASR, ASV, SER, NATURALNESS):
        monkeypatch.setitem(registry, "made-up", MadeUp)
    monkeypatch.setitem(SER, "trained", MadeUpTrained)


@pytest.fixture
def utterance(tmp_path):
    save_audio(tmp_path / "u.flac", phantom_speech())
    return Utterance("u", "s", "f", tmp_path / "u.flac", "TEXT", Emotion.SAD, "3")


MADE_UP = Recognisers("made-up", "made-up", ("made-up", "ge2e", "trained"), "the device", naturalness="made-up")


def test_each_measurement_is_taken_once():
    names = [str(taken) for taken in Recognisers().measurements()]
    measured = ["words-whisper-tiny.en", "speaker-ge2e", "emotion-functionals", "emotion-whisper"]
    assert names == [*measured, "naturalness-distillmos", "acoustics"]
    others = Recognisers("pocketsphinx", ser=("ge2e", "egemaps", "functionals"), naturalness="")
    assert [str(taken) for taken in others.measurements()] == [
        "words-pocketsphinx",
        "speaker-ge2e",
        "emotion-egemaps",
        "emotion-functionals",
        "acoustics",
    ]
    another_verifier = Recognisers(asv="made-up", ser=("functionals", "ge2e"))
    another_verifier = another_verifier.measurements({Measure.SPEAKER, Measure.EMOTION})
    assert [str(taken) for taken in another_verifier] == ["speaker-made-up", "emotion-functionals", "speaker-ge2e"]
    assert Recognisers().measurements({Measure.ACOUSTICS}) == (Recognisers().acoustic,)
    assert Recognisers().measurements(()) == ()


@pytest.mark.parametrize("changed", [{"asr": "nobody"}, {"asv": "nobody"}, {"ser": ("functionals", "nobody")}])
def test_an_unknown_recogniser_is_refused(changed):
    with pytest.raises(ValueError, match="'nobody'; there are: "):
        Recognisers(**changed).measurements()


def test_a_measurement_is_what_its_recogniser_says_of_the_audio(utterance, tmp_path):
    other = tmp_path / "other.flac"
    save_audio(other, 0.5 * phantom_speech()[:8_000])
    audio = load_audio(other)
    expected = {
        MADE_UP.words: {"text": "8000 SAMPLES ON the device", "guard": "length"},
        MADE_UP.natural: 8.0,
        MADE_UP.speaker: [float(audio.max()), 1.0],
        MADE_UP.emotion("made-up"): [8000.0, 2.0],
        MADE_UP.emotion("trained"): [6.0, 5.0, 4.0, 3.0],
    }
    for taken, value in expected.items():
        assert measure(utterance, taken, other, "the device") == value, str(taken)


def test_acoustics_are_measured_on_the_speech_frames_of_the_recording(utterance, tmp_path):
    quiet = tmp_path / "quiet.flac"
    save_audio(quiet, 0.1 * phantom_speech())
    found = measure(utterance, Recognisers().acoustic, quiet, "cpu")
    expected = acoustic_features(load_audio(quiet), oracle_mask(load_audio(utterance.path)))
    assert found == {name: None if np.isnan(value).any() else value for name, value in expected.items()}


def test_an_acoustic_feature_that_does_not_exist_is_none(utterance, monkeypatch):
    monkeypatch.setattr("emotrace.evaluation.acoustics.world_f0", lambda waveform: np.zeros(len(waveform) // 160))
    found = measure(utterance, Recognisers().acoustic, utterance.path, "cpu")
    assert found["f0_mean_hz"] is None and found["f0_range_st"] is None and found["f0_voiced"] == 0
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_acoustic_features_are_those_that_are_named(utterance, monkeypatch):
    seconds = AcousticFeature("s", "duration", lambda speech: len(speech.waveform) / 16_000)
    monkeypatch.setitem(ACOUSTIC_FEATURES, "seconds", seconds)
    taken = Recognisers(acoustics=("seconds", "kurtosis")).acoustic
    monkeypatch.delitem(ACOUSTIC_FEATURES, "seconds")  # as in a worker, which does not know what the caller registers
    found = measure(utterance, taken, utterance.path, "cpu")
    assert found["seconds"] == len(phantom_speech()) / 16_000
    histograms = {"centroid_histogram", "kurtosis_histogram"}
    assert set(found) == {"seconds", "kurtosis", "speech_frames", "f0_voiced"} | histograms
    with pytest.raises(ValueError, match="unknown acoustic feature 'colour'; there are: centroid_hz"):
        _ = Recognisers(acoustics=("colour",)).acoustic


def test_a_trained_recogniser_needs_the_fold_that_it_has_not_learned_from(utterance):
    without = Utterance("u", "s", "f", utterance.path)
    with pytest.raises(ValueError, match="'u' has no fold"):
        measure(without, MADE_UP.emotion("trained"), utterance.path, "cpu")


def test_nan_is_no_measurement(utterance, tmp_path, monkeypatch):
    monkeypatch.setattr(MadeUp, "embed", lambda self, waveform: np.array([np.nan]))
    with pytest.raises(ValueError):
        write_measurement(tmp_path / "m.json", utterance, MADE_UP.speaker, utterance.path, "cpu")
    assert not (tmp_path / "m.json").exists()


def test_naturalness_is_predicted_for_fifty_utterances_spread_over_the_ids(tmp_path):
    for count, every in ((3, 1), (RATED, 1), (RATED + 1, 2), (5 * RATED, 5)):
        data = DataDir(tmp_path, tuple(Utterance(f"{n:04}", "s", "f", tmp_path) for n in range(count)))
        rendering = Rendering("row", "read", data, {}, tmp_path, {}, frozenset(Measure))
        assert rendering.measured(MADE_UP.natural) == [f"{n:04}" for n in range(0, count, every)]
        assert len(rendering.measured(MADE_UP.speaker)) == count


def test_a_rendering_tells_where_its_measurements_lie(tmp_path, utterance):
    other = Utterance("v", "s", "f", utterance.path)
    data = DataDir(tmp_path, (utterance, other), enrolment=("v",))
    words, speaker = MADE_UP.words, MADE_UP.speaker
    keys = {words: "a", speaker: "b"}
    audio = {name: utterance.path for name in "uv"}
    plain = Rendering("row", "read", data, audio, tmp_path, keys, frozenset(Measure), frozenset("u"))
    assert plain.file(words, "u") == tmp_path / "words-made-up-a" / "u.json"
    assert plain.enrolment_file(speaker, "v") == plain.file(speaker, "v")
    assert plain.measured(words) == ["u"] and plain.measured(speaker) == ["u", "v"]
    separate = Rendering(
        "row", "read", data, audio, tmp_path, keys, frozenset(Measure), frozenset(), {"v": Path("v.flac")}
    )
    assert separate.enrolment_file(speaker, "v") == tmp_path / "enrolment-speaker-made-up-b" / "v.json"
    write_measurement(separate.enrolment_file(speaker, "v"), other, speaker, utterance.path, "cpu")
    assert list(separate.read_enrolment(speaker)) == ["v"]
