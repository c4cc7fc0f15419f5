"""GST: parity with IMS-Toucan, the seeded window, gradients."""

import random
from pathlib import Path

import pytest
import torch

from emotrace.representation.gst import GstEncoder, random_window

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.fixture(scope="module")
def fixture():
    return torch.load(PARITY / "ims_toucan_gst.pt", weights_only=True)


@pytest.fixture(scope="module")
def encoder(fixture):
    encoder = GstEncoder()
    encoder.load_state_dict(fixture["style_emb_func"], strict=True)
    return encoder.eval()


def test_state_dict_is_that_of_ims_toucan_key_for_key(fixture):
    state, released = GstEncoder().state_dict(), fixture["style_emb_func"]
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in released.items()}


@torch.no_grad()
def test_embedding_is_that_of_ims_toucan(encoder, fixture, oracle):
    oracle("GST embedding", "IMS-Toucan's tensors", encoder(fixture["log_mel"]), fixture["embedding"], 1e-5)


def test_gradients_reach_the_first_convolution_and_the_tokens(fixture):
    encoder = GstEncoder().train()
    encoder(fixture["log_mel"]).square().sum().backward()
    assert encoder.gst.ref_enc.convs[0].weight.grad.abs().sum() > 0
    assert encoder.gst.stl.gst_embs.grad.abs().sum() > 0


def test_the_seed_fixes_the_window(encoder):
    waveform = torch.randn(160_000, generator=torch.Generator().manual_seed(0)).cumsum(0) / 100
    assert torch.equal(encoder.embed(waveform, seed=3), encoder.embed(waveform, seed=3))
    assert (encoder.embed(waveform, seed=3) - encoder.embed(waveform, seed=4)).abs().max() > 1e-6


def test_embedding_ignores_and_leaves_the_global_random_state(encoder):
    waveform = torch.randn(160_000)
    random.seed(1)
    expected, state = encoder.embed(waveform, seed=3), random.getstate()
    random.seed(2)
    assert torch.equal(encoder.embed(waveform, seed=3), expected)
    random.seed(1)
    assert random.getstate() == state


def test_windows_cover_the_whole_utterance():
    frames = torch.arange(258.0)[:, None].expand(-1, 80)
    starts = {int(random_window(frames, random.Random(seed))[0, 0]) for seed in range(50)}
    assert starts == {0, 1, 2}


def test_a_short_utterance_is_repeated_to_fill_the_window():
    frames = torch.arange(100.0)[:, None].expand(-1, 80)
    window = random_window(frames, random.Random(0))[:, 0]
    assert window.shape == (256,)
    assert set(window.diff().tolist()) == {1.0, -99.0}


def test_refuses_a_mel_with_other_axes(encoder):
    with pytest.raises(ValueError, match=r"\(B, L, 80\)"):
        encoder(torch.ones(2, 80, 256))
