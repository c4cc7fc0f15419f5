"""selec-anon: parity with SSL-SAS, the pool that is too small, level and seed."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emotrace.anonymizer.draws import Level, Selection
from emotrace.anonymizer.selec_anon import Pool, SelecAnon, SelecAnonError, select
from emotrace.corpus.datadir import Utterance
from emotrace.training.ecapa import pool_of

PARITY = Path(__file__).parents[1] / "data" / "parity"
FEW = Selection(n_farthest=4, n_random=2)


@pytest.fixture(scope="module")
def fixture():
    return json.loads((PARITY / "selec_anon.json").read_text())


@pytest.fixture(scope="module")
def pool_900(fixture):
    genders = tuple(gender.lower() for gender in fixture["pool_gender"].values())
    return Pool(tuple(fixture["pool"]), genders, torch.tensor(list(fixture["pool"].values()), dtype=torch.float64))


@pytest.fixture
def pool():
    embeddings = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    return Pool(tuple(f"p{i}" for i in range(20)), ("f", "m") * 10, embeddings)


@pytest.fixture
def source():
    return torch.randn(6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("variant", ["same_gender", "cross_gender"])
def test_choices_are_those_of_ssl_sas(fixture, pool_900, variant, oracle):
    rng = random.Random("2020")
    for speaker in ("s0", "s1", "s2", "s3"):
        source = torch.tensor(fixture["source"][speaker], dtype=torch.float64)
        gender = fixture["source_gender"][speaker].lower()
        result = select(pool_900, source, gender, rng=rng, cross_gender=variant == "cross_gender")
        expected = fixture["result"][variant][speaker]
        for kind, ours in (("candidates", result.candidates), ("chosen", result.chosen)):
            places = [[pool_900.speakers.index(name) for name in names] for names in (ours, expected[kind])]
            oracle("selec-anon's voices", "SSL-SAS's choices", *places, 0, "places")
        vector = torch.tensor(expected["vector"], dtype=torch.float64)
        oracle("selec-anon's vector", "SSL-SAS's choices", result.embedding, vector, 1e-5)


def test_the_result_is_the_plain_mean_of_the_farthest(pool, source):
    result = select(pool, source, "f", n_farthest=3, n_random=3, rng=random.Random(0))
    female = pool.embeddings[0::2]
    far = torch.nn.functional.cosine_similarity(female, source[None]).argsort()[:3]
    torch.testing.assert_close(result.embedding, female[far].mean(0))
    assert result.candidates == result.chosen == tuple(f"p{2 * int(i)}" for i in far)


def test_gender_of_the_candidates(pool, source):
    def parities(**options):
        result = select(pool, source, "m", n_farthest=5, n_random=2, rng=random.Random(0), **options)
        return {int(name[1:]) % 2 for name in result.candidates}

    assert parities() == {1}
    assert parities(cross_gender=True) == {0}


@pytest.mark.parametrize("gender", ["f", "m"])
def test_refuses_a_pool_smaller_than_the_numbers_ask(pool, source, gender):
    with pytest.raises(SelecAnonError, match=f"needs 200 candidates of gender {gender}, the pool has 10"):
        select(pool, source, gender, rng=random.Random("2020"))


def test_ten_of_ten_is_enough_eleven_is_not(pool, source):
    select(pool, source, "f", n_farthest=10, n_random=5, rng=random.Random(0))
    with pytest.raises(SelecAnonError, match="needs 11 candidates"):
        select(pool, source, "f", n_farthest=11, n_random=5, rng=random.Random(0))


@pytest.mark.parametrize("numbers", [(4, 5), (4, 0), (0, 0)])
def test_refuses_impossible_numbers(pool, source, numbers):
    with pytest.raises(SelecAnonError, match="averages"):
        select(pool, source, "f", n_farthest=numbers[0], n_random=numbers[1], rng=random.Random(0))
    with pytest.raises(SelecAnonError, match="averages"):
        SelecAnon(pool, Selection("utterance", *numbers)).select(spoken("s", "u"), source)


@pytest.mark.parametrize("broken", [torch.zeros(6), torch.full((6,), float("nan")), torch.ones(5)])
def test_refuses_a_source_without_direction(pool, broken):
    with pytest.raises(SelecAnonError, match="source"):
        select(pool, broken, "f", n_farthest=4, n_random=2, rng=random.Random(0))


def test_refuses_an_unknown_gender(pool, source):
    with pytest.raises(SelecAnonError, match="'F': f or m"):
        select(pool, source, "F", n_farthest=4, n_random=2, rng=random.Random(0))


def test_pool_averages_per_speaker():
    rows = [
        ("a", "f", torch.tensor([1.0, 0.0])),
        ("b", "m", torch.tensor([4.0, 4.0])),
        ("a", "f", torch.tensor([3.0, 2.0])),
    ]
    pool = pool_of(rows)
    assert pool.speakers == ("a", "b") and pool.genders == ("f", "m")
    assert torch.equal(pool.embeddings, torch.tensor([[2.0, 1.0], [4.0, 4.0]]))
    with pytest.raises(SelecAnonError, match="a has two genders"):
        pool_of([*rows, ("a", "m", torch.ones(2))])


@pytest.mark.parametrize(
    ("speakers", "genders", "embeddings", "message"),
    [
        (("a", "a"), ("f", "f"), torch.ones(2, 3), "once"),
        (("a", "b"), ("f", "x"), torch.ones(2, 3), "'x'"),
        (("a", "b"), ("f",), torch.ones(2, 3), "one speaker id"),
        (("a", "b"), ("f", "f"), torch.tensor([[1.0, 1.0], [0.0, 0.0]]), "zero"),
    ],
)
def test_refuses_a_broken_pool(speakers, genders, embeddings, message):
    with pytest.raises(SelecAnonError, match=message):
        Pool(speakers, genders, embeddings)


def spoken(speaker: str, utterance: str, gender: str = "f") -> Utterance:
    return Utterance(utterance, speaker, gender, Path("none"))


def test_level_utterance_draws_per_utterance_level_speaker_once(pool, source):
    per_utterance = SelecAnon(pool, replace(FEW, level="utterance"))
    assert len({per_utterance.select(spoken("s", f"u{i}"), source).chosen for i in range(20)}) > 1
    per_speaker = SelecAnon(pool, replace(FEW, level="speaker"))
    assert len({per_speaker.select(spoken("s", f"u{i}"), source).chosen for i in range(20)}) == 1


@pytest.mark.parametrize("level", list(Level))
def test_order_of_the_utterances_does_not_matter_but_the_seed_does(pool, source, level):
    utterances = [spoken(f"s{i}", f"s{i}-u{j}") for i in range(4) for j in range(3)]

    def run(seed, utterances):
        selec_anon = SelecAnon(pool, replace(FEW, level=level, seed=seed))
        return {utterance.id: selec_anon.select(utterance, source).chosen for utterance in utterances}

    assert run("2020", utterances) == run("2020", utterances[::-1])
    assert run("2020", utterances) != run("2021", utterances)


def test_another_invocation_draws_anew_and_the_same_one_does_not(pool, source):
    def run(selection):
        return [SelecAnon(pool, selection).select(spoken("s", f"u{i}"), source).chosen for i in range(10)]

    assert run(FEW.invocation("enrolment")) == run(FEW.invocation("enrolment")) != run(FEW)


class Embeddings:
    """The features of an utterance whose embeddings are given, by utterance id."""

    def __init__(self, utterance, of_speaker, embeddings):
        self.utterance, self.of_speaker, self.embeddings = utterance, of_speaker, embeddings

    def __getitem__(self, stream):
        assert stream == "ecapa"
        return self.embeddings[self.utterance.id]

    def speaker_mean(self, stream):
        assert stream == "ecapa"
        return torch.stack([self.embeddings[utterance.id] for utterance in self.of_speaker]).mean(0)


def test_level_speaker_gives_all_utterances_the_voice_of_their_mean_embedding(pool):
    utterances = tuple(spoken("s", f"u{i}") for i in range(3))
    embeddings = {u.id: torch.randn(6, generator=torch.Generator().manual_seed(i)) for i, u in enumerate(utterances)}
    mean = torch.stack(list(embeddings.values())).mean(0)
    for level, distinct in (("speaker", 1), ("utterance", 3)):
        selec_anon = SelecAnon(pool, replace(FEW, level=level))
        made = [selec_anon(Embeddings(utterance, utterances, embeddings)) for utterance in utterances]
        assert len({tuple(replacement.speaker.tolist()) for replacement in made}) == distinct
        assert all(replacement.register is None for replacement in made)
        for utterance, replacement in zip(utterances, made, strict=True):
            source = mean if level == "speaker" else embeddings[utterance.id]
            assert torch.equal(replacement.speaker, selec_anon.select(utterance, source).embedding)


def test_a_speaker_in_the_pool_is_no_candidate_for_itself(pool):
    everyone = SelecAnon(pool, Selection(n_farthest=9, n_random=9))
    result = everyone.select(spoken("p0", "u"), pool.embeddings[0])
    assert len(result.candidates) == 9 and "p0" not in result.candidates


def test_the_other_gender_is_drawn_where_asked_for(pool, source):
    crossed = SelecAnon(pool, FEW, cross_gender=True).select(spoken("s", "u", "f"), source)
    assert {int(name[1:]) % 2 for name in crossed.candidates} == {1}


def test_refuses_an_unknown_level(pool, source):
    with pytest.raises(ValueError, match="corpus"):
        SelecAnon(pool, replace(FEW, level="corpus")).select(spoken("s", "u"), source)
