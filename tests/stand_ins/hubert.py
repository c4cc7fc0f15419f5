"""Stand-ins for the released HuBERTs, in transformers', fairseq's and soft-vc's formats."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from transformers import HubertConfig, HubertModel

from stand_ins.common import Sizes, old_names, randomised, replaced, save

LABELS = 504  # of HuBERT-base's pretraining


def hubert_model(sizes: Sizes) -> HubertModel:
    """A HuBERT-base of these widths, post-norm."""
    return randomised(
        HubertModel(
            HubertConfig(
                hidden_size=sizes.hidden,
                num_hidden_layers=sizes.layers,
                num_attention_heads=12,
                intermediate_size=sizes.feed_forward,
                conv_dim=(sizes.conv,) * 7,
            )
        )
    )


def fairseq_state(model: HubertModel) -> dict[str, Tensor]:
    """The model's weights under fairseq's names, without the modules that serve pretraining alone."""
    names = {
        "masked_spec_embed": "mask_emb",
        "feature_projection.layer_norm": "layer_norm",
        "feature_projection.projection": "post_extract_proj",
        "encoder.pos_conv_embed.conv": "encoder.pos_conv.0",
    }
    return _renamed(model, names, {".conv.": ".0.", ".layer_norm.": ".2."}, FAIRSEQ_LAYER)


FAIRSEQ_LAYER = {
    ".attention.": ".self_attn.",
    ".feed_forward.intermediate_dense": ".fc1",
    ".feed_forward.output_dense": ".fc2",
    ".layer_norm.": ".self_attn_layer_norm.",
}
SOFT_VC_LAYER = {
    ".attention.out_proj": ".self_attn.out_proj",
    ".feed_forward.intermediate_dense": ".linear1",
    ".feed_forward.output_dense": ".linear2",
    ".final_layer_norm": ".norm2",
    ".layer_norm": ".norm1",
}


def _renamed(model: HubertModel, names: dict[str, str], front: dict[str, str], layer: dict[str, str]) -> dict:
    """The weights under other names: `front` in the convolutions, `layer` in the transformer's layers, else `names`."""
    state = {}
    for key, value in old_names(model.state_dict()).items():
        part = front if key.startswith("feature_extractor.") else layer if ".layers." in key else names
        state[replaced(key, part)] = value
    return state


def write_hubert_base(folder: Path, sizes: Sizes) -> Path:
    """transformers' folder: pytorch_model.bin with old weight-norm names, config.json."""
    model = hubert_model(sizes)
    save(folder / "pytorch_model.bin", old_names(model.state_dict()))
    (folder / "config.json").write_text(json.dumps(model.config.to_dict(), default=str))
    return folder


def write_hubert_fairseq(path: Path, sizes: Sizes) -> Path:
    """fairseq's checkpoint: the weights with the pretraining modules, beside arguments, configuration, dictionaries."""
    model = fairseq_state(hubert_model(sizes))
    model |= {
        "label_embs_concat": torch.randn(LABELS, 256),
        "final_proj.weight": torch.randn(256, sizes.hidden),
        "final_proj.bias": torch.randn(256),
    }
    with fairseq_dictionary() as dictionary:
        return save(
            path,
            {
                "args": argparse.Namespace(arch="hubert", layers=sizes.layers),
                "cfg": {"_name": None, "task": {"_name": "hubert_pretraining", "sample_rate": 16000}},
                "model": model,
                "criterion": None,
                "optimizer_history": [{"num_updates": 400_000}],
                "task_state": {"dictionaries": [dictionary]},
                "extra_state": {"epoch": 1},
            },
        )


@contextmanager
def fairseq_dictionary() -> Iterator[Any]:
    """An object that pickles as fairseq.data.dictionary.Dictionary, which fairseq leaves in its checkpoints."""
    names = ("fairseq", "fairseq.data", "fairseq.data.dictionary")
    modules = {name: ModuleType(name) for name in names}
    dictionary = type("Dictionary", (), {"__module__": names[-1]})
    modules[names[-1]].Dictionary = dictionary
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(modules)
    try:
        instance = dictionary()
        instance.symbols = ["<s>", "0", "1"]
        yield instance
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update({name: module for name, module in before.items() if module})


def write_hubert_soft(path: Path, sizes: Sizes) -> Path:
    """soft-vc's plain state dict, keys below "module." as torch.nn.DataParallel left them."""
    state = soft_vc_state(hubert_model(sizes))
    state |= {
        "proj.weight": torch.randn(sizes.soft_units, sizes.hidden),
        "proj.bias": torch.randn(sizes.soft_units),
        "label_embedding.weight": torch.randn(100, sizes.soft_units),
    }
    return save(path, {f"module.{key}": value for key, value in state.items()})


def soft_vc_state(model: HubertModel) -> dict[str, Tensor]:
    """The model's weights under soft-vc's names (torch.nn.TransformerEncoderLayer's), queries, keys, values joined."""
    names = {
        "feature_projection.layer_norm": "feature_projection.norm",
        "encoder.pos_conv_embed.": "positional_embedding.",
        "encoder.layer_norm": "norm",
    }
    front = {".conv_layers.0.layer_norm": ".norm0", ".conv_layers.": ".conv", ".conv.weight": ".weight"}
    state = _renamed(model, names, front, SOFT_VC_LAYER)
    for query in [key for key in state if ".attention.q_proj." in key]:
        joined = [state.pop(query.replace("q_proj", f"{part}_proj")) for part in "qkv"]
        state[query.replace("attention.q_proj.", "self_attn.in_proj_")] = torch.cat(joined)
    return state
