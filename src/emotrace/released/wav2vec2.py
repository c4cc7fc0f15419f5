"""A wav2vec 2.0 as speechbrain's recipes use it. Axes: B batch, T samples at 16 kHz, L frames (50/s), C channels."""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor, nn
from torch.nn.functional import layer_norm
from transformers import Wav2Vec2Config, Wav2Vec2Model

from emotrace.released.architecture import modern_names, transformer_config
from emotrace.released.hyperparams import Hyperparams
from emotrace.released.weights import fill, read_weights, tensors
from emotrace.weights import CheckpointError

CLASS = r"speechbrain\.(lobes\.models|integrations)\.hugging\w+(\.wav2vec2)?\.(HuggingFace)?Wav2Vec2"
MINIMUM = 400  # samples in the receptive field of the first frame


class Wav2Vec2Encoder(nn.Module):
    """The waveform standardised, through wav2vec 2.0, the whole output standardised where the recipe says so.

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
    options = hyperparams.arguments("wav2vec2", of=CLASS)
    state = modern_names(tensors(read_weights(path), path), "model.")
    model = Wav2Vec2Model(transformer_config(Wav2Vec2Config, state, path))
    fill(model, state, path)
    output_norm = options.get("output_norm", False)
    if not isinstance(output_norm, bool):
        raise CheckpointError(f"{hyperparams.path}: wav2vec2's output_norm is {output_norm!r}")
    return Wav2Vec2Encoder(model, standardise=_standardise(path), output_norm=output_norm).eval()


def _standardise(path: Path) -> bool:
    preprocessor = path.with_name("preprocessor_config.json")
    if not preprocessor.is_file():
        return True
    try:
        return bool(json.loads(preprocessor.read_text(encoding="utf-8"))["do_normalize"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{preprocessor}: no do_normalize in it ({error!r})") from error
