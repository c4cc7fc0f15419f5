"""Speaker verification: scores by hand, and GE2E against Resemblyzer itself."""

from pathlib import Path

import numpy as np
import pytest
import resemblyzer
import torch
from scipy.spatial.distance import cosine
from speech import phantom, phantom_speech
from stand_in import make_corpus

from emotrace.analysis.metrics import eer
from emotrace.corpus.audio import AudioError, level_normalise, load_audio
from emotrace.evaluation.asv import AsvError, Ge2e, asv_scores


@pytest.fixture(scope="module")
def ge2e() -> Ge2e:
    return Ge2e()


@pytest.fixture
def corpus(tmp_path):
    """Speakers s1, s2 (f), s3, s4 (m); neutral utterances are enrolment, sad ones trials, within gender."""
    return make_corpus(tmp_path)


def embeddings(corpus) -> dict[str, np.ndarray]:
    angles = {"s1": 0.0, "s2": np.pi / 3, "s3": np.pi / 2, "s4": np.pi}
    return {u.id: np.array([np.cos(angles[u.speaker]), np.sin(angles[u.speaker])]) * 7 for u in corpus}


def test_scores_are_cosines_of_every_trial(corpus):
    scores = asv_scores(corpus, embeddings(corpus), embeddings(corpus))
    assert len(scores) == len(corpus.trials) == 8
    value = scores.set_index(["speaker", "trial_speaker"])["score"]
    assert value["s1", "s1"] == pytest.approx(1)
    assert value["s1", "s2"] == pytest.approx(0.5)
    assert value["s3", "s4"] == pytest.approx(0, abs=1e-12)
    assert (scores["target"] == (scores["speaker"] == scores["trial_speaker"])).all()
    assert scores.groupby("gender")["speaker"].unique().map(sorted).to_dict() == {"f": ["s1", "s2"], "m": ["s3", "s4"]}


def test_scores_are_scipys_cosines(corpus, oracle):
    rng = np.random.default_rng(0)
    enrolled, tested = ({u.id: rng.normal(size=8) for u in corpus} for _ in range(2))
    scores = asv_scores(corpus, enrolled, tested)
    expected = [1 - cosine(enrolled[f"{line.speaker}-neu"], tested[line.utterance]) for line in scores.itertuples()]
    oracle("score of a trial", "scipy's cosine distance", scores["score"].to_numpy(), np.array(expected), 1e-12)


def test_enrolment_is_averaged_per_speaker(corpus):
    own = type(corpus)(
        corpus.path, corpus.utterances, ("s1-ang", "s1-hap", "s2-neu", "s3-neu", "s4-neu"), corpus.trials
    )
    vectors = embeddings(corpus) | {"s1-ang": np.array([2.0, 0]), "s1-hap": np.array([0, 2.0])}
    scores = asv_scores(own, vectors, embeddings(corpus)).set_index(["speaker", "trial_speaker"])["score"]
    assert scores["s1", "s1"] == pytest.approx(np.sqrt(0.5))


def test_missing_zero_and_nan_embeddings_are_refused(corpus):
    full = embeddings(corpus)
    cases = [
        (full, {}, "no embedding of trial"),
        ({}, full, "no embedding of enrolment"),
        (full, full | {"s1-sad": np.zeros(2)}, "zero or NaN"),
        (full | {"s1-neu": np.array([np.nan, 1])}, full, "zero or NaN"),
    ]
    for enrolment, tests, message in cases:
        with pytest.raises(AsvError, match=message):
            asv_scores(corpus, enrolment, tests)
    with pytest.raises(AsvError, match="no enrolment utterance"):
        asv_scores(type(corpus)(corpus.path, corpus.utterances, ("s1-neu",), corpus.trials), full, full)
    with pytest.raises(AsvError, match="no trials"):
        asv_scores(type(corpus)(corpus.path, corpus.utterances, corpus.enrolment), full, full)


def test_ge2e_is_resemblyzer_on_level_normalised_speech(ge2e, oracle):
    waveform = phantom_speech()
    speech = resemblyzer.preprocess_wav(level_normalise(waveform))
    expected = resemblyzer.VoiceEncoder("cpu", verbose=False).embed_utterance(speech)
    assert len(speech) > 6400
    oracle("GE2E embedding", "Resemblyzer, called directly", ge2e.embed(waveform), expected, 1e-5)


def test_the_weights_of_the_wheel_load_as_data_alone():
    weights = torch.load(Path(resemblyzer.__file__).with_name("pretrained.pt"), "cpu", weights_only=True)
    assert weights["model_state"]["linear.weight"].shape == (256, 256)


@pytest.mark.parametrize("factor", [0.1, 3.0])
def test_ge2e_does_not_depend_on_the_level(ge2e, factor):
    waveform = phantom_speech()
    np.testing.assert_allclose(ge2e.embed(waveform * np.float32(factor)), ge2e.embed(waveform), atol=1e-4)


def test_ge2e_depends_on_the_utterance_alone(ge2e):
    first, second = ge2e.embed(phantom_speech(0)), ge2e.embed(phantom_speech(1))
    np.testing.assert_array_equal(ge2e.embed(phantom_speech(0)), first)
    np.testing.assert_array_equal(Ge2e().embed(phantom_speech(1)), second)
    assert not np.allclose(first, second, atol=1e-2)


def test_ge2e_of_short_utterances_and_of_what_is_no_speech(ge2e):
    rng = np.random.default_rng(0)
    click = np.zeros(16_000, dtype=np.float32)
    click[8000] = 1
    for waveform in (phantom_speech()[4000:10_400], click, rng.normal(0, 0.1, 6400).astype(np.float32)):
        assert np.linalg.norm(ge2e.embed(waveform)) == pytest.approx(1, abs=1e-5)
    assert len(resemblyzer.preprocess_wav(np.clip(level_normalise(click), -1, 1))) == 0  # hence the exception for it
    with pytest.raises(AsvError, match="at least 0.4 s"):
        ge2e.embed(phantom_speech()[:6399])
    with pytest.raises(AudioError):
        ge2e.embed(np.zeros(16_000, dtype=np.float32))


def test_ge2e_tells_the_phantom_speakers_apart(ge2e):
    corpus = phantom()
    vectors = {
        u.id: ge2e.embed(load_audio(u.path))
        for u in corpus
        if u.id in {*corpus.enrolment, *(trial.utterance for trial in corpus.trials)}
    }
    scores = asv_scores(corpus, vectors, vectors)
    assert eer(scores["score"][scores["target"]], scores["score"][~scores["target"]])[0] <= 0.15
