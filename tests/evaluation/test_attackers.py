"""Back-ends of attackers, on made-up embeddings whose structure is known."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from emotrace.analysis.metrics import eer
from emotrace.corpus.datadir import DataDir, Trial, Utterance
from emotrace.evaluation.asv import AsvError, asv_scores
from emotrace.evaluation.attackers import BACKENDS, Lda, Wccn, semi_informed_scores, semi_informed_scores_by_fold


def people(speakers, utterances, dimensions, *, seed=0, nuisance=0.0, noise=0.3):
    """Embeddings (N, E) and speakers (N,): E normal dimensions for a speaker, some of which nuisance covers."""
    rng = np.random.default_rng(seed)
    voices = np.repeat(rng.normal(size=(speakers, dimensions)), utterances, axis=0)
    spread = np.where(np.arange(dimensions) < dimensions // 2, nuisance, 0) + noise
    embeddings = voices + spread * rng.normal(size=voices.shape)
    return embeddings + 2, [f"s{seed}-{number:02d}" for number in range(speakers) for _ in range(utterances)]


def corpus(tmp_path, speakers, *, folds=None, enrolled=2):
    """Trials of everybody against everybody; of each speaker the first utterances are enrolled."""
    utterances, place = [], {}
    for name in speakers:
        place[name] = place.get(name, -1) + 1
        fold = None if folds is None else folds[name]
        utterances.append(Utterance(f"{name}-{place[name]:02d}", name, "f", tmp_path / "x.wav", fold=fold))
    enrolment = tuple(u.id for u in utterances if int(u.id[-2:]) < enrolled)
    trials = tuple(
        Trial(name, u.id, name == u.speaker) for name in sorted(place) for u in utterances if u.id not in enrolment
    )
    return DataDir(tmp_path, tuple(utterances), enrolment, trials)


def by_id(data, embeddings):
    return {utterance.id: vector for utterance, vector in zip(data, embeddings, strict=True)}


def rate(scores):
    return eer(scores["score"][scores["target"]], scores["score"][~scores["target"]])[0]


def test_wccn_makes_the_within_speaker_covariance_the_identity(oracle):
    embeddings, speakers = people(5, 40, 6, nuisance=3.0)
    transformed = Wccn(shrinkage=0).fit(embeddings, speakers).transform(embeddings)
    own = [transformed[np.array(speakers) == name] for name in sorted(set(speakers))]
    within = np.mean([(vectors - vectors.mean(0)).T @ (vectors - vectors.mean(0)) / 40 for vectors in own], axis=0)
    oracle("WCCN", "identity as covariance within speakers", within, np.eye(6), 1e-10)


def test_wccn_shrunk_all_the_way_subtracts_the_mean_and_scales():
    embeddings, speakers = people(4, 5, 6, nuisance=3.0)
    transformed = Wccn(shrinkage=1).fit(embeddings, speakers).transform(embeddings)
    centred = embeddings - embeddings.mean(axis=0)
    ratio = transformed / centred
    np.testing.assert_allclose(ratio, ratio[0, 0])
    assert ratio[0, 0] > 0


def test_lda_of_two_speakers_is_fishers_direction(oracle):
    embeddings, speakers = people(2, 60, 5, nuisance=2.0)
    first, second = embeddings[:60], embeddings[60:]
    within = (np.cov(first.T, bias=True) + np.cov(second.T, bias=True)) / 2
    fisher = np.linalg.solve(within, first.mean(0) - second.mean(0))
    projected = Lda(shrinkage=0).fit(embeddings, speakers).transform(embeddings)
    assert projected.shape == (120, 1)
    expected = (embeddings - embeddings.mean(0)) @ fisher
    correlation = abs(np.corrcoef(projected[:, 0], expected)[0, 1])
    oracle("correlation of LDA", "Fisher's direction", correlation, 1.0, 1e-9)


def test_lda_agrees_with_scikit_learns_other_solver(oracle):
    embeddings, speakers = people(7, 30, 5, nuisance=1.0)
    ours = Lda(shrinkage=0).fit(embeddings, speakers).transform(embeddings)
    svd = LinearDiscriminantAnalysis(solver="svd").fit(embeddings, speakers).transform(embeddings)
    assert ours.shape == svd.shape == (210, 5)
    correlation = [abs(np.corrcoef(ours[:, n], svd[:, n])[0, 1]) for n in range(5)]
    oracle("correlation of LDA", "scikit-learn's other solver", correlation, np.ones(5), 1e-9)


@pytest.mark.parametrize(("speakers", "utterances"), [(6, 10), (12, 36), (4, 10)])
@pytest.mark.parametrize("name", BACKENDS)
def test_few_speakers_and_many_dimensions_are_enough(name, speakers, utterances):
    embeddings, labels = people(speakers, utterances, 256)
    transformed = BACKENDS.find(name)().fit(embeddings, labels).transform(embeddings[:3])
    assert np.isfinite(transformed).all() and (np.linalg.norm(transformed, axis=1) > 0).all()
    assert transformed.shape[1] == (256 if name == "wccn" else speakers - 1)


def test_training_takes_out_what_varies_within_speakers(tmp_path):
    strangers, labels = people(30, 10, 16, seed=1, nuisance=3.0, noise=0.2)
    embeddings, speakers = people(10, 6, 16, seed=2, nuisance=3.0, noise=0.2)
    data = corpus(tmp_path, speakers)
    vectors = by_id(data, embeddings)
    untrained = rate(asv_scores(data, vectors, vectors))
    trained = {
        name: rate(semi_informed_scores(data, strangers, labels, vectors, vectors, backend(shrinkage=0.01)))
        for name, backend in BACKENDS.items()
    }
    assert untrained >= 0.3 and max(trained.values()) <= 0.1, (untrained, trained)


def test_scores_are_the_cosines_of_transformed_embeddings(tmp_path):
    strangers, labels = people(8, 6, 12, seed=1)
    embeddings, speakers = people(3, 4, 12, seed=2)
    data = corpus(tmp_path, speakers)
    vectors = by_id(data, embeddings)
    scores = semi_informed_scores(data, strangers, labels, vectors, vectors, Wccn())
    assert list(scores) == list(asv_scores(data, vectors, vectors))
    backend = Wccn().fit(strangers, labels)
    for line in scores.iloc[[0, 7, -1]].itertuples():
        mean = np.mean([vectors[f"{line.speaker}-0{n}"] for n in (0, 1)], axis=0)
        enrolled, tested = backend.transform(np.array([mean, vectors[line.utterance]]))
        cosine = enrolled @ tested / np.linalg.norm(enrolled) / np.linalg.norm(tested)
        assert line.score == pytest.approx(cosine, abs=1e-12)


class Spy(Wccn):
    """Remembers whom it was trained on."""

    def __init__(self):
        super().__init__()
        self.trained = []

    def fit(self, embeddings, speakers):
        self.trained.append(frozenset(speakers))
        return super().fit(embeddings, speakers)


@pytest.fixture
def folded(tmp_path):
    """Eight speakers in four folds, ten utterances each, and their embeddings by utterance."""
    embeddings, speakers = people(8, 10, 24, seed=3)
    folds = {name: str(place % 4) for place, name in enumerate(sorted(set(speakers)))}
    data = corpus(tmp_path, speakers, folds=folds)
    return data, by_id(data, embeddings), folds


def test_by_fold_nobody_in_a_trial_has_trained_its_score(folded):
    data, vectors, folds = folded
    spy = Spy()
    scores = semi_informed_scores_by_fold(data, vectors, vectors, vectors, spy)
    expected = {frozenset(s for s in folds if folds[s] not in pair) for pair in combinations("0123", 2)}
    assert set(spy.trained) == expected and len(spy.trained) == 6
    assert len(scores) == len(data.trials)
    for column in ("speaker", "utterance", "target"):
        assert scores[column].tolist() == [getattr(trial, column) for trial in data.trials]


def test_by_fold_a_trial_between_folds_has_one_back_end_and_one_within_a_fold_the_mean(folded):
    data, vectors, folds = folded
    scores = semi_informed_scores_by_fold(data, vectors, vectors, vectors, Wccn())

    def by_hand(number, held_out):
        learned = [u for u in data if u.fold not in held_out]
        one = DataDir(data.path, data.utterances, data.enrolment, (data.trials[number],))
        return semi_informed_scores(
            one, np.array([vectors[u.id] for u in learned]), [u.speaker for u in learned], vectors, vectors, Wccn()
        )["score"].item()

    pairs = [{folds[trial.speaker], folds[data[trial.utterance].speaker]} for trial in data.trials]
    between, within = (next(n for n, pair in enumerate(pairs) if len(pair) == size) for size in (2, 1))
    assert scores["score"][between] == pytest.approx(by_hand(between, pairs[between]))
    own = pairs[within].pop()
    expected = [by_hand(within, {own, other}) for other in "0123" if other != own]
    assert scores["score"][within] == pytest.approx(np.mean(expected))


def test_what_cannot_be_trained_or_scored_is_refused(tmp_path, folded):
    embeddings, speakers = people(3, 4, 6)
    data = corpus(tmp_path, speakers)
    vectors = by_id(data, embeddings)
    with pytest.raises(AsvError, match="has not been trained"):
        Wccn().transform(embeddings)
    for refused in (([[np.nan, 1]], ["a"]), (embeddings, speakers[:-1]), (embeddings, ["a"] * 12)):
        with pytest.raises(AsvError, match="training needs"):
            Lda().fit(*refused)
    with pytest.raises(AsvError, match="two utterances of one"):
        Wccn().fit(embeddings[:3], ["a", "b", "c"])
    with pytest.raises(AsvError, match="train the attacker"):
        semi_informed_scores(data, embeddings, speakers, vectors, vectors, Wccn())
    with pytest.raises(AsvError, match="three or more"):
        semi_informed_scores_by_fold(data, vectors, vectors, vectors, Wccn())
    with pytest.raises(AsvError, match="no trials"):
        data, vectors, _ = folded
        semi_informed_scores_by_fold(DataDir(data.path, data.utterances), vectors, vectors, vectors, Wccn())
