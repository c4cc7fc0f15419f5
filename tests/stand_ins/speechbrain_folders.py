"""Stand-ins for speechbrain's folders: verification, words, emotions; hyperparams.yaml as it is released."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN, Classifier
from speechbrain.lobes.models.VanillaNN import VanillaNN
from speechbrain.nnet.linear import Linear
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from stand_ins.common import Sizes, old_names, randomised, save

EMOTIONS = ("neu", "ang", "hap", "sad")
LETTERS = (" ", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")

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


def ecapa(channels: tuple[int, ...], sizes: Sizes) -> dict[str, Tensor]:
    """State dict of speechbrain's ECAPA_TDNN."""
    width = sizes.attention
    network = ECAPA_TDNN(80, lin_neurons=192, channels=list(channels), attention_channels=width, se_channels=width)
    return dict(randomised(network).state_dict())


def write_asv(home: Path, sizes: Sizes) -> Path:
    """What asv_orig.zip unpacks to: a folder of speechbrain's EncoderClassifier."""
    folder = home / "asv_orig"
    save(folder / "embedding_model.ckpt", ecapa(sizes.ecapa_small, sizes))
    save(folder / "classifier.ckpt", dict(Classifier(192, out_neurons=sizes.speakers).state_dict()))
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
    save(folder / "wav2vec2.ckpt", wav2vec2_state(width, feed_forward, layers, sizes.conv, large=True))
    labels = ("<blank>", "<bos>", "<eos>", *LETTERS)
    head = nn.ModuleList(
        [VanillaNN([None, None, width], nn.LeakyReLU, 2, width), Linear(len(labels), input_size=width)]
    )
    save(folder / "asr.ckpt", dict(randomised(head).state_dict()))
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
        save(folder / "wav2vec2.ckpt", weights)
        head = nn.ModuleList([Linear(len(EMOTIONS), input_size=sizes.hidden, bias=False)])
        save(folder / "model.ckpt", dict(randomised(head).state_dict()))
        write_labels(folder / "label_encoder.txt", EMOTIONS, {"starting_index": 0})
        (folder / "hyperparams.yaml").write_text(SER_YAML.format(width=sizes.hidden))
        (folder / "custom_interface.py").write_text('raise RuntimeError("code of a checkpoint was run")\n')
    return home


def write_labels(path: Path, labels: tuple[str, ...], extras: Mapping[str, Any]) -> None:
    """speechbrain's label file."""
    lines = [f"{label!r} => {index}" for index, label in enumerate(labels)]
    lines += ["=" * 16, *(f"{key!r} => {value!r}" for key, value in extras.items())]
    path.write_text("\n".join(lines) + "\n")
