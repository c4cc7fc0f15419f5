"""Replacing the speaker in B3-IR to B5-IR: never by the same one, of the same gender, by seed and name alone."""

import random

import pytest
import torch

from emotrace.anonymizer.draws import Level, generator
from emotrace.anonymizer.targets import TargetError, Targets
from emotrace.training.baselines import gaussian


@pytest.fixture
def targets():
    """Six speakers; f0 has ten utterances, the others two each; the prompt tells speaker and utterance."""
    speakers = ("f0",) * 10 + ("m0", "f1", "m1", "f2", "m2") * 2
    prompts = torch.tensor([[("f0", "m0", "f1", "m1", "f2", "m2").index(s), n] for n, s in enumerate(speakers)])
    return Targets(speakers, tuple(name[0] for name in speakers), prompts.float())


def test_a_draw_is_another_speaker_of_the_same_gender(targets):
    drawn = {targets.draw(random.Random(seed), "f", "f1") for seed in range(60)}
    assert drawn == {"f0", "f2"}
    assert {targets.draw(random.Random(seed), "m", "someone else") for seed in range(60)} == {"m0", "m1", "m2"}


def test_speakers_with_many_utterances_are_not_drawn_more_often(targets):
    draws = [targets.prompt(random.Random(f"x{seed}"), "f", "")[0].item() for seed in range(900)]
    shares = {number: draws.count(number) / len(draws) for number in (0, 2, 4)}
    assert all(share == pytest.approx(1 / 3, abs=0.06) for share in shares.values())


def test_prompts_are_those_of_the_targets_and_of_every_utterance_of_a_speaker(targets):
    drawn = {tuple(targets.prompt(random.Random(seed), "m", "m1").tolist()) for seed in range(60)}
    assert drawn == {(1, 10), (1, 15), (5, 14), (5, 19)}


def test_one_hot_is_one_at_the_speakers_number(targets):
    assert targets.names == ("f0", "m0", "f1", "m1", "f2", "m2")
    assert targets.one_hot("m1").tolist() == [0, 0, 0, 1, 0, 0]
    with pytest.raises(TargetError, match="speaker x is not among the 6"):
        targets.one_hot("x")


def test_a_gender_without_another_speaker_is_refused():
    alone = Targets(("a", "b"), ("f", "m"), torch.zeros(2, 3))
    with pytest.raises(TargetError, match="no other target speaker of gender 'f' than a"):
        alone.draw(random.Random(0), "f", "a")


@pytest.mark.parametrize(
    ("speakers", "genders", "prompts", "message"),
    [
        (("a",), ("f", "m"), torch.zeros(1, 2), "one speaker id"),
        (("a", "a"), ("f", "m"), torch.zeros(2, 2), "two genders"),
        (("a", "b"), ("f", "m"), torch.full((2, 2), float("nan")), "NaN"),
    ],
)
def test_broken_targets_are_refused(speakers, genders, prompts, message):
    with pytest.raises(TargetError, match=message):
        Targets(speakers, genders, prompts)


def test_draws_depend_on_seed_speaker_and_at_one_level_on_the_utterance():
    def first(*names, level=Level.UTTERANCE):
        return generator(names[0], level, *names[1:]).random()

    assert first("2020", "s", "u") == first("2020", "s", "u")
    assert (
        len({first("2020", "s", "u"), first("2021", "s", "u"), first("2020", "t", "u"), first("2020", "s", "v")}) == 4
    )
    assert first("2020", "s", "u", level=Level.SPEAKER) == first("2020", "s", "v", level=Level.SPEAKER)


def test_styles_have_mean_and_covariance_of_what_they_were_fitted_to():
    """Of rank two in four dimensions, as embeddings mixed from a few tokens are; the last is the register's."""
    mixing = torch.tensor([[1.0, 0.5, 0.0, 2.0], [0.0, 1.0, -1.0, 0.3]])
    both = torch.randn(400, 2, generator=torch.Generator().manual_seed(0)) @ mixing + 3
    styles = gaussian(both[:, :3], both[:, 3].exp())
    torch.testing.assert_close(styles.root @ styles.root.T, both.T.cov(), rtol=1e-3, atol=1e-4)
    samples = [styles.sample(random.Random(f"u{number}")) for number in range(4_000)]
    drawn = torch.stack([torch.cat([style.speaker, torch.tensor([style.register]).log()]) for style in samples])
    torch.testing.assert_close(drawn.mean(0), both.mean(0), rtol=0, atol=0.15)
    torch.testing.assert_close(drawn.T.cov(), both.T.cov(), rtol=0, atol=0.3)
    normal = torch.linalg.svd(both - both.mean(0)).Vh[2:]
    assert ((drawn - both.mean(0)) @ normal.T).abs().max() < 1e-3


def test_a_style_depends_on_the_generator_alone():
    generator = torch.Generator().manual_seed(0)
    styles = gaussian(torch.randn(20, 5, generator=generator), 100 + 100 * torch.rand(20, generator=generator))
    torch.manual_seed(1)
    one, state = styles.sample(random.Random("a")), torch.get_rng_state()
    torch.manual_seed(2)
    again, other = styles.sample(random.Random("a")), styles.sample(random.Random("b"))
    assert torch.equal(again.speaker, one.speaker) and again.register == one.register > 0
    assert not torch.equal(other.speaker, one.speaker) and other.register != one.register
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("embeddings", "register", "message"),
    [
        (torch.zeros(1, 4), 100.0, "two embeddings"),
        (torch.zeros(8), 100.0, "two embeddings"),
        (torch.full((3, 4), float("inf")), 100.0, "finite embeddings"),
        (torch.zeros(3, 4), 0.0, "registers above zero"),
    ],
)
def test_styles_cannot_be_fitted_to_less_than_two_finite_embeddings(embeddings, register, message):
    with pytest.raises(ValueError, match=message):
        gaussian(embeddings, torch.full((len(embeddings),), register))
