"""HuBERT's layers: parity with soft-vc's implementation, what T_n means in either norm order, and the stream."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import HubertConfig

from emotrace.representation.hubert import Hubert, HubertLayer

PARITY = Path(__file__).parents[1] / "data" / "parity"


def mini_config(*, stable: bool) -> HubertConfig:
    return HubertConfig(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        do_stable_layer_norm=stable,
        feat_extract_norm="layer" if stable else "group",
    )


@pytest.fixture(params=[True, False], ids=["pre-norm", "post-norm"])
def hubert(request):
    torch.manual_seed(0)
    return Hubert.from_config(mini_config(stable=request.param))


@pytest.fixture
def waveform():
    return torch.randn(8_000, generator=torch.Generator().manual_seed(1)) * 0.1


SOFT_VC_PADDING = 40  # zeros that soft-vc puts on both sides
SOFT_VC_NAMES = {
    "norm": "encoder.layer_norm",
    "norm1": "layer_norm",
    "norm2": "final_layer_norm",
    "linear1": "feed_forward.intermediate_dense",
    "linear2": "feed_forward.output_dense",
    "self_attn.out_proj": "attention.out_proj",
    "feature_projection.norm": "feature_projection.layer_norm",
    "feature_extractor.norm0": "feature_extractor.conv_layers.0.layer_norm",
    "positional_embedding.conv": "encoder.pos_conv_embed.conv",
}
"""Modules of torch.nn.TransformerEncoder and of soft-vc, and what transformers calls them."""


def transformers_state(soft_vc: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of soft-vc's HubertSoft without its head, under the names of transformers' HubertModel."""
    state = {}
    for key, value in soft_vc.items():
        if key.startswith(("proj.", "label_embedding.")):
            continue
        if ".self_attn.in_proj_" in key:
            layer, kind = key.split("self_attn.in_proj_")
            for name, part in zip("qkv", value.chunk(3), strict=True):
                state[f"{layer}attention.{name}_proj.{kind}"] = part
        else:
            state[transformers_name(key)] = value
    return state


def transformers_name(key: str) -> str:
    module, _, kind = key.rpartition(".")
    if module.startswith("feature_extractor.conv"):
        module = f"feature_extractor.conv_layers.{module.removeprefix('feature_extractor.conv')}.conv"
    elif module.startswith("encoder.layers."):
        number, part = module.removeprefix("encoder.layers.").split(".", 1)
        module = f"encoder.layers.{number}.{SOFT_VC_NAMES[part]}"
    kind = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}.get(
        kind, kind
    )
    return ".".join(filter(None, (SOFT_VC_NAMES.get(module, module), kind)))


@pytest.fixture(scope="module")
def soft_vc():
    """Inputs and layers of soft-vc's own implementation, and our HuBERT with the same weights."""
    fixture = torch.load(PARITY / "hubert_soft_small.pt", weights_only=True)
    sizes = fixture["config"]
    config = HubertConfig(
        hidden_size=sizes["hidden_size"],
        intermediate_size=sizes["intermediate_size"],
        num_hidden_layers=sizes["num_layers"],
        num_attention_heads=sizes["num_heads"],
        conv_dim=(sizes["conv_dim"],) * 7,
    )
    hubert = Hubert.from_config(config)
    hubert.model.load_state_dict(transformers_state(fixture["hubert"]))
    return fixture, hubert


@pytest.mark.parametrize("n", [1, 6, 12])
def test_layers_are_those_of_soft_vc(soft_vc, n, oracle):
    fixture, hubert = soft_vc
    layer = hubert.layers(F.pad(fixture["waveform"][0, 0], (SOFT_VC_PADDING, SOFT_VC_PADDING)))[n]
    oracle("layers of HuBERT", "HubertSoft's tensors", layer, fixture[f"T{n}"][0], 1e-5)


def test_one_pass_gives_every_layer(hubert, waveform):
    calls = []
    hubert.model.encoder.layers[0].register_forward_hook(lambda *_: calls.append(1))
    layers = hubert.layers(waveform)
    assert len(calls) == 1
    assert [tuple(layer.shape) for layer in layers] == [(24, 16)] * 4


def test_each_layer_is_its_transformer_layer_applied_to_the_one_before(hubert, waveform):
    layers = hubert.layers(waveform)
    for n, transformer_layer in enumerate(hubert.model.encoder.layers, start=1):
        with torch.no_grad():
            output = transformer_layer(layers[n - 1][None])
        output = output[0] if isinstance(output, tuple) else output
        torch.testing.assert_close(output.reshape(24, 16), layers[n], rtol=0, atol=1e-5)


def test_a_single_layer_is_the_one_among_all(hubert, waveform):
    for n, layer in enumerate(hubert.layers(waveform)):
        assert torch.equal(hubert.layer(waveform, n), layer)


def test_the_last_layer_is_before_the_final_norm(hubert, waveform):
    last = hubert.layers(waveform)[-1]
    with torch.no_grad():
        output = hubert.model(waveform[None]).last_hidden_state[0]
    if hubert.model.config.do_stable_layer_norm:
        assert (last - output).abs().max() > 0.1
        output, last = output, hubert.model.encoder.layer_norm(last)
    torch.testing.assert_close(last, output, rtol=0, atol=1e-6)


def test_layers_ignore_dropout_and_leave_the_mode(hubert, waveform):
    expected = hubert.layers(waveform)[-1]
    hubert.train()
    assert torch.equal(hubert.layers(waveform)[-1], expected)
    assert hubert.training and hubert.model.encoder.layers[0].training


def test_masked_frames_change_and_gradients_flow(hubert, waveform):
    hubert.train()
    hubert.model.feature_projection.dropout.p = 0.0
    mask = torch.zeros(1, 24, dtype=torch.bool)
    mask[0, 5:9] = True
    hubert(waveform[None], mask=mask)[-1].sum().backward()
    assert hubert.model.masked_spec_embed.grad.abs().sum() > 0


@pytest.mark.parametrize(("samples", "frames"), [(400, 1), (719, 1), (720, 2), (16_000, 49)])
def test_fifty_frames_a_second_without_padding(hubert, samples, frames):
    assert hubert.layers(torch.ones(samples))[1].shape == (frames, 16)


def test_refuses_what_has_no_frame_and_what_is_no_utterance(hubert):
    with pytest.raises(ValueError, match="at least 400 samples"):
        hubert.layers(torch.ones(399))
    with pytest.raises(ValueError, match=r"\(T,\)"):
        hubert.layers(torch.ones(1, 8_000))
    with pytest.raises(IndexError, match="T4 of a HuBERT with 3 layers"):
        hubert.layer(torch.ones(8_000), 4)


@pytest.mark.parametrize("last", [0, 1, 2, 3])
def test_stopping_early_changes_no_layer(hubert, waveform, last):
    some = hubert.layers(waveform, last=last)  # first: transformers must not remember the smaller number
    every = hubert.layers(waveform)
    assert len(some) == last + 1 and len(hubert.layers(waveform)) == 4
    assert all(torch.equal(one, other) for one, other in zip(some, every[: last + 1], strict=True))


@pytest.mark.parametrize("n", [0, 2])
def test_the_stream_is_the_layer(hubert, waveform, n):
    stream = HubertLayer(hubert, n)
    assert (stream.dimension, stream.rate) == (16, 50.0)
    assert torch.equal(stream(waveform), hubert.layer(waveform, n))
