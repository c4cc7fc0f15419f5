"""Released weight files read into this package's own modules, key for key, in evaluation mode.

Every loader raises CheckpointError, naming the file, for one that is missing, damaged or of another model, and for one
that holds code. Only what serves pretraining alone (fairseq's final_proj and label_embs_concat) is left out, by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import HubertConfig, HubertModel

from emotrace.released.wav2vec2 import modern_names, transformer_config
from emotrace.released.weights import count, fill, read_weights, shape, tensors
from emotrace.representation.ecapa import N_MELS, Ecapa
from emotrace.representation.gst import GstEncoder
from emotrace.representation.hubert import Hubert
from emotrace.representation.soft import SoftHead
from emotrace.vocoder.hifigan import SSL_SAS, HifiGan, HifiGanConfig
from emotrace.weights import CheckpointError

FORMATS = ("model.safetensors", "pytorch_model.bin")  # transformers', the first that is there
BLOCKS = 4  # of an ECAPA-TDNN, before the aggregation
# SSL-SAS saves its frozen front-ends with the generator: the soft predictor, and the ECAPA-TDNN with its filter bank.
# They are read from their own files.
FRONT_ENDS = ("latent_encoder.", "feat_model.", "xv_model.", "fbank.", "mean_var_norm.")
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
    """HuBERT-base from transformers' folder or weight file, or from fairseq's checkpoint {"model": ...}."""
    file = _weight_file(Path(path))
    content = read_weights(file)
    if isinstance(content, Mapping) and "model" in content:
        return _fairseq_hubert(tensors(content, file, "model"), file)
    return _hubert(modern_names(tensors(content, file), "hubert."), file)


def ssl_sas_soft_predictor(path: Path) -> tuple[Hubert, SoftHead]:
    """SSL-SAS's soft_model.pt: its fine-tuned HuBERT (fairseq's names below "ssl_model.") and the units' matrix W."""
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


def _weight_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    for name in FORMATS:
        if (path / name).is_file():
            return path / name
    raise CheckpointError(f"{path}: neither {' nor '.join(FORMATS)} is in this folder")


def _hubert(state: Mapping[str, Tensor], path: Path) -> Hubert:
    model = HubertModel(transformer_config(HubertConfig, state, path))
    return Hubert(fill(model, state, path)).eval()


def _fairseq_hubert(state: Mapping[str, Tensor], path: Path) -> Hubert:
    kept = {_from_fairseq(key): value for key, value in state.items() if not _PRETRAINING.match(key)}
    return _hubert(modern_names(kept), path)


def _from_fairseq(key: str) -> str:
    for old, new in _FAIRSEQ_NAMES:
        renamed, times = re.subn(f"^{old}", new, key)
        if times:
            return renamed
    return key


def ecapa_voxceleb(path: Path) -> Ecapa:
    """An embedding_model.ckpt of speechbrain's ECAPA-TDNN, its widths read off the weights.

    speechbrain/spkrec-ecapa-voxceleb has 1024 channels; SSL-SAS's own and VoicePrivacy 2024's have 512.
    """
    path = Path(path)
    state = tensors(read_weights(path), path)
    ecapa = Ecapa(**ecapa_config(state, path))
    fill(ecapa.model, state, path)
    return ecapa.eval()


def ecapa_config(state: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
    """The arguments of the `Ecapa` with these weights. Raises CheckpointError for another network."""
    first, bands, _ = shape(state, "blocks.0.conv.conv.weight", path)
    attention = shape(state, "asp.tdnn.conv.conv.weight", path)[0]
    squeezed = shape(state, "blocks.1.se_block.conv1.conv.weight", path)[0]
    if bands != N_MELS or attention != squeezed:
        raise CheckpointError(
            f"{path}: an ECAPA-TDNN on {bands} bands with {attention} attention and {squeezed} squeeze channels; "
            f"{N_MELS} bands and as many of one as of the other are expected"
        )
    blocks = [shape(state, f"blocks.{n}.tdnn2.conv.conv.weight", path)[0] for n in range(1, BLOCKS)]
    channels = [first, *blocks, shape(state, "mfa.conv.conv.weight", path)[0]]
    return {"channels": channels, "dims": shape(state, "fc.conv.weight", path)[0], "attention": attention}


def style_encoder(path: Path) -> GstEncoder:
    """STTTS's embedding_function.pt, {"style_emb_func": state dict of IMS-Toucan's style encoder}."""
    path = Path(path)
    state = tensors(read_weights(path), path, "style_emb_func")
    return fill(GstEncoder(tokens=shape(state, "gst.stl.gst_embs", path)[0]), state, path)


def ssl_sas_generator(path: Path) -> HifiGan:
    """The generator of a checkpoint {"generator": state dict}, such as SSL-SAS's g_00100000.

    Channels and kernels are read off the weights, so that generators of other IRs (961 or 329 channels) and widths load
    as well. Upsampling rates, which no shape tells, are those of the config.json beside the file, else SSL-SAS's.
    """
    path = Path(path)
    state = tensors(read_weights(path), path, "generator")
    state = {key: value for key, value in state.items() if not key.startswith(FRONT_ENDS)}
    try:
        generator = HifiGan(_generator_config(state, path))
    except ValueError as error:
        raise CheckpointError(f"{path}: not a HiFi-GAN of this family: {error}") from error
    return fill(generator, state, path)


def _generator_config(state: Mapping[str, Tensor], path: Path) -> HifiGanConfig:
    initial, in_channels, _ = shape(state, "conv_pre.weight_v", path)
    upsamplings = count(state, r"ups\.(\d+)\.")
    kernels = tuple(shape(state, f"ups.{n}.weight_v", path)[2] for n in range(upsamplings))
    blocks = count(state, r"resblocks\.(\d+)\.") // max(upsamplings, 1)
    return HifiGanConfig(
        in_channels=in_channels,
        initial_channels=initial,
        upsample_rates=_upsample_rates(path, kernels),
        upsample_kernels=kernels,
        resblock_kernels=tuple(shape(state, f"resblocks.{n}.convs1.0.weight_v", path)[2] for n in range(blocks)),
    )


def _upsample_rates(path: Path, kernels: tuple[int, ...]) -> tuple[int, ...]:
    config = path.with_name("config.json")
    if config.is_file():
        try:
            return tuple(int(rate) for rate in json.loads(config.read_text(encoding="utf-8"))["upsample_rates"])
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{config}: no upsample_rates in it ({error!r})") from error
    if kernels != SSL_SAS.upsample_kernels:
        raise CheckpointError(
            f"{path}: upsampling kernels {kernels} are not SSL-SAS's {SSL_SAS.upsample_kernels}: "
            f"put the config.json that was released with the file at {config}"
        )
    return SSL_SAS.upsample_rates
