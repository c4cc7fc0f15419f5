"""What a user adds from outside the package, each from a module of its own in another folder, and sees in a table.

A representation, an anonymizer, a vocoder, a recogniser of emotion, an acoustic feature and a claim; a corpus is in
tests/corpus. Adding one is a class or a function, an assignment to a registry, and a row or a profile that names it.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.neighbors import NearestCentroid
from tiny_study import make_tiny, tiny_profile

from emotrace.analysis.claims import CLAIMS, ROWS_MISSING, UNDECIDED, Claim, claim_tests, minus, verdicts
from emotrace.analysis.contrasts import EMOTIONS, metric_interval
from emotrace.analysis.summary import summary_table
from emotrace.analysis.tables import confusion_table, seed_spread
from emotrace.anonymizer import ANONYMIZERS
from emotrace.corpus.audio import load_audio
from emotrace.corpus.datadir import DataDir
from emotrace.engine.keys import Keys
from emotrace.engine.workers import LocalWorkers
from emotrace.evaluation import ACOUSTICS, SER
from emotrace.evaluation.acoustics import ACOUSTIC_FEATURES
from emotrace.paths import PACKAGE
from emotrace.pipeline.measures import Measure
from emotrace.pipeline.pipeline import Parts, intermediate_representation
from emotrace.pipeline.rows import LOG_MEL, ORIGINAL, Row
from emotrace.representation import STREAMS
from emotrace.representation.features import Features
from emotrace.representation.spec import IRSpec
from emotrace.show.figures import interval_figure
from emotrace.study import Study
from emotrace.study.profiles import ALL_MEASURES, Profile
from emotrace.study.results import label_of
from emotrace.study.run import run_rows
from emotrace.study.study import StudyResults
from emotrace.vocoder import VOCODERS
from emotrace.vocoder.acoustic import AcousticConfig, AcousticModel
from emotrace.vocoder.hifigan import HifiGan, HifiGanConfig
from emotrace.weights import save_model

REPRESENTATION = '''
"""The log spectrum of speech in twelve bands."""

import torch


class BandSpectrum:
    """Frames of 25 ms every 20 ms, (L, 12)."""

    models = ()
    dimension, rate = 12, 50.0

    @classmethod
    def load(cls, models=None, layer=None, device="cpu"):
        return cls()

    def __call__(self, waveform):
        frames = waveform.unfold(0, 400, 320) * torch.hann_window(400)
        bands = torch.fft.rfft(frames).abs().tensor_split(12, dim=1)
        return torch.stack([band.mean(1) for band in bands], 1).clamp(min=1e-5).log()


class MeanBands(BandSpectrum):
    """Their mean over an utterance, (12,), in place of a speaker embedding."""

    rate = 0.0

    def __call__(self, waveform):
        return super().__call__(waveform).mean(0)
'''
ANONYMIZER = '''
"""The opposite of a speaker."""

from emotrace.anonymizer.draws import Replacement


class Negated:
    models = ()
    streams = ("ecapa",)
    settings = ("seed",)

    @classmethod
    def load(cls, models, selection):
        return cls()

    def __call__(self, source):
        return Replacement(-source["ecapa"])
'''
VOCODER = '''
"""Noise that swells as the speech does."""

import torch

from emotrace.vocoder.universal import normalise_peak


class SwellingNoise:
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
        level = ir.clamp(max=5).exp().mean(0)[None, None]
        swell = torch.nn.functional.interpolate(level, n_samples, mode="linear")[0, 0]
        return normalise_peak(swell * torch.randn(n_samples, generator=torch.Generator().manual_seed(0)))
'''
RECOGNISER = '''
"""Emotions by the nearest mean of two numbers of a waveform."""

import numpy as np

from emotrace.corpus.datadir import Emotion


class NearestMean:
    label = "nearest mean"
    embedding = ""

    @classmethod
    def make(cls, device="cpu"):
        return cls()

    @staticmethod
    def files():
        return ()

    def features(self, waveform):
        crossings = np.mean(np.diff(np.signbit(waveform)))
        return np.array([crossings, np.abs(waveform).mean() / np.abs(waveform).max()])

    def fit(self, features, emotions):
        self.names = sorted(set(emotions))
        labels = np.array(emotions)
        self.means = np.stack([features[labels == name].mean(0) for name in self.names])

    def predict(self, features):
        distances = np.linalg.norm(features[:, None] - self.means, axis=-1)
        return [Emotion(self.names[place]) for place in distances.argmin(1)]
'''
FEATURE = '''
"""How far the peak stands out."""

import numpy as np

from emotrace.evaluation.acoustics import AcousticFeature


def crest_db(speech):
    """Peak over root mean square of the whole waveform."""
    return float(20 * np.log10(np.abs(speech.waveform).max() / np.sqrt(np.mean(np.square(speech.waveform)))))


CREST = AcousticFeature("dB", "crest factor", crest_db)
'''
MODULES = {
    "added_representation": REPRESENTATION,
    "added_anonymizer": ANONYMIZER,
    "added_vocoder": VOCODER,
    "added_recogniser": RECOGNISER,
    "added_feature": FEATURE,
}
ADDITIONS = (
    (STREAMS, "bands", "added_representation:BandSpectrum"),
    (STREAMS, "mean-bands", "added_representation:MeanBands"),
    (ANONYMIZERS, "negated", "added_anonymizer:Negated"),
    (VOCODERS, "noise", "added_vocoder:SwellingNoise"),
    (SER, "nearest", "added_recogniser:NearestMean"),
    (ACOUSTIC_FEATURES, "crest_db", "added_feature:CREST"),
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> dict[str, Row]:
    """A row for each addition, which is registered as long as the tests of this file run."""
    folder = tmp_path_factory.mktemp("outside the package")
    for name, text in MODULES.items():
        (folder / f"{name}.py").write_text(text.lstrip())
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        for registry, name, place in ADDITIONS:
            patch.setitem(registry, name, place)
        yield {
            "representation": Row("bands", IRSpec(linguistic="bands", layer=0), "two-stage"),
            "anonymizer": Row("ECAPA-negated-T6", IRSpec(layer=6, speaker="ecapa"), "unified", "negated"),
            "vocoder": Row("noise-log-mel", LOG_MEL, "noise"),
        }


@pytest.fixture(scope="module")
def profile(rows, tmp_path_factory) -> Profile:
    """The tiny study without words, with the added rows, recogniser and feature, and untrained models for two rows."""
    folder = make_tiny(tmp_path_factory.mktemp("study"))
    bands, speaker = rows["representation"].ir, rows["anonymizer"].ir
    acoustic = AcousticModel(AcousticConfig(12 + 1, dim=8, blocks=2))
    save_model(acoustic, folder / "models" / f"acoustic-{bands.name}")
    generator = HifiGan(HifiGanConfig(16 + 1 + 192, initial_channels=32))
    save_model(generator, folder / "models" / f"unified-{speaker.name}")
    tiny = tiny_profile(folder, folder)
    corpus = replace(tiny.corpora[0], measures=ALL_MEASURES - {Measure.WORDS})
    recognisers = replace(tiny.recognisers, ser=("egemaps", "ge2e", "nearest"), acoustics=(*ACOUSTICS, "crest_db"))
    return replace(tiny, corpora=(corpus,), rows=(ORIGINAL, *rows.values()), groups={}, recognisers=recognisers)


@pytest.fixture(scope="module")
def results(profile, inline_workers) -> StudyResults:
    """The study of the original and of every added row."""
    return Study(profile, n_bootstrap=50)


def audio_of(profile: Profile, row: Row) -> dict[str, np.ndarray]:
    """The waveforms (T,) that a row has made, by utterance id."""
    [corpus] = profile.corpora
    rendering = Keys(profile).rendering(row, corpus.name, corpus.path, corpus.measures)
    return {name: load_audio(path) for name, path in rendering.audio.items()}


def test_what_is_added_lies_outside_the_package(rows):
    for registry, name, place in ADDITIONS:
        registry.find(name)
        module = sys.modules[place.partition(":")[0]]
        assert not Path(module.__file__).is_relative_to(PACKAGE)


def test_every_added_row_is_a_line_of_the_table(results, rows):
    table = summary_table(results)
    assert list(table["version"].unique()) == ["original", "bands", "ECAPA-negated-T6", "noise-log-mel"]
    shares = table[table["metric"].str.startswith("UAR") | table["metric"].str.startswith("recall")]
    assert len(shares) >= 4 * (1 + len(EMOTIONS)) and shares["estimate"].between(0, 100).all()
    assert [state.state for state in results.states] == ["done"] * 4


def test_another_layer_of_the_studys_rows_leaves_added_ones_alone(profile, rows):
    assert profile.select(layer=3) == profile.select() == (ORIGINAL, *rows.values())


def test_a_representation_is_seen_in_the_study(results, profile, rows):
    lines = results.lines("bands")
    original = results.lines("original").set_index("utterance")
    assert len(lines) == 16 and lines[["kurtosis", "loudness_lufs"]].notna().all(axis=None)
    assert (lines.set_index("utterance")["seconds"] == original["seconds"]).all()
    assert not lines["emotion_egemaps"].isna().any()
    components = results.works[1].identity()["components"]
    assert set(components) >= {"stream bands", "stream f0", "vocoder two-stage"} and "stream hubert" not in components


def test_the_representation_is_what_the_vocoder_gets(profile, rows):
    """Twelve normed bands by the test's own FFT, each frame twice, and F0."""
    ir = ir_of(profile, rows["representation"], "s1-sad")
    waveform = load_audio(profile.corpora[0].path / "wav" / "s1-sad.wav")
    waveform = 0.95 * waveform / np.abs(waveform).max()
    window = np.hanning(401)[:-1]
    spectra = [np.abs(np.fft.rfft(waveform[n : n + 400] * window)) for n in range(0, len(waveform) - 399, 320)]
    bands = np.log(np.maximum([[part.mean() for part in np.array_split(s, 12)] for s in spectra], 1e-5))
    normed = (bands - bands.mean()) / bands.std()
    assert ir.shape == (13, 60)
    np.testing.assert_allclose(ir[:12, : 2 * len(bands)].numpy(), np.repeat(normed, 2, axis=0).T, atol=1e-3)


