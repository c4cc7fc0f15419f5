"""HuBERT, small, and the soft predictor that is fine-tuned from it: the labels of frames are predicted.

Sources: Hsu et al., "HuBERT" (IEEE/ACM TASLP 2021), sections II and III; van Niekerk et al., "A comparison of discrete
and soft speech units" (ICASSP 2022). Two deviations from the former, both for the short budget and both on the model
card: the loss also counts unmasked frames (their alpha, here 0.5), and an iteration starts from the weights of the one
before.

Labels are clusters of features, or phones: pocketsphinx's forced alignment of the transcripts. A small HuBERT learns
far less of phones from clusters alone than the big ones do; its last iteration learns from these.

Axes: B batch, T samples at 16 kHz, L frames (50/s), C channels, K labels.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pocketsphinx
import torch
import torch.nn.functional as F
import torchaudio
from accelerate import Accelerator
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor, nn
from transformers import HubertConfig, HubertModel
from transformers.models.hubert.modeling_hubert import _compute_mask_indices

from emotrace.corpus.audio import to_pcm16
from emotrace.representation.hubert import HEAD_KEY, Hubert, load_hubert
from emotrace.representation.mel_hubert import LogMelFrames, MelHubertModel, log_mel, mel_config
from emotrace.representation.soft import SoftHead
from emotrace.training.data import TrainingSet, draw_by_length, repeat_to
from emotrace.training.loop import Recipe, TrainingRecord, from_main, warm_up_then_decay
from emotrace.training.run import TrainingRun

FRAME_HOP, FRAME_WINDOW = 320, 400
ALIGNER_RATE = 100  # frames per second
UNITS = 100
UNIT_LAYER = 6
TEMPERATURE = 0.1
UNMASKED_WEIGHT = 0.5
CROP = 120 * FRAME_HOP + FRAME_WINDOW - FRAME_HOP  # samples: about 2.4 s, 120 frames without a rest
SHORTEST = 3 * 16_000  # samples: longer than any crop


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


@dataclass(frozen=True)
class LabelledSpeech:
    """Waveforms (T,), the labels (L,) of the frames of each, and how many labels there are."""

    waveforms: Sequence[np.ndarray]
    labels: Sequence[np.ndarray]
    count: int


def n_frames(samples: int) -> int:
    """HuBERT's frames for a waveform of ``samples`` samples: windows of 25 ms every 20 ms that fit entirely."""
    return (samples - FRAME_WINDOW) // FRAME_HOP + 1


def aligned_crops(speech: LabelledSpeech, rng: np.random.Generator, batch: int, samples: int) -> tuple[Tensor, Tensor]:
    """Crops (B, T) that start on a HuBERT frame, and the labels (B, L) of their frames."""
    frames, audio, labels = n_frames(samples), [], []
    chosen = draw_by_length(rng, list(map(len, speech.waveforms)), batch)
    for i in chosen:
        start = int(rng.integers(0, len(speech.labels[i]) - frames + 1))
        audio.append(speech.waveforms[i][start * FRAME_HOP : start * FRAME_HOP + samples])
        labels.append(speech.labels[i][start : start + frames])
    return torch.from_numpy(np.stack(audio)), torch.from_numpy(np.stack(labels))


def labelled_by_cluster(waveforms: Sequence[np.ndarray], features: Iterable[np.ndarray], seed: int) -> LabelledSpeech:
    """Waveforms with clusters (100) of their ``features`` (L, C), which the main process computes for all."""
    return LabelledSpeech(waveforms, from_main(lambda: cluster(list(features), UNITS, seed)), UNITS)


def mfcc_features(waveform: np.ndarray) -> np.ndarray:
    """MFCC with first and second differences (L, 39) at HuBERT's own frames, from a waveform (T,)."""
    spectrum = {"n_fft": FRAME_WINDOW, "hop_length": FRAME_HOP, "n_mels": 40, "center": False}
    mfcc = torchaudio.transforms.MFCC(16_000, 13, melkwargs=spectrum)(torch.from_numpy(waveform))
    first = torchaudio.functional.compute_deltas(mfcc)
    second = torchaudio.functional.compute_deltas(first)
    return torch.cat([mfcc, first, second]).T.numpy()


