"""Linguistic features: the layers of a HuBERT.

Axes: B batch, T samples at 16 kHz, L frames (50 per second), C channels.

T0 is the input of the first transformer layer (positional embedding added), T_n the output of transformer layer n.
In a post-norm model (HuBERT-base) that includes the layer's own norm. In a pre-norm model (do_stable_layer_norm) T_n
is the residual stream, BEFORE the encoder's final norm, for the last layer as for any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import HubertConfig, HubertModel

from emotrace.representation.mel_hubert import model_class
from emotrace.representation.modes import evaluating

MINIMUM = 400  # samples in the receptive field of the first frame
SOFT_VC_PADDING = 40


class Hubert(nn.Module):
    """A transformers HubertModel that hands out its layers. `padding`: zeros on both sides (soft-vc pads 40)."""

    def __init__(self, model: HubertModel, *, padding: int = 0) -> None:
        super().__init__()
        self.model = model
        self.padding = padding
        self._shown = False

    @classmethod
    def from_model(cls, model: HubertModel, *, padding: int = 0) -> Hubert:
        """Wrap a model and put it in evaluation mode."""
        return cls(model, padding=padding).eval()

    @classmethod
    def from_pretrained(cls, source: str | Path | HubertConfig, *, padding: int = 0) -> Hubert:
        """Load a folder in transformers' format (safetensors), or build an untrained model from a HubertConfig.

        Raises ValueError when the weights do not fill the model, OSError when the folder is not readable.
        """
        if isinstance(source, HubertConfig):
            return cls.from_model(model_class(source)(source), padding=padding)
        loader = model_class(HubertConfig.from_pretrained(source))
        model, info = loader.from_pretrained(source, use_safetensors=True, output_loading_info=True)
        lost = sorted(info["missing_keys"]) + sorted(str(key) for key in info["mismatched_keys"])
        if lost:
            raise ValueError(f"{source}: weights missing or of another shape: {', '.join(lost)}")
        return cls.from_model(model, padding=padding)

    @property
    def n_layers(self) -> int:
        return self.model.config.num_hidden_layers

    @property
    def channels(self) -> int:
        return self.model.config.hidden_size

    def forward(self, waveform: Tensor, *, mask: Tensor | None = None) -> list[Tensor]:
        """All layers of a batch, with gradients: (B, T), mask (B, L) bool or None -> [T0..Tn], each (B, L, C).

        `mask` is True where the frame is replaced by the mask embedding (HuBERT pretraining); the model must be in
        training mode for transformers to apply it.
        """
        waveform = F.pad(waveform, (self.padding, self.padding))
        output = self.model(waveform, mask_time_indices=mask, output_hidden_states=True)
        return list(output.hidden_states)

    def layers(self, waveform: Tensor, *, last: int | None = None) -> list[Tensor]:
        """All layers of one utterance from one pass: (T,) -> [T0..Tn], each (L, C), L = (T + 2 padding - 80) // 320.

        ``last``: the number of the last layer wanted; those above it are not computed. Raises ValueError for a waveform
        that is not (T,) or shorter than 400 samples (25 ms).
        """
        if waveform.ndim != 1:
            raise ValueError(f"HuBERT's layers take one waveform (T,), got shape {tuple(waveform.shape)}")
        if len(waveform) + 2 * self.padding < MINIMUM:
            raise ValueError(f"HuBERT needs at least {MINIMUM} samples (25 ms at 16 kHz), got {len(waveform)}")
        wanted = self.n_layers if last is None else last
        if wanted < self.n_layers:
            self._show_all_layers()
        with evaluating(self), _up_to(self.model.encoder, max(wanted, 1)):
            return [layer[0] for layer in self(waveform[None])][: wanted + 1]

    def _show_all_layers(self) -> None:
        """transformers hooks itself into the layers that its first pass finds, and never again: it must find all."""
        if not self._shown:
            with evaluating(self):
                self(torch.zeros(1, MINIMUM, device=self.model.device))
            self._shown = True

    def layer(self, waveform: Tensor, n: int) -> Tensor:
        """T_n of one utterance: (T,) -> (L, C). Raises IndexError for a layer the model does not have."""
        if not 0 <= n <= self.n_layers:
            raise IndexError(f"T{n} of a HuBERT with {self.n_layers} layers")
        return self.layers(waveform, last=n)[n]


@contextmanager
def _up_to(encoder: nn.Module, last: int) -> Iterator[None]:
    """An encoder of the first ``last`` layers for the time being; transformers reports no state of one without any."""
    every, encoder.layers = encoder.layers, encoder.layers[:last]
    try:
        yield
    finally:
        encoder.layers = every


def soft_vc_hubert(state: Mapping[str, Tensor], config: HubertConfig) -> Hubert:
    """A Hubert from the released weights of soft-vc's HubertSoft (the encoder; its head is `soft.SoftVcHead`).

    Raises RuntimeError when the weights do not fill the model exactly.
    """
    hubert = Hubert.from_pretrained(config, padding=SOFT_VC_PADDING)
    hubert.model.load_state_dict(_from_soft_vc(state))
    return hubert


_SOFT_VC_PREFIXES = {
    "feature_extractor.norm0.": "feature_extractor.conv_layers.0.layer_norm.",
    "feature_projection.norm.": "feature_projection.layer_norm.",
    "positional_embedding.conv.weight_g": "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    "positional_embedding.conv.weight_v": "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
    "positional_embedding.conv.bias": "encoder.pos_conv_embed.conv.bias",
    "norm.": "encoder.layer_norm.",
}
_SOFT_VC_PARTS = {
    "self_attn.out_proj.": "attention.out_proj.",
    "linear1.": "feed_forward.intermediate_dense.",
    "linear2.": "feed_forward.output_dense.",
    "norm1.": "layer_norm.",
    "norm2.": "final_layer_norm.",
}


def _from_soft_vc(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename torch.nn.TransformerEncoder's keys to transformers', splitting the joint query-key-value projection."""
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.startswith(("proj.", "label_embedding.")):
            continue
        if ".in_proj_" in key:
            stem, kind = key.split("self_attn.in_proj_")
            for name, part in zip("qkv", value.chunk(3), strict=True):
                renamed[f"{stem}attention.{name}_proj.{kind}"] = part
        else:
            renamed[_rename(key)] = value
    return renamed


def _rename(key: str) -> str:
    if key.startswith("feature_extractor.conv"):
        number, kind = key.removeprefix("feature_extractor.conv").split(".")
        return f"feature_extractor.conv_layers.{number}.conv.{kind}"
    names = _SOFT_VC_PARTS if key.startswith("encoder.layers.") else _SOFT_VC_PREFIXES
    old = next((old for old in names if (old in key if names is _SOFT_VC_PARTS else key.startswith(old))), None)
    return key if old is None else key.replace(old, names[old], 1)
