"""Prosody by segment: the numbers of a plain loop, constant within a run of units, in any register, blind to level."""

from itertools import groupby

import numpy as np
import pytest
import torch

from emotrace.representation.prosody import own_register, segment_ids, segment_prosody
from emotrace.representation.spec import IRError

FRAMES = 100


@pytest.fixture
def utterance():
    """Units (49,) in runs of 1 to 6, F0 (100,) with unvoiced stretches, log-mel (80, 100)."""
    rng = np.random.default_rng(0)
    units = np.repeat(rng.integers(0, 5, 30), rng.integers(1, 7, 30))[:49]
    voiced = np.repeat(rng.random(20) < 0.6, 5)
    f0 = np.where(voiced, rng.uniform(100, 300, FRAMES), 0.0)
    return torch.from_numpy(units), torch.from_numpy(f0).float(), torch.from_numpy(rng.normal(-4, 1, (80, FRAMES)))


def by_loop(units, f0, log_mel) -> np.ndarray:
    """(2, L100), from lists of frames."""
    units = [unit for unit in [*units.tolist(), int(units[-1])] for _ in range(2)]
    energy = np.sqrt((np.exp(log_mel.numpy()) ** 2).sum(0))
    pitches, energies, lengths, start = [], [], [], 0
    for _, run in groupby(units):
        length = len(list(run))
        voiced = [value for value in f0[start : start + length].tolist() if value > 0]
        pitches.append(sum(voiced) / len(voiced) if voiced else 0.0)
        energies.append(sum(energy[start : start + length]) / length)
        lengths.append(length)
        start += length
    energies = np.array(energies) / np.mean(energies)
    return np.stack([np.repeat(pitches, lengths), np.repeat(energies, lengths)])


def test_the_values_are_those_of_a_plain_loop(utterance, oracle):
    assert segment_prosody(*utterance).dtype == torch.float32
    expected = by_loop(*utterance).astype(np.float32)
    oracle("prosody by segment", "a plain loop", segment_prosody(*utterance).numpy(), expected, 1e-5, relative=True)
    assert 0 in by_loop(*utterance)[0]


def test_values_are_constant_within_a_segment_and_segments_are_runs(utterance):
    units = utterance[0]
    segments = segment_ids(units)
    assert int(segments[-1]) + 1 == len(list(groupby(units.tolist())))
    prosody = segment_prosody(*utterance)
    doubled = torch.cat([segments, segments[-1:]]).repeat_interleave(2)
    for segment in segments.unique():
        assert len(prosody[:, doubled == segment].unique(dim=1).T) == 1
    assert len(prosody[1].unique()) == len(segments.unique())


def test_in_another_register_the_own_one_and_the_level_do_not_matter_but_their_course_does(utterance):
    units, f0, log_mel = utterance
    shifted = segment_prosody(units, 1.5 * f0, log_mel + 1, 200)
    torch.testing.assert_close(shifted, segment_prosody(units, f0, log_mel, 200))
    raised = torch.where(torch.arange(FRAMES) < 50, f0, 1.5 * f0)
    assert (segment_prosody(units, raised, log_mel, 200) - shifted)[0].abs().max() > 20


def test_the_register_is_the_mean_of_the_segments_with_f0(utterance):
    by_segment = [next(run) for _, run in groupby(map(tuple, by_loop(*utterance).T))]  # energies tell segments apart
    expected = np.mean([pitch for pitch, _ in by_segment if pitch > 0])
    assert own_register(*utterance[:2]) == pytest.approx(expected, rel=1e-5)
    own = segment_prosody(*utterance, own_register(*utterance[:2]))
    torch.testing.assert_close(own, segment_prosody(*utterance))
    factor = segment_prosody(*utterance, 300)[0] / segment_prosody(*utterance)[0]
    assert factor[factor.isfinite()].numpy() == pytest.approx(300 / expected, rel=1e-5)
    assert np.isnan(own_register(utterance[0], torch.zeros(FRAMES)))


def test_whispered_speech_has_energy_and_no_f0(utterance):
    for register in (None, 200.0):
        prosody = segment_prosody(utterance[0], torch.zeros(FRAMES), utterance[2], register)
        assert not prosody[0].any() and (prosody[1] > 0).all()


@pytest.mark.parametrize("frames", [98, 99, 101, 102])
def test_lengths_follow_f0_within_two_frames(utterance, frames):
    units, _, log_mel = utterance
    assert segment_prosody(units, torch.ones(frames), log_mel).shape == (2, frames)
    with pytest.raises(IRError, match="are not of one utterance"):
        segment_prosody(units, torch.ones(103), log_mel)
