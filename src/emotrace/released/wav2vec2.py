"""wav2vec 2.0 and HuBERT, one architecture: its configuration read off the weights, and speechbrain's encoder.

Axes: B batch, T samples at 16 kHz, L frames (50/s), C channels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn
from torch.nn.functional import layer_norm
from transformers import HubertConfig, Wav2Vec2Config, Wav2Vec2Model

from emotrace.released.speechbrain_files import Hyperparams
from emotrace.released.weights import count, fill, read_weights, shape, tensors
from emotrace.weights import CheckpointError

Config = TypeVar("Config", HubertConfig, Wav2Vec2Config)
CONVOLUTIONS = 7
LARGE = 1024
# torch's old and new names of a normalised weight
WEIGHT_NORM = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
POSITIONS = "encoder.pos_conv_embed.conv."
SPEECHBRAINS = r"speechbrain\.(lobes\.models|integrations)\.hugging\w+(\.wav2vec2)?\.(HuggingFace)?Wav2Vec2"
MINIMUM = 400  # samples in the receptive field of the first frame


class Wav2Vec2Encoder(nn.Module):
    """wav2vec 2.0 as speechbrain's recipes use it: standardised waveform, and where the recipe says so, output.

    Both are per utterance, as speechbrain does it for a batch of one. VoicePrivacy recognises words in batches of eight
    utterances padded with zeros, which there enter the statistics: its results may differ in a few words.
    """

    def __init__(self, model: Wav2Vec2Model, *, standardise: bool = True, output_norm: bool = True) -> None:
        super().__init__()
        self.model = model
        self.standardise = standardise
        self.output_norm = output_norm

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) -> (B, L, C). Raises ValueError for another shape or fewer than 400 samples."""
        if waveform.ndim != 2 or waveform.shape[1] < MINIMUM:
            raise ValueError(f"wav2vec 2.0 takes (B, T) with T of at least {MINIMUM}, got {tuple(waveform.shape)}")
        if self.standardise:
            waveform = layer_norm(waveform, waveform.shape[1:])
        output = self.model(waveform).last_hidden_state
        return layer_norm(output, output.shape[1:]) if self.output_norm else output


def wav2vec2_encoder(path: Path, hyperparams: Hyperparams) -> Wav2Vec2Encoder:
    """speechbrain's wav2vec2.ckpt (transformers' names below "model."), with the options of its hyperparams.yaml.

    Whether the waveform is standardised is "do_normalize" in a preprocessor_config.json beside the file; without one it
    is, as for every wav2vec 2.0 that these recipes name. Raises CheckpointError as `weights.read_weights` does.
    """
    output_norm = hyperparams.arguments("wav2vec2", of=SPEECHBRAINS).get("output_norm", False)
    if not isinstance(output_norm, bool):
        raise CheckpointError(f"{hyperparams.path}: wav2vec2's output_norm is {output_norm!r}")
    state = modern_names(tensors(read_weights(path), path), "model.")
    model = fill(Wav2Vec2Model(transformer_config(Wav2Vec2Config, state, path)), state, path)
    return Wav2Vec2Encoder(model, standardise=_standardise(path), output_norm=output_norm).eval()


def _standardise(path: Path) -> bool:
    preprocessor = path.with_name("preprocessor_config.json")
    if not preprocessor.is_file():
        return True
    try:
        return bool(json.loads(preprocessor.read_text(encoding="utf-8"))["do_normalize"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{preprocessor}: no do_normalize in it ({error!r})") from error


def transformer_config(kind: type[Config], state: Mapping[str, Tensor], path: Path) -> Config:
    """The configuration of the HuBERT or wav2vec 2.0 with these weights, in transformers' names.

    What no shape tells is as in every model that fairseq released: strides 5, 2, 2, 2, 2, 2, 2; sixteen heads from
    width 1024 on, twelve below; pre-norm layers exactly where the convolutions have layer norms. Raises CheckpointError
    when a tensor that tells it is missing, or it is not one of these architectures.
    """
    layers = count(state, r"encoder\.layers\.(\d+)\.")
    if layers == 0 or count(state, r"feature_extractor\.conv_layers\.(\d+)\.") != CONVOLUTIONS:
        raise CheckpointError(f"{path}: not a HuBERT or wav2vec 2.0 of fairseq's architecture")
    convolutions = [shape(state, f"feature_extractor.conv_layers.{n}.conv.weight", path) for n in range(CONVOLUTIONS)]
    hidden, per_group, positions = shape(state, f"{POSITIONS}{WEIGHT_NORM['weight_v']}", path)
    pre_norm = "feature_extractor.conv_layers.1.layer_norm.weight" in state
    return kind(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=16 if hidden >= LARGE else 12,
        intermediate_size=shape(state, "encoder.layers.0.feed_forward.intermediate_dense.weight", path)[0],
        conv_dim=tuple(width for width, _, _ in convolutions),
        conv_kernel=tuple(kernel for _, _, kernel in convolutions),
        conv_bias="feature_extractor.conv_layers.0.conv.bias" in state,
        num_conv_pos_embeddings=positions,
        num_conv_pos_embedding_groups=hidden // per_group,
        feat_extract_norm="layer" if pre_norm else "group",
        do_stable_layer_norm=pre_norm,
    )


def modern_names(state: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """transformers' state dict with torch's new names of weight norm, and without ``prefix`` where a key has it."""
    renamed = {}
    for key, value in state.items():
        stem, _, last = key.removeprefix(prefix).rpartition(".")
        renamed[f"{stem}.{WEIGHT_NORM.get(last, last)}" if stem else last] = value
    return renamed
