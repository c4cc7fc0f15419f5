"""Soft units: parity with SSL-SAS, the axis of the normalisation, soft-vc's training scores."""

from pathlib import Path

import pytest
import torch

from emotrace.representation.soft import SoftHead, SoftVcHead

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.fixture
def fixture():
    return torch.load(PARITY / "ssl_sas_soft_predictor.pt", weights_only=True)


@pytest.fixture
def head(fixture):
    head = SoftHead(channels=768, units=200)
    head.load_state_dict({"W": fixture["W"]}, strict=True)
    return head


def test_units_are_those_of_ssl_sas(head, fixture):
    torch.testing.assert_close(head(fixture["features"]), fixture["logits"], rtol=0, atol=1e-5)


def test_one_utterance_without_a_batch_axis_is_the_same(head, fixture):
    torch.testing.assert_close(head(fixture["features"][0]), fixture["logits"][0], rtol=0, atol=1e-5)


def test_the_norm_runs_along_time_so_a_channel_scale_cancels(head, fixture):
    scale = torch.linspace(0.5, 2.0, 768)
    torch.testing.assert_close(head(fixture["features"] * scale), fixture["logits"], rtol=0, atol=1e-5)
    louder_frames = fixture["features"] * torch.linspace(0.5, 2.0, 40)[:, None]
    assert (head(louder_frames) - fixture["logits"]).abs().max() > 0.01


def test_soft_vc_logits_are_cosines_over_the_temperature():
    torch.manual_seed(0)
    head = SoftVcHead(channels=12, units=8, labels=5)
    units = head(torch.randn(7, 12))
    labels = head.label_embedding.weight
    expected = (units / units.norm(dim=1, keepdim=True)) @ (labels / labels.norm(dim=1, keepdim=True)).T / 0.1
    torch.testing.assert_close(head.logits(units), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(40, 192), (768,), (1, 1, 40, 768)])
def test_refuses_features_of_another_model(head, shape):
    with pytest.raises(ValueError, match=r"take \(L, 768\)"):
        head(torch.ones(shape))
