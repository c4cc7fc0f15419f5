"""Released weight files read into this package's own modules, key for key, and made into models of the paper's profile.

Every loader raises CheckpointError, naming the file, for one that is missing, damaged or of another model, and for one
that holds code. Only what serves pretraining alone (fairseq's final_proj and label_embs_concat) is left out, by name.
Converted, the same weights lie under the study's names, and the paper's profile runs as any other: every row's
provenance has the hashes of the models it used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from safetensors.torch import save_file
from torch import Tensor
from transformers import HubertConfig, HubertModel, Wav2Vec2Config

from emotrace.corpus.files import atomic_file, write_text_atomic
from emotrace.released.checkpoints import CHECKPOINTS, SOURCES, VOCODERS
from emotrace.released.files import count, fill, read_state, read_weights, shape, tensors
from emotrace.representation import STREAMS
from emotrace.representation.ecapa import N_MELS, Ecapa
from emotrace.representation.gst import GstEncoder
from emotrace.representation.hubert import HEAD_KEY, Hubert
from emotrace.representation.soft import SoftHead
from emotrace.representation.spec import IRSpec
from emotrace.vocoder.hifigan import SSL_SAS, HifiGan, HifiGanConfig
from emotrace.weights import CONFIG, WEIGHTS, CheckpointError, ModelFolder

Config = TypeVar("Config", HubertConfig, Wav2Vec2Config)
FORMATS = ("model.safetensors", "pytorch_model.bin")  # transformers', the first that is there
CONVOLUTIONS = 7  # of a HuBERT or wav2vec 2.0
LARGE = 1024  # the width from which they have sixteen heads
# torch's old and new names of a normalised weight
WEIGHT_NORM = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
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
    if path.is_dir():
        path = next((path / name for name in FORMATS if (path / name).is_file()), path / FORMATS[-1])
    content = read_weights(path)
    if isinstance(content, Mapping) and "model" in content:
        return _fairseq_hubert(tensors(content, path, "model"), path)
    return _hubert(modern_names(tensors(content, path), "hubert."), path)


def ssl_sas_soft_predictor(path: Path) -> tuple[Hubert, SoftHead]:
    """SSL-SAS's soft_model.pt: its fine-tuned HuBERT (fairseq's names below "ssl_model.") and the units' matrix W."""
    state = read_state(path)
    units, channels = shape(state, "W", path)
    foreign = [key for key in state if key != "W" and not key.startswith("ssl_model.")]
    if foreign:
        raise CheckpointError(f"{path}: not SSL-SAS's soft predictor (unexpected: {', '.join(foreign[:4])})")
    head = fill(SoftHead(channels, units), {"W": state.pop("W")}, path)
    hubert = _fairseq_hubert({key.removeprefix("ssl_model."): value for key, value in state.items()}, path)
    if hubert.channels != channels:
        raise CheckpointError(f"{path}: W takes {channels} channels, its HuBERT gives {hubert.channels}")
    return hubert, head


def _hubert(state: Mapping[str, Tensor], path: Path) -> Hubert:
    model = HubertModel(transformer_config(HubertConfig, state, path))
    return Hubert(fill(model, state, path)).eval()


def _fairseq_hubert(state: Mapping[str, Tensor], path: Path) -> Hubert:
    kept = {_from_fairseq(key): value for key, value in state.items() if not _PRETRAINING.match(key)}
    return _hubert(modern_names(kept), path)


def _from_fairseq(key: str) -> str:
    for old, new in _FAIRSEQ_NAMES:
        key = re.sub(f"^{old}", new, key)
    return key


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
    hidden, per_group, positions = shape(state, f"encoder.pos_conv_embed.conv.{WEIGHT_NORM['weight_v']}", path)
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


def ecapa_voxceleb(path: Path) -> Ecapa:
    """An embedding_model.ckpt of speechbrain's ECAPA-TDNN, its widths read off the weights.

    speechbrain/spkrec-ecapa-voxceleb has 1024 channels; SSL-SAS's own and VoicePrivacy 2024's have 512.
    """
    state = read_state(path)
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
    state = read_state(path, "style_emb_func")
    return fill(GstEncoder(tokens=shape(state, "gst.stl.gst_embs", path)[0]), state, path)


