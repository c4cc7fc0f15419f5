"""IR assembly: parity with SSL-SAS, the alignment of F0, the names, and what is refused."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from emotrace.representation.ir import BASELINES, IRError, IRSpec, align, assemble_ir, log_mel_ir
from emotrace.representation.mel import hifigan_log_mel

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.fixture
def fixture():
    return torch.load(PARITY / "ssl_sas_ir_assembly.pt", weights_only=True)


@pytest.fixture
def streams(fixture):
    return fixture["linguistic"][0], fixture["f0"][0, 0], fixture["speaker"][0, 0]


def test_ir_is_that_of_ssl_sas(streams, fixture):
    torch.testing.assert_close(assemble_ir(*streams), fixture["ir"][0], rtol=0, atol=1e-5)


def test_the_norm_is_taken_before_the_padding(streams, fixture):
    """The other order looks the same and is not: the replicated frame would count in the mean."""
    linguistic = torch.cat([streams[0], streams[0][-1:]])
    other = F.layer_norm(linguistic, linguistic.shape).repeat_interleave(2, 0).T
    assert (other - fixture["ir"][0, :12]).abs().max() > 1e-3


def test_streams_can_be_left_out(streams, fixture):
    linguistic, f0, speaker = streams
    torch.testing.assert_close(assemble_ir(linguistic, f0, None), fixture["ir"][0, :13], rtol=0, atol=1e-5)
    torch.testing.assert_close(assemble_ir(linguistic, None, None), fixture["ir"][0, :12], rtol=0, atol=1e-5)
    torch.testing.assert_close(assemble_ir(None, f0, speaker), fixture["ir"][0, 12:], rtol=0, atol=1e-5)
    with pytest.raises(IRError, match="needs a linguistic stream or F0"):
        assemble_ir(None, None, speaker)


@pytest.mark.parametrize(("channels", "embedding", "dims"), [(200, 192, 393), (768, 192, 961), (200, 128, 329)])
def test_dims_of_the_study(channels, embedding, dims):
    assert assemble_ir(torch.randn(49, channels), torch.zeros(100), torch.randn(embedding)).shape == (dims, 100)


@pytest.mark.parametrize("frames", [98, 99, 100, 101, 102])
def test_f0_sets_the_length(streams, frames):
    linguistic, _, speaker = streams
    f0 = torch.arange(1.0, frames + 1)
    ir = assemble_ir(linguistic, f0, speaker)
    assert ir.shape == (19, frames)
    assert torch.equal(ir[12], f0)
    reference = assemble_ir(linguistic, torch.zeros(100), speaker)[:12]
    assert torch.equal(ir[:12, : min(frames, 100)], reference[:, : min(frames, 100)])
    assert torch.equal(ir[:12, 100:], reference[:, -1:].expand(-1, max(0, frames - 100)))


@pytest.mark.parametrize("frames", [97, 103])
def test_refuses_streams_of_different_utterances(streams, frames):
    linguistic, _, speaker = streams
    with pytest.raises(IRError, match=f"100 and {frames} frames"):
        assemble_ir(linguistic, torch.zeros(frames), speaker)


@pytest.mark.parametrize("samples", range(16_000, 16_330, 41))
def test_every_length_of_utterance_aligns(samples):
    """HuBERT's frames and F0's frames of T samples differ by one at most, whatever T."""
    doubled = 2 * ((samples - 400) // 320 + 2)
    f0 = -(-samples // 160)
    assert abs(doubled - f0) <= 1
    assert align(torch.zeros(3, doubled), f0).shape == (3, f0)


def test_a_batch_is_refused_because_the_norm_would_mix_utterances(streams):
    with pytest.raises(IRError, match="linguistic stream"):
        assemble_ir(streams[0][None], *streams[1:])


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_refuses_nan_in_any_stream(streams, broken):
    streams = [stream.clone() for stream in streams]
    streams[broken].view(-1)[0] = float("nan")
    with pytest.raises(IRError, match="NaN or infinite"):
        assemble_ir(*streams)


def test_layer_and_embedding_scale_do_not_matter(streams, fixture):
    linguistic, f0, speaker = streams
    ir = assemble_ir(3 * linguistic + 1, f0, 5 * speaker - 2)
    torch.testing.assert_close(ir, fixture["ir"][0], rtol=0, atol=1e-4)


def test_names():
    assert IRSpec(layer=1).name == "none-T1"
    assert IRSpec(layer=12, post="soft", speaker="ecapa").name == "ECAPA-T12-soft"
    assert IRSpec(layer=12, post="soft", speaker="gst").name == "GST-T12-soft"
    assert IRSpec(layer=6, post="kmeans", f0=False).name == "none-T6-kmeans-noF0"
    assert IRSpec(linguistic="log-mel", layer=0, f0=False).name == "log-mel"
    assert [spec.name for spec in BASELINES.values()] == ["B3-IR", "B4-IR", "B5-IR"]
    assert IRSpec(layer=6, post="vq", speaker="prompt", segments=True).name == "PROMPT-T6-vq-segments"


def test_prosody_of_several_channels_takes_the_place_of_f0(streams):
    linguistic, f0, speaker = streams
    ir = assemble_ir(linguistic, torch.stack([f0, f0 / 2]), speaker)
    plain = assemble_ir(linguistic, f0, speaker)
    assert ir.shape == (20, len(f0))
    assert torch.equal(torch.cat([ir[:13], ir[14:]]), plain) and torch.equal(ir[13], f0 / 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"linguistic": "mfcc"},
        {"post": "hard"},
        {"speaker": "xvector"},
        {"layer": -1},
        {"linguistic": "log-mel", "speaker": "gst"},
        {"post": "soft", "segments": True},
        {"post": "vq", "f0": False, "segments": True},
    ],
)
def test_refuses_what_is_no_ir(wrong):
    with pytest.raises(IRError):
        IRSpec(**wrong)


@pytest.mark.parametrize("samples", [16_000, 16_123])
def test_log_mel_ir_has_the_frames_of_f0(samples):
    assert log_mel_ir(torch.randn(samples) * 0.1).shape == (80, -(-samples // 160))


def test_log_mel_ir_of_a_steady_sound_is_its_mel():
    """A 1 kHz tone: away from the edges, interpolation in time must not change the spectrum."""
    tone = torch.sin(2 * torch.pi * 1_000 * torch.arange(16_000) / 16_000) * 0.5
    wide = torch.sin(2 * torch.pi * 1_000 * torch.arange(22_050) / 22_050) * 0.5
    loud = hifigan_log_mel(wide[None])[0, :, 40]
    loud_bands = loud > loud.max() - 5
    torch.testing.assert_close(log_mel_ir(tone)[loud_bands, 50], loud[loud_bands], rtol=0, atol=0.05)
