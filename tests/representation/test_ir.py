"""IRs: parity of the assembly with SSL-SAS, alignment of F0, what a specification takes, names, and refusals."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from emotrace.representation.discrete import Codebook
from emotrace.representation.ir import assemble_ir, build_ir, f0_channel
from emotrace.representation.prosody import segment_prosody
from emotrace.representation.spec import BASELINES, IRError, IRSpec, StreamSpec
from emotrace.representation.streams import align

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.fixture
def fixture():
    return torch.load(PARITY / "ssl_sas_ir_assembly.pt", weights_only=True)


@pytest.fixture
def streams(fixture):
    return fixture["linguistic"][0], fixture["f0"][0, 0], fixture["speaker"][0, 0]


def test_ir_is_that_of_ssl_sas(streams, fixture, oracle):
    oracle("assembly of an IR", "SSL-SAS's tensors", assemble_ir(*streams), fixture["ir"][0], 1e-5)


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


@pytest.mark.parametrize("frames", [98, 102])
def test_alignment_cuts_or_repeats_the_last_frame(frames):
    stream = torch.arange(200.0).view(2, 100)
    aligned = align(stream, frames)
    assert torch.equal(aligned[:, :100], stream[:, :frames])
    assert torch.equal(aligned[:, 100:], stream[:, -1:].expand(-1, max(0, frames - 100)))


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
        {"layer": 6, "post": "soft"},
    ],
)
def test_refuses_what_is_no_ir(wrong):
    with pytest.raises(IRError):
        IRSpec(**wrong)


@pytest.fixture(scope="module")
def utterance():
    """The streams of an utterance by their specification: of T1, T6 and T12 50 frames of 16 channels."""
    generator = torch.Generator().manual_seed(0)
    shapes = {
        **{StreamSpec("hubert", layer): (50, 16) for layer in (1, 6, 12)},
        StreamSpec("soft"): (50, 10),
        StreamSpec("ecapa"): (192,),
        StreamSpec("gst"): (128,),
        StreamSpec("prompt"): (160,),
        StreamSpec("log-mel"): (101, 80),
        StreamSpec("universal-mel"): (87, 80),
    }
    streams = {spec: torch.randn(shape, generator=generator) for spec, shape in shapes.items()}
    voiced = torch.arange(101) % 20 > 5
    return streams | {StreamSpec("f0"): torch.where(voiced, 100 + 50 * torch.rand(101, generator=generator), 0.0)}


@pytest.fixture(scope="module")
def codebook():
    return Codebook(torch.randn(4, 16, generator=torch.Generator().manual_seed(1)), penalty=1.0)


def test_irs_are_assembled_of_the_streams_that_they_name(utterance):
    first, sixth = (utterance[StreamSpec("hubert", layer)] for layer in (1, 6))
    soft, f0, ecapa, gst = (utterance[StreamSpec(name)] for name in ("soft", "f0", "ecapa", "gst"))
    for spec, expected in {
        IRSpec(layer=1): (first, f0, None),
        IRSpec(layer=6, speaker="ecapa"): (sixth, f0, ecapa),
        IRSpec(layer=12, post="soft", speaker="gst"): (soft, f0, gst),
        IRSpec(layer=6, f0=False): (sixth, None, None),
    }.items():
        assert torch.equal(build_ir(spec, utterance.__getitem__), assemble_ir(*expected)), spec.name


@pytest.mark.parametrize("name", ["log-mel", "universal-mel"])
def test_a_spectrogram_is_an_ir_by_itself(utterance, name):
    ir = build_ir(IRSpec(linguistic=name, layer=0, f0=False), utterance.__getitem__)
    assert torch.equal(ir, utterance[StreamSpec(name)].T)


def test_an_ir_takes_no_stream_but_those_of_its_specification(utterance, codebook):
    specs = [IRSpec(layer=6, speaker="ecapa"), IRSpec(layer=1, f0=False), BASELINES["B3-IR"], BASELINES["B4-IR"]]
    for spec in (*specs, IRSpec(linguistic="log-mel", layer=0, f0=False)):
        taken = []
        build_ir(spec, lambda stream, taken=taken: taken.append(stream) or utterance[stream], codebook=codebook)
        assert sorted(map(str, taken)) == sorted(map(str, spec.streams)), spec.name


def test_another_speaker_changes_the_embedding_alone(utterance):
    spec = IRSpec(layer=6, speaker="ecapa")
    original = build_ir(spec, utterance.__getitem__)
    anonymised = build_ir(spec, utterance.__getitem__, speaker=torch.randn(192))
    assert torch.equal(original[:17], anonymised[:17])
    assert (original[17:] - anonymised[17:]).abs().max() > 0.1


def test_the_own_embedding_of_a_replaced_speaker_is_not_computed(utterance):
    without = {spec: stream for spec, stream in utterance.items() if spec.name != "ecapa"}
    build_ir(IRSpec(layer=6, speaker="ecapa"), without.__getitem__, speaker=torch.randn(192))


def test_discrete_units_are_frames_of_their_codebook(utterance, codebook):
    spec = IRSpec(layer=6, post="kmeans")
    ir = build_ir(spec, utterance.__getitem__, codebook=codebook)
    layer, f0 = utterance[StreamSpec("hubert", 6)], utterance[StreamSpec("f0")]
    assert torch.equal(ir, assemble_ir(codebook(layer), f0, None))
    assert len(torch.unique(ir[:16].T, dim=0)) == 4
    with pytest.raises(IRError, match="needs its codebook"):
        build_ir(spec, utterance.__getitem__)


def test_prosody_by_segment_takes_the_units_and_the_register(utterance, codebook):
    layer, f0, mel = (utterance[spec] for spec in BASELINES["B3-IR"].streams[:3])
    units = codebook.segmental_ids(layer)
    for register in (None, 200.0):
        ir = build_ir(BASELINES["B3-IR"], utterance.__getitem__, codebook=codebook, register=register)
        assert torch.equal(ir[16:18], segment_prosody(units, f0, mel.T.contiguous(), register))


def test_where_f0_lies_in_an_ir(utterance, codebook):
    f0 = utterance[StreamSpec("f0")]
    for spec, book in ((IRSpec(layer=6), None), (IRSpec(layer=12, post="soft"), None), (BASELINES["B5-IR"], codebook)):
        channel = f0_channel(spec, utterance.__getitem__, codebook=book)
        one_hot = torch.ones(3) if spec.speaker == "one-hot" else None
        assert torch.equal(build_ir(spec, utterance.__getitem__, codebook=book, speaker=one_hot)[channel], f0)
    assert f0_channel(IRSpec(layer=6, f0=False), utterance.__getitem__) is None


def test_refuses_what_an_ir_has_no_place_for(utterance, codebook):
    with pytest.raises(IRError, match="no speaker embedding to replace"):
        build_ir(IRSpec(layer=6), utterance.__getitem__, speaker=torch.ones(192))
    with pytest.raises(IRError, match="no prosody by segment"):
        build_ir(IRSpec(layer=6, speaker="ecapa"), utterance.__getitem__, register=100.0)
    with pytest.raises(IRError, match="B5-IR: say which speaker"):
        build_ir(BASELINES["B5-IR"], utterance.__getitem__, codebook=codebook)


def test_each_encoder_names_its_layers_and_has_its_own_units():
    assert IRSpec("whisper", 1).name == "none-W1"
    assert IRSpec("whisper", 6, "soft", "ecapa").content == StreamSpec("soft-whisper")
    assert IRSpec("whisper", 6, "kmeans", "ecapa").codebook == "units-whisper"
    assert IRSpec("hubert", 12, "kmeans").codebook == "units"
    assert IRSpec("whisper", 6, "soft", "ecapa").called("ECAPA-anon") == "ECAPA-anon-W6-soft"
    for wrong, message in (
        ({"layer": 3, "post": "soft"}, "soft units are made of T12 and W6, not of whisper 3"),
        ({"layer": 6, "post": "vq"}, "whisper has no codes vq"),
    ):
        with pytest.raises(IRError, match=message):
            IRSpec("whisper", **wrong)
