"""Stand-ins for the released checkpoints: random weights in exactly their formats, keys and folders.

Full size for the dry run, shrunk (`small=True`) for unit tests wherever the format lets widths vary; the style encoder
has one size only. Every tensor is random, norms and biases too, so that no two of a shape can be mistaken for another.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN, Classifier
from speechbrain.lobes.models.VanillaNN import VanillaNN
from speechbrain.nnet.linear import Linear
from torch import Tensor, nn
from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2Model

from emotrace.representation.gst import GstEncoder
from emotrace.vocoder.generator import HifiGan, HifiGanConfig

UNITS, LABELS = 200, 504
EMOTIONS = ("neu", "ang", "hap", "sad")
LETTERS = (" ", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")


@dataclass(frozen=True)
class Sizes:
    """Widths of the networks; heads are always 12 (16 from 1024 channels on), as the loaders expect."""

    hidden: int = 768
    feed_forward: int = 3072
    conv: int = 512
    layers: int = 12
    large: tuple[int, int, int] = (1024, 4096, 24)
    generator: int = 512
    ecapa: tuple[int, ...] = (1024, 1024, 1024, 1024, 3072)
    ecapa_small: tuple[int, ...] = (512, 512, 512, 512, 1536)
    attention: int = 128
    speakers: int = 921
    soft_units: int = 256


FULL = Sizes()
SMALL = Sizes(
    hidden=48,
    feed_forward=64,
    conv=16,
    layers=12,
    large=(48, 64, 2),
    generator=32,
    ecapa=(24, 24, 24, 24, 72),
    ecapa_small=(16, 16, 16, 16, 48),
    attention=8,
    speakers=5,
    soft_units=24,
)


def write_all(folder: Path, *, seed: int = 0, small: bool = False) -> dict[str, Path]:
    """Write every checkpoint where the registry expects it below `folder`; returns what each loader takes, by name.

    Full size takes some 6 GB. The archives themselves are not written, only what they unpack to.
    """
    sizes = SMALL if small else FULL
    torch.manual_seed(seed)
    written = write_ssl_sas(folder / "ssl_sas", sizes)
    written["hubert_base"] = write_hubert_base(folder / "hubert_base", sizes)
    written["hubert_base_fairseq"] = write_hubert_fairseq(folder / "hubert_base_fairseq/hubert_base_ls960.pt", sizes)
    written["hubert_soft"] = write_hubert_soft(folder / "hubert_soft/hubert-soft-0d54a1f4.pt", sizes)
    written["ecapa_voxceleb"] = _save(folder / "ecapa_voxceleb/embedding_model.ckpt", ecapa(sizes.ecapa, sizes))
    style = {"style_emb_func": dict(randomised(GstEncoder()).state_dict())}
    written["style_encoder"] = _save(folder / "sttts/tts/Embedding/embedding_function.pt", style)
    written["vpc_asv_orig"] = write_asv(folder / "vpc_asv_orig", sizes)
    written["vpc_asr"] = write_asr(folder / "vpc_asr", sizes)
    written["asr_wav2vec2_librispeech"] = _linked(folder / "vpc_asr/asr", folder / "asr_wav2vec2_librispeech")
    written["vpc_ser"] = write_ser(folder / "vpc_ser", sizes)
    return written


def randomised(module: nn.Module) -> nn.Module:
    """`module` in evaluation mode, every parameter and running statistic moved at random, variances kept positive."""
    with torch.no_grad():
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if value.is_floating_point():
                value.add_(torch.randn_like(value).mul_(0.05))
            if name.endswith(("running_var", "original0")):
                value.abs_().add_(0.1)
    return module.eval()


# ---- HuBERT ---------------------------------------------------------------------------------------------------------


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


def old_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torch's names of weight norm when these files were saved."""
    names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    return {_replaced(key, names): value for key, value in state.items()}


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
        state[_replaced(key, part)] = value
    return state