def ssl_sas_generator(path: Path) -> HifiGan:
    """The generator of a checkpoint {"generator": state dict}, such as SSL-SAS's g_00100000.

    Channels and kernels are read off the weights, so that generators of other IRs (961 or 329 channels) and widths load
    as well. Upsampling rates, which no shape tells, are those of the config.json beside the file, else SSL-SAS's.
    """
    state = read_state(path, "generator")
    state = {key: value for key, value in state.items() if not key.startswith(FRONT_ENDS)}
    initial, in_channels, _ = shape(state, "conv_pre.weight_v", path)
    upsamplings = count(state, r"ups\.(\d+)\.")
    kernels = tuple(shape(state, f"ups.{n}.weight_v", path)[2] for n in range(upsamplings))
    blocks = count(state, r"resblocks\.(\d+)\.") // max(upsamplings, 1)
    resblock_kernels = tuple(shape(state, f"resblocks.{n}.convs1.0.weight_v", path)[2] for n in range(blocks))
    rates = _upsample_rates(path, kernels)
    try:
        config = HifiGanConfig(
            in_channels=in_channels,
            initial_channels=initial,
            upsample_rates=rates,
            upsample_kernels=kernels,
            resblock_kernels=resblock_kernels,
        )
        generator = HifiGan(config)
    except ValueError as error:
        raise CheckpointError(f"{path}: not a HiFi-GAN of this family: {error}") from error
    return fill(generator, state, path)


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


def convert_all(
    models: Path, checkpoints: Path | None = None, *, vocoders: Mapping[str, Path] | None = None
) -> list[str]:
    """Convert every model of SOURCES that is not in ``models`` yet, and ``vocoders``: files by the names of their IRs.

    Returns the names of those converted. Raises MissingCheckpointError for the first released file that is not there.
    """
    files = {model: CHECKPOINTS.find(source).path(checkpoints) for model, source in SOURCES.items()}
    files |= {f"unified-{ir}": path for ir, path in (vocoders or {}).items()}
    missing = [model for model in files if model not in ModelFolder(models).names()]
    for model in missing:
        convert(model, files[model], models)
    return missing


def convert(model: str, path: Path, models: Path) -> None:
    """Read the released file ``path`` and write it as ``model``, a key of SOURCES or VOCODERS, into ``models``.

    A vocoder is a file in the format of SSL-SAS's generator. Raises CheckpointError for a file that cannot be read or
    is of another model, ModelError where a vocoder comes before the front-ends of its IR, ValueError for an unknown
    name.
    """
    state, config = _converted(model, path, ModelFolder(models))
    card = {"model": model, "converted_from": path.name}
    if model in SOURCES:
        source = CHECKPOINTS.find(SOURCES[model])
        card |= {"page": source.page, "licence": source.licence}
    with atomic_file(models / model / WEIGHTS) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, temporary)
    for name, content in ((CONFIG, config), ("card.json", card)):
        write_text_atomic(models / model / name, json.dumps(content, indent=1) + "\n")


def channels(ir: IRSpec, models: ModelFolder) -> int:
    """D of an IR with these front-ends; the paper's: 200 + 1 + 192 = 393 for ECAPA-T12-soft. Raises ModelError."""
    return sum(STREAMS.find(stream.name).load(models, stream.layer).dimension for stream in ir.streams)


def _converted(model: str, path: Path, models: ModelFolder) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    """The weights and the configuration of a model."""
    if model == "hubert":
        hubert = hubert_base(path)
        return hubert.model.state_dict(), hubert.model.config.to_dict()
    if model == "soft":
        hubert, head = ssl_sas_soft_predictor(path)
        return {**hubert.model.state_dict(), HEAD_KEY: head.W.detach()}, hubert.model.config.to_dict()
    if model == "ecapa":
        state = ecapa_voxceleb(path).model.state_dict()
        return state, ecapa_config(state, path)
    if model == "gst":
        encoder = style_encoder(path)
        return encoder.state_dict(), {"tokens": len(encoder.gst.stl.gst_embs)}
    if model not in VOCODERS:
        known = dict.fromkeys((*SOURCES, *VOCODERS))
        raise ValueError(f"no model {model!r} to convert; there are: {', '.join(known)}")
    generator, expected = ssl_sas_generator(path), channels(VOCODERS[model], models)
    if generator.config.in_channels != expected:
        given = generator.config.in_channels
        raise CheckpointError(f"{path}: a generator of {given} channels, the IR {VOCODERS[model].name} has {expected}")
    return generator.state_dict(), asdict(generator.config)