def ir_of(profile: Profile, row: Row, utterance: str, *, anonymise: bool = False) -> torch.Tensor:
    """The IR (D, L) of an utterance, of another speaker where that is asked for."""
    [corpus], keys = profile.corpora, Keys(profile)
    features = profile.work / "features" / corpus.name
    parts = Parts.of(row, keys.models, profile.drawn, features, keys.streams(row, corpus.path), "cpu")
    source = Features(DataDir.read(corpus.path)[utterance], parts.features)
    return intermediate_representation(source, parts, parts.anonymizer(source) if anonymise else None)


def test_an_anonymizer_is_seen_in_the_trials(results, profile, rows):
    trials = results.trials[results.trials["row"] == "ECAPA-negated-T6"]
    assert set(trials["attacker"]) == {"ignorant", "lazy-informed"} and len(trials) == 2 * 8
    kept, replaced = (ir_of(profile, rows["anonymizer"], "s1-sad", anonymise=other) for other in (False, True))
    torch.testing.assert_close(replaced[-192:], -kept[-192:])
    torch.testing.assert_close(replaced[:-192], kept[:-192])
    assert results.works[2].identity()["selection"] == {"seed": "2020"}


def test_a_vocoder_is_heard_in_the_audio_and_seen_in_the_study(results, profile, rows):
    """The noise is loud where the recording is."""
    for name, waveform in audio_of(profile, rows["vocoder"]).items():
        recording = load_audio(profile.corpora[0].path / "wav" / f"{name}.wav")
        assert waveform.shape == recording.shape and np.abs(waveform).max() == pytest.approx(0.95, abs=1e-3)
        levels = [np.square(x[: len(x) // 400 * 400]).reshape(-1, 400).mean(1) for x in (waveform, recording)]
        assert np.corrcoef(*levels)[0, 1] > 0.8
    flatter = metric_interval(results, "noise-log-mel", "kurtosis").estimate
    assert flatter < metric_interval(results, "original", "kurtosis").estimate, "noise fills the spectrum"


def test_a_recogniser_is_seen_as_a_column_and_in_every_table(results, profile, rows):
    assert label_of("nearest") == "nearest mean"
    columns = ["emotion_nearest", "emotion_nearest_seed1", "emotion_nearest_seed2"]
    assert results.utterances[columns].notna().all(axis=None)
    uar = {row: 100 * _accuracy(results.lines(row)) for row in results.rows}
    estimates = {row: metric_interval(results, row, "uar", "nearest").estimate for row in results.rows}
    assert estimates == pytest.approx(uar), "every speaker says as much with each emotion"
    assert confusion_table(results, "original", "nearest").to_numpy().sum() == 16
    assert list(seed_spread(results)["recogniser"].unique()) == ["egemaps", "ge2e", "nearest"]
    summary = summary_table(results).set_index(["version", "metric", "of"])["estimate"]
    assert summary["bands", "UAR [%]", "nearest"] == pytest.approx(uar["bands"])


def _accuracy(lines: pd.DataFrame) -> float:
    return (lines["emotion_nearest"] == lines["emotion"]).mean()


def test_the_recogniser_learns_from_the_other_fold_of_the_recordings(results, profile, rows):
    recordings = audio_of(profile, ORIGINAL)
    for row in (ORIGINAL, rows["vocoder"]):
        versions, lines = audio_of(profile, row), results.lines(row.name).set_index("utterance")
        for fold in ("1", "2"):
            train, test = lines[lines["fold"] != fold], lines[lines["fold"] == fold]
            reference = NearestCentroid().fit(
                [_two_numbers(recordings[name]) for name in train.index], train["emotion"]
            )
            expected = reference.predict([_two_numbers(versions[name]) for name in test.index])
            assert list(test["emotion_nearest"]) == list(expected)


def _two_numbers(waveform: np.ndarray) -> list[float]:
    negative = waveform < 0
    return [np.mean(negative[1:] != negative[:-1]), np.mean(np.abs(waveform)) / np.max(np.abs(waveform))]


def test_a_recogniser_has_its_panel_in_the_figure_of_the_recalls(results):
    recalls = pd.DataFrame(
        {"panel": label_of(name), "line": row, "emotion": emotion}
        | metric_interval(results, row, emotion, name)._asdict()
        for name in results.recognisers
        for row in results.rows
        for emotion in (*EMOTIONS, "uar")
    )
    figure = interval_figure(recalls, label="recall [%]", hue="emotion")
    assert [axes.get_title() for axes in figure.axes] == ["eGeMAPS + SVM", "GE2E + SVM", "nearest mean"]


def test_an_acoustic_feature_is_seen_as_a_column_and_a_metric(results, profile):
    recordings = audio_of(profile, ORIGINAL)
    measured = results.lines("original").set_index("utterance")["crest_db"]
    for name, waveform in recordings.items():
        power = np.mean(waveform.astype(float) ** 2)
        assert measured[name] == pytest.approx(10 * np.log10(np.max(waveform**2) / power), abs=1e-4)
    estimate = metric_interval(results, "original", "crest_db").estimate
    assert estimate == pytest.approx(measured.mean()) and results.utterances["crest_db"].notna().all()
    noise = metric_interval(results, "noise-log-mel", "crest_db").estimate
    assert noise > estimate, "noise has higher peaks than five harmonics"
    summary = summary_table(results).set_index(["version", "metric"])["estimate"]
    assert summary["noise-log-mel", "crest_db"] == pytest.approx(noise)


def test_a_claim_is_judged_with_the_others(results):
    """The spectrum of noise is no sharper than that of tones; the rows of the paper's claims are not at hand."""
    tests = (minus("noise-log-mel", "original", "kurtosis", "kurtosis"),)
    claim = Claim("X", "Noise is sharp", "h4_acoustic_features", tests)
    table = verdicts(results, (*CLAIMS, claim)).set_index("claim")
    assert table.at["X", "verdict"] == UNDECIDED and table.at["X", "text"] == "Noise is sharp"
    assert set(table["verdict"].drop("X")) == {ROWS_MISSING}
    lines = claim_tests(results, (*CLAIMS, claim)).set_index("claim")
    assert list(lines.index) == ["X"] and lines.at["X", "paper"] == "above 0"
    assert lines.at["X", "estimate"] < 0 and lines.at["X", "p"] > 0.05, "the few speakers here decide nothing"


@pytest.fixture(scope="module")
def both(profile, inline_workers, tmp_path_factory) -> tuple[StudyResults, StudyResults]:
    """Two rows of nothing but additions, by this process and by a worker process that has registered nothing."""
    [corpus] = profile.corpora
    corpora = (replace(corpus, measures=frozenset({Measure.EMOTION, Measure.ACOUSTICS})),)
    recognisers = replace(profile.recognisers, ser=("nearest",), acoustics=("crest_db",))
    rows = (
        Row("negated", IRSpec(linguistic="bands", layer=0, speaker="ecapa", f0=False), "noise", "negated"),
        Row("own", IRSpec(linguistic="bands", layer=0, speaker="mean-bands", f0=False), "noise"),
    )
    small = replace(profile, corpora=corpora, recognisers=recognisers, rows=rows)
    folder = tmp_path_factory.mktemp("two runs")
    here, there = (replace(small, work=folder / name / "work", results=folder / name) for name in ("here", "there"))
    inline = Study(here)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emotrace.engine.runner._workers", lambda _, jobs, __, kernels: LocalWorkers(jobs, kernels))
        assert run_rows(there, rows, jobs=1) == ["negated", "own"]
    return inline, Study(there)


def test_what_the_main_process_alone_has_registered_reaches_the_workers(both):
    """Representation, anonymizer, vocoder, recogniser and acoustic feature: the same numbers, bit by bit."""
    here, there = both
    pd.testing.assert_frame_equal(here.lines("negated"), there.lines("negated"), check_exact=True)
    assert there.lines("negated")[["emotion_nearest", "crest_db"]].notna().all(axis=None)


def test_an_embedding_that_the_main_process_alone_has_registered_reaches_the_workers(both):
    here, there = both
    pd.testing.assert_frame_equal(here.lines("own"), there.lines("own"), check_exact=True)
