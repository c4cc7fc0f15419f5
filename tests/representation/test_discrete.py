"""Discrete units: nearest code, deterministic fits, better codes with training."""

from itertools import pairwise, product

import pytest
import torch

from emotrace.representation.discrete import Codebook
from emotrace.training.baselines import kmeans, moving_averages, switching_penalty


@pytest.fixture
def clusters():
    """600 frames in three tight clusters, shuffled, and the cluster of each."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    labels = torch.arange(600)[torch.randperm(600, generator=generator)] % 3
    return centres[labels] + 0.1 * torch.randn(600, 2, generator=generator), labels


def test_a_frame_becomes_its_nearest_code():
    book = Codebook(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    frames = torch.tensor([[0.2, 0.1], [0.9, 0.7], [5.0, 5.0]])
    assert book.ids(frames).tolist() == [0, 1, 1]
    assert torch.equal(book(frames), torch.tensor([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]))


@pytest.mark.parametrize("learn", [kmeans, moving_averages])
def test_fit_finds_the_clusters(learn, clusters):
    frames, labels = clusters
    book = learn(frames, 3, seed=0)
    ids = book.ids(frames)
    assert len({(int(a), int(b)) for a, b in zip(ids, labels, strict=True)}) == 3
    assert (book(frames) - frames).norm(dim=1).max() < 0.6


@pytest.mark.parametrize("learn", [kmeans, moving_averages])
def test_the_seed_fixes_the_codes(learn, clusters):
    frames, _ = clusters
    assert torch.equal(learn(frames, 7, seed=3).codes, learn(frames, 7, seed=3).codes)
    assert not torch.equal(learn(frames, 7, seed=3).codes, learn(frames, 7, seed=4).codes)


def test_units_with_a_penalty_are_the_cheapest_of_all_sequences(oracle):
    book = Codebook(torch.tensor([[0.0], [1.0], [3.0]]))
    frames = torch.tensor([[0.1], [0.7], [0.2], [1.4], [2.9], [1.9], [3.2]])

    def cost(path, penalty):
        distances = ((frames - book.codes[list(path)]) ** 2).sum()
        return float(distances) + penalty * sum(a != b for a, b in pairwise(path))

    for penalty in (0.0, 0.3, 1.0, 5.0, 100.0):
        units = Codebook(book.codes, penalty).segmental_ids(frames).tolist()
        least = min(cost(path, penalty) for path in product(range(3), repeat=len(frames)))
        oracle("cost of discrete units", "the cheapest of all sequences", cost(units, penalty), least, 1e-6)
    assert Codebook(book.codes, 0.0).segmental_ids(frames).tolist() == book.ids(frames).tolist()
    assert len(set(units)) == 1
    with pytest.raises(ValueError, match="no penalty"):
        book.segmental_ids(frames)


def test_the_penalty_makes_segments_as_long_as_wanted():
    """Steps of eight frames under noise: at five frames or more a segment, the steps themselves come out."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(20, 6, generator=generator)
    steps = torch.randint(20, (2, 20), generator=generator).repeat_interleave(8, dim=1)
    layers = [codes[ids] + 0.9 * torch.randn(160, 6, generator=generator) for ids in steps]
    for wanted in (2.0, 7.5):
        book = Codebook(codes, switching_penalty(codes, layers, wanted))
        runs = sum(len(torch.unique_consecutive(book.segmental_ids(layer))) for layer in layers)
        assert 320 / runs == pytest.approx(wanted, rel=0.05)
    assert (book.segmental_ids(layers[0]) == steps[0]).float().mean() > 0.9
    assert (book.ids(layers[0]) == steps[0]).float().mean() < 0.9
    with pytest.raises(ValueError, match="no segments of 400 frames"):
        switching_penalty(codes, layers, 400)


def test_vector_quantiser_training_lowers_the_distortion():
    frames = torch.randn(2_000, 8, generator=torch.Generator().manual_seed(0))

    def distortion(steps):
        return (moving_averages(frames, 48, seed=0, steps=steps)(frames) - frames).square().mean()

    assert distortion(200) < 0.85 * distortion(0)


def test_quantising_twice_changes_nothing(clusters):
    book = kmeans(clusters[0], 5, seed=0)
    once = book(clusters[0])
    assert torch.equal(book(once), once)


def test_codes_travel_in_the_state_dict(clusters):
    book = kmeans(clusters[0], 5, seed=0)
    other = Codebook(torch.zeros(5, 2))
    other.load_state_dict(book.state_dict(), strict=True)
    assert torch.equal(other.ids(clusters[0]), book.ids(clusters[0]))


@pytest.mark.parametrize("learn", [kmeans, moving_averages])
def test_refuses_fewer_frames_than_codes_and_nan(learn):
    with pytest.raises(ValueError, match="at least as many frames"):
        learn(torch.ones(4, 2), 5, seed=0)
    with pytest.raises(ValueError, match="NaN"):
        learn(torch.full((9, 2), float("nan")), 5, seed=0)


def test_refuses_frames_of_another_model():
    with pytest.raises(ValueError, match=r"takes \(L, 2\)"):
        Codebook(torch.ones(3, 2)).ids(torch.ones(4, 5))