def unit_features(hubert: Hubert, waveforms: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """T6 (L, C) of waveforms (T,) by a HuBERT, in evaluation mode."""
    return (hubert.layer(torch.from_numpy(waveform), UNIT_LAYER).numpy() for waveform in waveforms)


def cluster(features: Sequence[np.ndarray], clusters: int, seed: int) -> tuple[np.ndarray, ...]:
    """k-means over all frames of all utterances (L, C), standardised: labels (L,) of each."""
    frames = np.concatenate(features)
    mean, std = frames.mean(0), frames.std(0) + 1e-6
    kmeans = MiniBatchKMeans(clusters, random_state=seed, batch_size=8192, n_init=3, max_iter=50)
    kmeans.fit((frames - mean) / std)
    return tuple(kmeans.predict((feature - mean) / std).astype(np.int64) for feature in features)


def labelled_by_phone(data: TrainingSet, samples: int) -> LabelledSpeech:
    """Waveforms of at least ``samples`` samples and the phones of their frames.

    Left out are utterances without transcript, with a word that the dictionary lacks, or that the aligner loses.
    Shorter ones are repeated. Raises ValueError when nothing is left.
    """
    aligner = pocketsphinx.Decoder(loglevel="FATAL", lm=None)
    pairs = zip(data.utterances, data.waveforms, strict=True)
    aligned = [(waveform, align(aligner, waveform, utterance.text)) for utterance, waveform in pairs if utterance.text]
    aligned = [(waveform, phones) for waveform, phones in aligned if phones]
    if not aligned:
        raise ValueError(f"none of {len(data.utterances)} utterances could be aligned with its transcript")
    ids = {name: number for number, name in enumerate(sorted({phone for _, phones in aligned for phone in phones}))}
    waveforms, labels = [repeat_to(waveform, samples) for waveform, _ in aligned], []
    for (once, phones), waveform in zip(aligned, waveforms, strict=True):
        centres = (np.arange(n_frames(len(waveform))) * FRAME_HOP + FRAME_WINDOW // 2) % len(once)
        frames = np.minimum(centres * ALIGNER_RATE // 16_000, len(phones) - 1)
        labels.append(np.array([ids[phones[frame]] for frame in frames], dtype=np.int64))
    return LabelledSpeech(waveforms, labels, len(ids))


def align(aligner: pocketsphinx.Decoder, waveform: np.ndarray, text: str) -> list[str]:
    """The phone of every 10 ms of a waveform (T,) at 16 kHz; empty where alignment fails."""
    samples = to_pcm16(waveform)
    aligner.reinit_feat()
    try:
        aligner.set_align_text(text.lower())
        _decode(aligner, samples)
        aligner.set_alignment()  # the second pass finds the phones in the words
        _decode(aligner, samples)
    except RuntimeError:
        return []
    return [phone.name for word in aligner.get_alignment() for phone in word for _ in range(phone.duration)]


def _decode(aligner: pocketsphinx.Decoder, samples: bytes) -> None:
    aligner.start_utt()
    aligner.process_raw(samples, full_utt=True)
    aligner.end_utt()


class FramePrediction(Recipe):
    """Crops of 2.4 s with the labels of their frames, which subclasses predict."""

    def __init__(self, speech: LabelledSpeech, batch_size: int, **modules: nn.Module):
        super().__init__(**modules)
        self.speech, self.batch_size = speech, batch_size

    def batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Crops "waveform" (B, T) and their "labels" (B, L)."""
        waveform, labels = aligned_crops(self.speech, rng, self.batch_size, CROP)
        return {"waveform": waveform, "labels": labels}


class MaskedPrediction(FramePrediction):
    """Predict the label of each frame by cosine similarity to learned codes, masked frames counting most."""

    def __init__(
        self,
        model: HubertModel,
        speech: LabelledSpeech,
        *,
        steps: int,
        batch_size: int = 8,
        warm_up: int = 100,
        seed: int = 0,
    ):
        torch.manual_seed(seed)
        self.codes = nn.Parameter(torch.randn(speech.count, model.config.hidden_size))
        super().__init__(speech, batch_size, hubert=model, head=nn.ParameterDict({"codes": self.codes}))
        self.use_adamw("adamw", self.modules, warm_up_then_decay(warm_up, steps), 1e-3, (0.9, 0.98))

    def batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Crops "waveform" (B, T), "labels" (B, L), and "mask" (B, L), true where a frame is masked."""
        crops, config = super().batch(rng), self.modules["hubert"].config
        # transformers draws masks from numpy's global generator
        np.random.seed(int(rng.integers(2**31)))
        mask = _compute_mask_indices(tuple(crops["labels"].shape), config.mask_time_prob * 5, config.mask_time_length)
        return crops | {"mask": torch.from_numpy(mask)}

    def update(self, batch: dict[str, Tensor], step: int, accelerator: Accelerator) -> dict[str, float]:
        """One step of predicting the labels (B, L) of masked frames of waveforms (B, T); the losses by name."""
        labels, mask = batch["labels"], batch["mask"]
        hidden = self.modules["hubert"](batch["waveform"], mask_time_indices=mask).last_hidden_state
        logits = F.normalize(hidden, dim=-1) @ F.normalize(self.codes, dim=-1).T / TEMPERATURE
        masked = F.cross_entropy(logits[mask], labels[mask])
        unmasked = F.cross_entropy(logits[~mask], labels[~mask])
        self.descend(masked + UNMASKED_WEIGHT * unmasked, accelerator, clipped="hubert", norm=5.0)
        correct = (logits.argmax(-1) == labels).float()
        return {
            "masked": masked.item(),
            "unmasked": unmasked.item(),
            "masked_accuracy": correct[mask].mean().item(),
            "unmasked_accuracy": correct[~mask].mean().item(),
        }


class SoftPrediction(FramePrediction):
    """Cross-entropy of soft units against the k-means units of the pretrained model, in the form of SSL-SAS.

    There (github.com/nii-yamagishilab/SSL-SAS) features are normalised along time, rows of W by themselves. That form's
    logits shrink with the length of the utterance; the loss undoes it with the square root of the length and a learned
    scale, which inference does not need because the IR is layer-normalised.
    """

    def __init__(self, hubert: Hubert, head: SoftHead, speech: LabelledSpeech, *, steps: int, batch_size: int = 8):
        scale = nn.ParameterDict({"log": nn.Parameter(torch.tensor(1.0))})
        super().__init__(speech, batch_size, hubert=hubert, head=head, scale=scale)
        self.use_adamw("adamw", self.modules, warm_up_then_decay(50, steps), 5e-4)

    def update(self, batch: dict[str, Tensor], step: int, accelerator: Accelerator) -> dict[str, float]:
        """One step of predicting the labels (B, L) of all frames of waveforms (B, T); the losses by name."""
        features = self.modules["hubert"](batch["waveform"])[-1]
        units = self.modules["head"](features)
        logits = units * features.shape[1] ** 0.5 * self.modules["scale"]["log"].exp()
        loss = F.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())
        self.descend(loss, accelerator, clipped="hubert", norm=5.0)
        accuracy = (logits.argmax(-1) == batch["labels"]).float().mean()
        return {"cross_entropy": loss.item(), "accuracy": accuracy.item()}


def train_hubert(run: TrainingRun) -> None:
    """HuBERT-mini: masked prediction of MFCC clusters, then of clusters of its own T6, then of aligned phones."""
    waveforms, steps, seed = run.augmented_set.at_least(SHORTEST).waveforms, run.steps, run.seed
    torch.manual_seed(seed)
    model = MelHubertModel(mini_config())
    standardise_bands(model.feature_extractor, map(torch.from_numpy, waveforms))

    def iteration(name: str, speech: LabelledSpeech, steps: int) -> TrainingRecord:
        recipe = MaskedPrediction(model, speech, steps=steps, seed=seed)
        return run.fit(name, recipe, steps, precision="bf16")

    speech = labelled_by_cluster(waveforms, map(mfcc_features, waveforms), seed)
    records = {"1: MFCC": iteration("hubert-1", speech, steps.hubert)}
    before = f"after-{steps.hubert}"  # the checkpoint is of an iteration that began with these weights
    speech = labelled_by_cluster(waveforms, unit_features(Hubert(model).eval(), waveforms), seed)
    records["2: T6"] = iteration(f"hubert-2-{before}", speech, steps.hubert_clusters)
    before = f"{before}-{steps.hubert_clusters}"
    speech = from_main(lambda: labelled_by_phone(run.augmented_set, SHORTEST))
    records["3: phones"] = iteration(f"hubert-3-{before}", speech, steps.hubert_phones)
    purpose = f"linguistic features T1 to T12, 50 frames/s, {model.config.hidden_size} channels, from log-mel frames"
    notes = (
        "The loss also counts unmasked frames (weight 0.5); each iteration starts from the weights of the one before; "
        f"iteration 3 learns from pocketsphinx's forced phone alignment of {len(speech.waveforms)} utterances."
    )
    run.save("hubert", model.state_dict(), model.config.to_dict(), purpose, records, notes=notes)


def standardise_bands(front_end: LogMelFrames, waveforms: Iterable[Tensor]) -> None:
    """Set mean and deviation of the front-end's bands from training waveforms, (T,) each."""
    mel = torch.cat([log_mel(waveform[None])[0] for waveform in waveforms])
    front_end.mean.copy_(mel.mean(0))
    front_end.std.copy_(mel.std(0))


def train_soft(run: TrainingRun) -> None:
    """The soft predictor: a copy of HuBERT-mini and W, fine-tuned to the k-means units of T6."""
    waveforms, pretrained = run.augmented_set.at_least(SHORTEST).waveforms, load_hubert(run.models, "hubert", "cpu")
    speech = labelled_by_cluster(waveforms, unit_features(pretrained, waveforms), run.seed)
    hubert = copy.deepcopy(pretrained)
    torch.manual_seed(run.seed)
    head = SoftHead(hubert.channels, UNITS)
    recipe = SoftPrediction(hubert, head, speech, steps=run.steps.soft)
    record = run.fit("soft", recipe, run.steps.soft, needs=("hubert",), precision="bf16")
    tensors, config = {**hubert.model.state_dict(), HEAD_KEY: head.W}, hubert.model.config.to_dict()
    notes = "All of HuBERT-mini is fine-tuned together with W."
    run.save("soft", tensors, config, "soft units (100) of T12, in SSL-SAS's form", {"soft": record}, notes=notes)
