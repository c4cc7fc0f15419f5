"""HuBERT pretraining, small: k-means of MFCC, then masked prediction; a second iteration clusters its own T6.

Source: Hsu et al., "HuBERT" (IEEE/ACM TASLP 2021), sections II and III. Two deviations, both for the short budget and
both on the model card: the loss also counts unmasked frames (their alpha, here 0.5), and the second iteration starts
from the weights of the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
import torchaudio
from accelerate import Accelerator
from sklearn.cluster import MiniBatchKMeans
from torch import nn
from transformers import HubertConfig, HubertModel
from transformers.models.hubert.modeling_hubert import _compute_mask_indices

from emotrace.representation.mel_hubert import mel_config
from emotrace.training.loop import Recipe, step_all, warm_up_then_decay

FRAME_HOP, FRAME_WINDOW = 320, 400
TEMPERATURE = 0.1


def mini_config(width: int = 192) -> HubertConfig:
    """Twelve transformer layers like HuBERT-base, but pre-norm (learns faster), on log-mel frames; 5.7 M at 192."""
    return mel_config(
        hidden_size=width,
        num_hidden_layers=12,
        num_attention_heads=4,
        intermediate_size=4 * width,
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=64,
        num_conv_pos_embedding_groups=8,
        hidden_dropout=0.05,
        attention_dropout=0.05,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
        layerdrop=0.0,
        apply_spec_augment=True,
        mask_time_prob=0.08,
        mask_time_length=10,
    )


def n_frames(samples: int) -> int:
    """HuBERT's frames for a waveform of ``samples`` samples: windows of 25 ms every 20 ms that fit entirely."""
    return (samples - FRAME_WINDOW) // FRAME_HOP + 1


def whole_frames(seconds: float) -> int:
    """Samples of a crop of about ``seconds`` that holds HuBERT frames without a rest."""
    return int(seconds * 16_000) // FRAME_HOP * FRAME_HOP + FRAME_WINDOW - FRAME_HOP


def mfcc_features(waveform: np.ndarray) -> np.ndarray:
    """MFCC with first and second differences (L, 39) at HuBERT's own frames, 50/s, from a waveform (T,) at 16 kHz."""
    spectrum = {"n_fft": FRAME_WINDOW, "hop_length": FRAME_HOP, "n_mels": 40, "center": False}
    mfcc = torchaudio.transforms.MFCC(16_000, 13, melkwargs=spectrum)(torch.from_numpy(waveform))
    first = torchaudio.functional.compute_deltas(mfcc)
    second = torchaudio.functional.compute_deltas(first)
    return torch.cat([mfcc, first, second]).T.numpy()


@dataclass(frozen=True)
class Targets:
    """Pseudo-labels: one array of cluster ids (L,) per utterance, and how many clusters there are."""

    labels: tuple[np.ndarray, ...]
    clusters: int


def cluster(features: Sequence[np.ndarray], clusters: int, seed: int) -> tuple[Targets, np.ndarray]:
    """k-means over all frames of all utterances, features standardised; returns labels and centres (K, C)."""
    frames = np.concatenate(features)
    mean, std = frames.mean(0), frames.std(0) + 1e-6
    kmeans = MiniBatchKMeans(clusters, random_state=seed, batch_size=8192, n_init=3, max_iter=50)
    kmeans.fit((frames - mean) / std)
    labels = tuple(kmeans.predict((feature - mean) / std).astype(np.int64) for feature in features)
    return Targets(labels, clusters), kmeans.cluster_centers_ * std + mean


class MaskedPrediction(Recipe):
    """Predict the cluster of each frame by cosine similarity to learned codes, masked frames counting most."""

    def __init__(
        self,
        model: HubertModel,
        waveforms: Sequence[np.ndarray],
        targets: Targets,
        *,
        batch_size: int = 8,
        seconds: float = 2.4,
        learning_rate: float = 1e-3,
        warm_up: int = 100,
        steps: int = 1_000,
        unmasked_weight: float = 0.5,
        seed: int = 0,
    ):
        self.waveforms, self.targets = waveforms, targets
        self.batch_size, self.unmasked_weight = batch_size, unmasked_weight
        self.samples = whole_frames(seconds)
        torch.manual_seed(seed)
        self.codes = nn.Parameter(torch.randn(targets.clusters, model.config.hidden_size))
        head = nn.ParameterDict({"codes": self.codes})
        self.modules = {"hubert": model.train(), "head": head}
        parameters = [*model.parameters(), *head.parameters()]
        adamw = torch.optim.AdamW(parameters, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
        self.optimisers = {"adamw": adamw}
        self.schedulers = {"adamw": warm_up_then_decay(adamw, warm_up, steps)}

    def batch(self, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        waveform, labels = aligned_crops(self.waveforms, self.targets.labels, rng, self.batch_size, self.samples)
        return {"waveform": waveform, "labels": labels, "mask": self._mask(rng, labels.shape)}

    def _mask(self, rng: np.random.Generator, shape: torch.Size) -> torch.Tensor:
        config = self.modules["hubert"].config
        # transformers draws masks from numpy's global generator
        np.random.seed(int(rng.integers(2**31)))
        return torch.from_numpy(_compute_mask_indices(tuple(shape), config.mask_time_prob * 5, config.mask_time_length))

    def update(self, batch: dict[str, torch.Tensor], step: int, accelerator: Accelerator) -> dict[str, float]:
        """One step of predicting the labels (B, L) of masked frames of waveforms (B, T); the losses by name."""
        hidden = self.modules["hubert"](batch["waveform"], mask_time_indices=batch["mask"]).last_hidden_state
        logits = F.normalize(hidden, dim=-1) @ F.normalize(self.codes, dim=-1).T / TEMPERATURE
        mask = batch["mask"]
        masked = F.cross_entropy(logits[mask], batch["labels"][mask])
        seen = F.cross_entropy(logits[~mask], batch["labels"][~mask])
        accelerator.backward(masked + self.unmasked_weight * seen)
        nn.utils.clip_grad_norm_(self.modules["hubert"].parameters(), 5.0)
        step_all(self)
        correct = (logits.argmax(-1) == batch["labels"]).float()
        return {
            "masked": masked.item(),
            "unmasked": seen.item(),
            "masked_accuracy": correct[mask].mean().item(),
            "unmasked_accuracy": correct[~mask].mean().item(),
        }


def aligned_crops(
    waveforms: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    rng: np.random.Generator,
    batch: int,
    samples: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops (B, T) that start on a HuBERT frame, and the labels (B, L) of their frames."""
    lengths = np.array([len(waveform) for waveform in waveforms], dtype=np.float64)
    frames = n_frames(samples)
    chosen = rng.choice(len(waveforms), size=batch, p=lengths / lengths.sum())
    starts = [int(rng.integers(0, len(labels[i]) - frames + 1)) for i in chosen]
    audio = [waveforms[i][s * FRAME_HOP : s * FRAME_HOP + samples] for i, s in zip(chosen, starts, strict=True)]
    targets = [labels[i][s : s + frames] for i, s in zip(chosen, starts, strict=True)]
    return torch.from_numpy(np.stack(audio)), torch.from_numpy(np.stack(targets))
