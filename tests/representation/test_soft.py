"""Soft units: parity with SSL-SAS, the axis of the normalisation, and the stream with a HuBERT of its own."""

from pathlib import Path

import pytest
import torch
from tiny_models import HUBERT

from emotrace.representation.hubert import Hubert
from emotrace.representation.soft import SoftHead, SoftUnits

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.fixture
def fixture():
    return torch.load(PARITY / "ssl_sas_soft_predictor.pt", weights_only=True)


@pytest.fixture
def head(fixture):
    head = SoftHead(channels=768, units=200)
    head.load_state_dict({"W": fixture["W"]}, strict=True)
    return head


def test_units_are_those_of_ssl_sas(head, fixture, oracle):
    oracle("soft units", "SSL-SAS's tensors", head(fixture["features"]).detach(), fixture["logits"], 1e-5)


def test_one_utterance_without_a_batch_axis_is_the_same(head, fixture):
    torch.testing.assert_close(head(fixture["features"][0]), fixture["logits"][0], rtol=0, atol=1e-5)


def test_the_norm_runs_along_time_so_a_channel_scale_cancels(head, fixture):
    scale = torch.linspace(0.5, 2.0, 768)
    torch.testing.assert_close(head(fixture["features"] * scale), fixture["logits"], rtol=0, atol=1e-5)
    louder_frames = fixture["features"] * torch.linspace(0.5, 2.0, 40)[:, None]
    assert (head(louder_frames) - fixture["logits"]).abs().max() > 0.01


@pytest.mark.parametrize("shape", [(40, 192), (768,), (1, 1, 40, 768)])
def test_refuses_features_of_another_model(head, shape):
    with pytest.raises(ValueError, match=r"take \(L, 768\)"):
        head(torch.ones(shape))


def test_the_stream_is_the_head_on_the_last_layer():
    torch.manual_seed(0)
    hubert, head = Hubert.from_config(HUBERT), SoftHead(HUBERT.hidden_size, 10)
    waveform = 0.1 * torch.randn(8_000)
    units = SoftUnits(hubert, head)
    assert (units.dimension, units.rate) == (10, 50.0)
    assert torch.equal(units(waveform), head(hubert.layer(waveform, 12)).detach())
    assert not units(waveform).requires_grad
