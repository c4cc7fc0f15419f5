"""The shape of a HuBERT or wav2vec 2.0, read off its weights, in transformers' names.

What no shape tells are the strides, the number of heads and the order of the norms. They are those of every model that
fairseq released: strides 5, 2, 2, 2, 2, 2, 2; sixteen heads from width 1024 on, twelve below; pre-norm layers exactly
where the convolutions have layer norms.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from torch import Tensor
from transformers import HubertConfig, Wav2Vec2Config

from emotrace.released.weights import count, shape
from emotrace.weights import CheckpointError

Config = TypeVar("Config", HubertConfig, Wav2Vec2Config)
CONVOLUTIONS = 7
LARGE = 1024
# torch's old and new names of a normalised weight
WEIGHT_NORM = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
POSITIONS = "encoder.pos_conv_embed.conv."


def transformer_config(kind: type[Config], state: Mapping[str, Tensor], path: Path) -> Config:
    """The configuration of the model that a state dict belongs to.

    Raises CheckpointError when a tensor that tells it is missing, or it is not one of these architectures.
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
    """transformers' state dict with torch's new names of weight norm, and without `prefix` where a key has it."""
    renamed = {}
    for key, value in state.items():
        key = key.removeprefix(prefix)
        stem, _, last = key.rpartition(".")
        renamed[f"{stem}.{WEIGHT_NORM[last]}" if last in WEIGHT_NORM else key] = value
    return renamed
