"""The released HuBERTs: facebook's in both its formats, SSL-SAS's fine-tuned one with its soft units, and soft-vc's.

Every function gives our own modules, filled key for key, in evaluation mode. Only the parts that serve pretraining
alone (fairseq's final_proj and label_embs_concat) are left out, by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor
from transformers import HubertConfig, HubertModel

from emotrace.released.architecture import modern_names, transformer_config
from emotrace.released.weights import count, fill, read_weights, shape, tensors
from emotrace.representation.hubert import Hubert, soft_vc_hubert
from emotrace.representation.soft import SoftHead, SoftVcHead
from emotrace.weights import CheckpointError

FORMATS = ("model.safetensors", "pytorch_model.bin")  # transformers', the first that is there
HEADS = 12  # of HuBERT-base, soft-vc's as well
_PRETRAINING = re.compile(r"(final_proj\.(weight|bias)|label_embs_concat)$")
_FAIRSEQ_NAMES = (
    (r"mask_emb$", "masked_spec_embed"),
    (r"feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
    (r"feature_extractor\.conv_layers\.(\d+)\.2\.(?:1\.)?", r"feature_extractor.conv_layers.\1.layer_norm."),
    (r"layer_norm\.", "feature_projection.layer_norm."),
    (r"post_extract_proj\.", "feature_projection.projection."),
    (r"encoder\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
    (r"encoder\.layers\.(\d+)\.self_attn\.", r"encoder.layers.\1.attention."),
    (r"encoder\.layers\.(\d+)\.self_attn_layer_norm\.", r"encoder.layers.\1.layer_norm."),
    (r"encoder\.layers\.(\d+)\.fc1\.", r"encoder.layers.\1.feed_forward.intermediate_dense."),
    (r"encoder\.layers\.(\d+)\.fc2\.", r"encoder.layers.\1.feed_forward.output_dense."),
)


def hubert_base(path: Path) -> Hubert:
    """HuBERT-base from transformers' folder or weight file, or from fairseq's checkpoint {"model": ...}.

    Raises CheckpointError for a missing, damaged or foreign file, and for one that holds code.
    """
    file = _weight_file(Path(path))
    content = read_weights(file)
    if isinstance(content, Mapping) and "model" in content:
        return _fairseq_hubert(tensors(content, file, "model"), file)
    state = modern_names(tensors(content, file), "hubert.")
    return _hubert(state, file)


def ssl_sas_soft_predictor(path: Path) -> tuple[Hubert, SoftHead]:
    """SSL-SAS's soft_model.pt: its fine-tuned HuBERT (fairseq's names below "ssl_model.") and the units' matrix W.

    Raises CheckpointError as `hubert_base` does.
    """
    path = Path(path)
    state = tensors(read_weights(path), path)
    units, channels = shape(state, "W", path)
    foreign = [key for key in state if key != "W" and not key.startswith("ssl_model.")]
    if foreign:
        raise CheckpointError(f"{path}: not SSL-SAS's soft predictor (unexpected: {', '.join(foreign[:4])})")
    head = fill(SoftHead(channels, units), {"W": state.pop("W")}, path)
    hubert = _fairseq_hubert({key.removeprefix("ssl_model."): value for key, value in state.items()}, path)
    if hubert.channels != channels:
        raise CheckpointError(f"{path}: W takes {channels} channels, its HuBERT gives {hubert.channels}")
    return hubert, head


def hubert_soft(path: Path) -> tuple[Hubert, SoftVcHead]:
    """soft-vc's hubert-soft-0d54a1f4.pt: the encoder (which pads 40 samples on both sides) and its linear head.

    Raises CheckpointError as `hubert_base` does.
    """
    path = Path(path)
    content = read_weights(path)
    state = tensors(content, path, "hubert" if isinstance(content, Mapping) and "hubert" in content else None)
    heads = {key: value for key, value in state.items() if key.startswith(("proj.", "label_embedding."))}
    units, channels = shape(heads, "proj.weight", path)
    head = fill(SoftVcHead(channels, units, shape(heads, "label_embedding.weight", path)[0]), heads, path)
    try:
        return soft_vc_hubert(state, _soft_vc_config(state, path)), head
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path}: not soft-vc's HuBERT: {' '.join(str(error).split())}") from error


def _weight_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    if found := [path / name for name in FORMATS if (path / name).is_file()]:
        return found[0]
    raise CheckpointError(f"{path}: neither {' nor '.join(FORMATS)} is in this folder")


def _hubert(state: Mapping[str, Tensor], path: Path) -> Hubert:
    model = HubertModel(transformer_config(HubertConfig, state, path))
    return Hubert.from_model(fill(model, state, path))


def _fairseq_hubert(state: Mapping[str, Tensor], path: Path) -> Hubert:
    kept = {key: value for key, value in state.items() if not _PRETRAINING.match(key)}
    return _hubert(modern_names({_from_fairseq(key): value for key, value in kept.items()}), path)


def _from_fairseq(key: str) -> str:
    for old, new in _FAIRSEQ_NAMES:
        renamed, times = re.subn(f"^{old}", new, key)
        if times:
            return renamed
    return key


def _soft_vc_config(state: Mapping[str, Tensor], path: Path) -> HubertConfig:
    hidden, per_group, positions = shape(state, "positional_embedding.conv.weight_v", path)
    return HubertConfig(
        hidden_size=hidden,
        num_hidden_layers=count(state, r"encoder\.layers\.(\d+)\."),
        num_attention_heads=HEADS,
        intermediate_size=shape(state, "encoder.layers.0.linear1.weight", path)[0],
        conv_dim=tuple(shape(state, f"feature_extractor.conv{n}.weight", path)[0] for n in range(7)),
        num_conv_pos_embeddings=positions,
        num_conv_pos_embedding_groups=hidden // per_group,
    )
