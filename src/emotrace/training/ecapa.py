"""ECAPA-TDNN, small: speakers classified with an additive angular margin.

Source: Desplanques et al., "ECAPA-TDNN" (Interspeech 2020). Fifteen speakers are few: copies of each at 0.9 and 1.1
times the speed (and so the pitch and formants) count as speakers of their own, as is customary in the field.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from speechbrain.nnet.losses import AdditiveAngularMargin, LogSoftmaxWrapper
from torch import Tensor, nn

from emotrace.representation.ecapa import Ecapa
from emotrace.training.data import TrainingSet, change_speed
from emotrace.training.loop import Recipe, step_all, warm_up_then_decay

SPEEDS = (0.9, 1.0, 1.1)
EMBEDDING = 192


@dataclass(frozen=True)
class SpeakerSet:
    """Speakers, real and perturbed, each with gender and one long waveform (T,) of all its speech."""

    names: tuple[str, ...]
    genders: tuple[str, ...]
    waveforms: tuple[np.ndarray, ...]


def perturbed_speakers(data: TrainingSet, speeds: Sequence[float] = SPEEDS) -> SpeakerSet:
    """Every speaker of ``data`` at every speed; speed 1.0 keeps the speaker's name."""
    names, genders, waveforms = [], [], []
    for speaker in sorted({utterance.speaker for utterance in data.utterances}):
        own = [(u, w) for u, w in zip(data.utterances, data.waveforms, strict=True) if u.speaker == speaker]
        speech = np.concatenate([waveform for _, waveform in own])
        for speed in speeds:
            names.append(speaker if speed == 1.0 else f"{speaker}-speed{speed:g}")
            genders.append(own[0][0].gender)
            waveforms.append(change_speed(speech, speed))
    return SpeakerSet(tuple(names), tuple(genders), tuple(waveforms))


class SpeakerClassification(Recipe):
    """Two-second crops of random speakers, each speaker as likely as the next."""

    def __init__(
        self,
        ecapa: Ecapa,
        speakers: SpeakerSet,
        *,
        steps: int,
        batch_size: int = 24,
        seconds: float = 2.0,
        learning_rate: float = 2e-3,
        seed: int = 0,
    ):
        self.ecapa, self.speakers, self.batch_size, self.samples = ecapa, speakers, batch_size, int(seconds * 16_000)
        torch.manual_seed(seed)
        self.codes = nn.Parameter(torch.randn(len(speakers.names), EMBEDDING))
        self.loss = LogSoftmaxWrapper(AdditiveAngularMargin(margin=0.2, scale=30))
        self.modules = {"ecapa": ecapa.model.train(), "classifier": nn.ParameterDict({"codes": self.codes})}
        parameters = [*ecapa.model.parameters(), self.codes]
        self.optimisers = {"adamw": torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01)}
        self.schedulers = {"adamw": warm_up_then_decay(self.optimisers["adamw"], 50, steps)}

    def batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        chosen = rng.integers(0, len(self.speakers.names), self.batch_size)
        crops = [self._crop(self.speakers.waveforms[i], rng) for i in chosen]
        return {"waveform": torch.from_numpy(np.stack(crops)), "speaker": torch.from_numpy(chosen)}

    def _crop(self, waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        start = int(rng.integers(0, len(waveform) - self.samples + 1))
        return waveform[start : start + self.samples]

    def update(self, batch: dict[str, Tensor], step: int, accelerator: Accelerator) -> dict[str, float]:
        """One step of classifying speakers (B,) from waveforms (B, T); the losses by name."""
        with torch.no_grad():
            features = self.ecapa.features(batch["waveform"])
        embedding = nn.functional.normalize(self.modules["ecapa"](features).squeeze(1), dim=-1)
        cosine = embedding @ nn.functional.normalize(self.codes, dim=-1).T
        loss = self.loss(cosine[:, None], batch["speaker"][:, None])
        accelerator.backward(loss)
        nn.utils.clip_grad_norm_(self.modules["ecapa"].parameters(), 5.0)
        step_all(self)
        accuracy = (cosine.argmax(-1) == batch["speaker"]).float().mean()
        return {"aam_softmax": loss.item(), "accuracy": accuracy.item()}