def write_hubert_base(folder: Path, sizes: Sizes) -> Path:
    """transformers' folder: pytorch_model.bin with old weight-norm names, config.json."""
    model = hubert_model(sizes)
    _save(folder / "pytorch_model.bin", old_names(model.state_dict()))
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
        return _save(
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
    return _save(path, {f"module.{key}": value for key, value in state.items()})


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


# ---- SSL-SAS --------------------------------------------------------------------------------------------------------


def write_generator(path: Path, channels: int, sizes: Sizes) -> Path:
    """A generator for an IR of these channels, in the format of SSL-SAS's g_00100000, without its front ends."""
    generator = randomised(HifiGan(HifiGanConfig(channels, sizes.generator)))
    return _save(path, {"generator": dict(generator.state_dict())})


def write_ssl_sas(home: Path, sizes: Sizes) -> dict[str, Path]:
    """What SSL-SAS's archive unpacks to. The generator's file repeats its frozen front ends, as theirs does."""
    top = home / "pretrained_models_anon_xv"
    soft = {"W": torch.randn(UNITS, sizes.hidden)}
    soft |= {f"ssl_model.{key}": value for key, value in fairseq_state(hubert_model(sizes)).items()}
    soft["ssl_model.label_embs_concat"] = torch.randn(LABELS, 256)
    speaker = ecapa(sizes.ecapa_small, sizes)
    generator = dict(randomised(HifiGan(HifiGanConfig(UNITS + 1 + 192, sizes.generator))).state_dict())
    generator |= {f"latent_encoder.{key}": value for key, value in soft.items()}
    generator |= {f"xv_model.{key}": value for key, value in speaker.items()}
    generator["fbank.compute_deltas.kernel"] = torch.randn(80, 1, 5)
    model = top / "HiFi-GAN" / "libri_tts_clean_100_fbank_xv_ssl_freeze"
    written = {
        "ssl_sas_generator": _save(model / "g_00100000", {"generator": generator}),
        "ssl_sas_soft_predictor": _save(top / "HuBERT_soft" / "soft_model.pt", soft),
        "ssl_sas_ecapa": _save(top / "ECAPA-TDNN" / "embedding_model.ckpt", speaker),
    }
    config = {"model_in_dim": UNITS + 193, "resblock": "1", "upsample_rates": [5, 4, 2, 2, 2]}
    (model / "config.json").write_text(json.dumps(config))
    return written


# ---- speechbrain ----------------------------------------------------------------------------------------------------


def ecapa(channels: tuple[int, ...], sizes: Sizes) -> dict[str, Tensor]:
    """State dict of speechbrain's ECAPA_TDNN."""
    width = sizes.attention
    network = ECAPA_TDNN(80, lin_neurons=192, channels=list(channels), attention_channels=width, se_channels=width)
    return dict(randomised(network).state_dict())


def write_asv(home: Path, sizes: Sizes) -> Path:
    """What asv_orig.zip unpacks to: a folder of speechbrain's EncoderClassifier."""
    folder = home / "asv_orig"
    _save(folder / "embedding_model.ckpt", ecapa(sizes.ecapa_small, sizes))
    _save(folder / "classifier.ckpt", dict(Classifier(192, out_neurons=sizes.speakers).state_dict()))
    (folder / "hyperparams.yaml").write_text(ASV_YAML.format(channels=list(sizes.ecapa_small), att=sizes.attention))
    return home


def wav2vec2_state(width: int, feed_forward: int, layers: int, conv: int, *, large: bool) -> dict[str, Tensor]:
    """Weights of a wav2vec 2.0 as speechbrain saves them; `large`: layer norms in the convolutions, pre-norm layers."""
    config = Wav2Vec2Config(
        hidden_size=width,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=16 if width >= 1024 else 12,
        conv_dim=(conv,) * 7,
        conv_bias=large,
        feat_extract_norm="layer" if large else "group",
        do_stable_layer_norm=large,
    )
    state = old_names(randomised(Wav2Vec2Model(config)).state_dict())
    return {f"model.{key}": value for key, value in state.items()}


def write_asr(home: Path, sizes: Sizes) -> Path:
    """What asr.zip unpacks to: the folder of speechbrain/asr-wav2vec2-librispeech."""
    folder, (width, feed_forward, layers) = home / "asr", sizes.large
    _save(folder / "wav2vec2.ckpt", wav2vec2_state(width, feed_forward, layers, sizes.conv, large=True))
    labels = ("<blank>", "<bos>", "<eos>", *LETTERS)
    head = nn.ModuleList(
        [VanillaNN([None, None, width], nn.LeakyReLU, 2, width), Linear(len(labels), input_size=width)]
    )
    _save(folder / "asr.ckpt", dict(randomised(head).state_dict()))
    extras = {"starting_index": 0, "blank_label": "<blank>", "bos_label": "<bos>", "eos_label": "<eos>"}
    write_labels(folder / "tokenizer.ckpt", labels, extras)
    (folder / "hyperparams.yaml").write_text(ASR_YAML.format(width=width, labels=len(labels)))
    (folder / "config.json").write_text(json.dumps({"speechbrain_interface": "EncoderASR"}))
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": True, "sampling_rate": 16000}))
    return home


def write_ser(home: Path, sizes: Sizes, folds: int = 5) -> Path:
    """What ser.zip unpacks to: fold_1 to fold_5, each with a checkpoint folder and a custom_interface.py not to run."""
    for fold in range(1, folds + 1):
        folder = home / "ser" / f"fold_{fold}" / "CKPT+2024-01-01+00-00-00+00"
        weights = wav2vec2_state(sizes.hidden, sizes.feed_forward, sizes.layers, sizes.conv, large=False)
        _save(folder / "wav2vec2.ckpt", weights)
        head = nn.ModuleList([Linear(len(EMOTIONS), input_size=sizes.hidden, bias=False)])
        _save(folder / "model.ckpt", dict(randomised(head).state_dict()))
        write_labels(folder / "label_encoder.txt", EMOTIONS, {"starting_index": 0})
        (folder / "hyperparams.yaml").write_text(SER_YAML.format(width=sizes.hidden))
        (folder / "custom_interface.py").write_text('raise RuntimeError("code of a checkpoint was run")\n')
    return home


def write_labels(path: Path, labels: tuple[str, ...], extras: Mapping[str, Any]) -> None:
    """speechbrain's label file."""
    lines = [f"{label!r} => {index}" for index, label in enumerate(labels)]
    lines += ["=" * 16, *(f"{key!r} => {value!r}" for key, value in extras.items())]
    path.write_text("\n".join(lines) + "\n")


ASV_YAML = """\
n_mels: 80
pretrained_path: exp/asv_orig
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: !ref <n_mels>
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
    input_size: !ref <n_mels>
    channels: {channels}
    kernel_sizes: [5, 3, 3, 3, 1]
    dilations: [1, 2, 3, 4, 1]
    attention_channels: {att}
    lin_neurons: 192
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
    paths:
        embedding_model: !ref <pretrained_path>/embedding_model.ckpt
"""
ASR_YAML = """\
wav2vec2_hub: facebook/wav2vec2-large-960h-lv60-self
activation: !name:torch.nn.LeakyReLU
dnn_layers: 2
dnn_neurons: {width}
output_neurons: {labels}
blank_index: 0
enc: !new:speechbrain.lobes.models.VanillaNN.VanillaNN
    input_shape: [null, null, {width}]
    activation: !ref <activation>
    dnn_blocks: !ref <dnn_layers>
    dnn_neurons: !ref <dnn_neurons>
wav2vec2: !new:speechbrain.lobes.models.huggingface_wav2vec.HuggingFaceWav2Vec2
    source: !ref <wav2vec2_hub>
    output_norm: True
    freeze: True
    save_path: model_checkpoints
ctc_lin: !new:speechbrain.nnet.linear.Linear
    input_size: !ref <dnn_neurons>
    n_neurons: !ref <output_neurons>
asr_model: !new:torch.nn.ModuleList
    - [!ref <enc>, !ref <ctc_lin>]
tokenizer: !new:speechbrain.dataio.encoder.CTCTextEncoder
decoding_function: !name:speechbrain.decoders.ctc_greedy_decode
    blank_id: !ref <blank_index>
"""
SER_YAML = """\
wav2vec2_hub: facebook/wav2vec2-base
encoder_dim: {width}
out_n_neurons: 4
wav2vec2: !new:speechbrain.lobes.models.huggingface_transformers.wav2vec2.Wav2Vec2
    source: !ref <wav2vec2_hub>
    output_norm: True
    freeze: True
    save_path: wav2vec2_checkpoints
avg_pool: !new:speechbrain.nnet.pooling.StatisticsPooling
    return_std: False
output_mlp: !new:speechbrain.nnet.linear.Linear
    input_size: !ref <encoder_dim>
    n_neurons: !ref <out_n_neurons>
    bias: False
model: !new:torch.nn.ModuleList
    - [!ref <output_mlp>]
"""


def _replaced(key: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        key = key.replace(old, new)
    return key


def _save(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def _linked(source: Path, target: Path) -> Path:
    """A folder with the same files, hard links where the disk has them."""
    shutil.copytree(source, target, copy_function=_link)
    return target


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)
