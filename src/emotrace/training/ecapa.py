"""ECAPA-TDNN, small: speakers classified with an additive angular margin; and the pool of its embeddings.

Source: Desplanques et al., "ECAPA-TDNN" (Interspeech 2020). Fifteen speakers are few: copies of each at 0.9 and 1.1
times the speed (and so the pitch and formants) count as speakers of their own, as is customary in the field.
Axes: B batch, T samples at 16 kHz.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from speechbrain.nnet.losses import AdditiveAngularMargin, LogSoftmaxWrapper
from torch import Tensor, nn
from tqdm import tqdm

from emotrace.anonymizer.selec_anon import Pool, SelecAnonError
from emotrace.corpus.audio import load_audio, peak_normalise
from emotrace.corpus.datadir import DataDir
from emotrace.representation.ecapa import Ecapa, load_ecapa
from emotrace.training.data import TrainingSet, change_speed, repeat_to
from emotrace.training.loop import Recipe, warm_up_then_decay
from emotrace.training.run import TrainingRun

SPEEDS = (0.9, 1.0, 1.1)
ECAPA = {"channels": [128, 128, 128, 128, 384], "dims": 192, "attention": 64}
POOL_SPEEDS = (0.85, 0.9, 1.0, 1.1, 1.15)
POOL_PIECE = 10 * 16_000  # samples of speech behind one of the embeddings that are averaged


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
        spoken = [(u, w) for u, w in zip(data.utterances, data.waveforms, strict=True) if u.speaker == speaker]
        speech = np.concatenate([waveform for _, waveform in spoken])
        for speed in speeds:
            names.append(speaker if speed == 1.0 else f"{speaker}-speed{speed:g}")
            genders.append(spoken[0][0].gender)
            waveforms.append(change_speed(speech, speed))
    return SpeakerSet(tuple(names), tuple(genders), tuple(waveforms))


class SpeakerClassification(Recipe):
    """Crops of random speakers, of ``seconds`` each, each speaker as likely as the next; shorter speech is repeated."""

    def __init__(
        self, ecapa: Ecapa, speakers: SpeakerSet, *, steps: int, batch_size: int = 24, seconds: float = 2, seed: int = 0
    ):
        torch.manual_seed(seed)
        self.codes = nn.Parameter(torch.randn(len(speakers.names), ECAPA["dims"]))
        super().__init__(ecapa=ecapa.model, classifier=nn.ParameterDict({"codes": self.codes}))
        self.ecapa, self.batch_size, self.samples = ecapa, batch_size, int(seconds * 16_000)
        self.waveforms = [repeat_to(waveform, self.samples) for waveform in speakers.waveforms]
        self.loss = LogSoftmaxWrapper(AdditiveAngularMargin(margin=0.2, scale=30))
        self.use_adamw("adamw", self.modules, warm_up_then_decay(50, steps), 2e-3)

    def batch(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Crops "waveform" (B, T) and the numbers of their speakers, "speaker" (B,)."""
        chosen, crops = rng.integers(0, len(self.waveforms), self.batch_size), []
        for i in chosen:
            start = int(rng.integers(0, len(self.waveforms[i]) - self.samples + 1))
            crops.append(self.waveforms[i][start : start + self.samples])
        return {"waveform": torch.from_numpy(np.stack(crops)), "speaker": torch.from_numpy(chosen)}

    def update(self, batch: dict[str, Tensor], step: int, accelerator: Accelerator) -> dict[str, float]:
        """One step of classifying speakers (B,) from waveforms (B, T); the losses by name."""
        with torch.no_grad():
            features = self.ecapa.features(batch["waveform"])
        embedding = nn.functional.normalize(self.modules["ecapa"](features).squeeze(1), dim=-1)
        cosine = embedding @ nn.functional.normalize(self.codes, dim=-1).T
        loss = self.loss(cosine[:, None], batch["speaker"][:, None])
        self.descend(loss, accelerator, clipped="ecapa", norm=5.0)
        accuracy = (cosine.argmax(-1) == batch["speaker"]).float().mean()
        return {"aam_softmax": loss.item(), "accuracy": accuracy.item()}


def train_ecapa(run: TrainingRun) -> None:
    """ECAPA-mini: speakers and their speed-perturbed copies."""
    speakers = perturbed_speakers(run.training_set)
    torch.manual_seed(run.seed)
    ecapa = Ecapa(**ECAPA)
    recipe = SpeakerClassification(ecapa, speakers, steps=run.steps.ecapa, seed=run.seed)
    record = run.fit("ecapa", recipe, run.steps.ecapa)
    purpose = f"speaker embedding, 192 dimensions, discriminative ({len(speakers.names)} speakers, copies counted)"
    run.save("ecapa", ecapa.model.state_dict(), ECAPA, purpose, {"ecapa": record}, augmented=False)


def make_pool(run: TrainingRun) -> None:
    """The pool: mean ECAPA embedding of every speaker, and of copies at other speeds where the run has any."""
    ecapa, notes = load_ecapa(run.models), ""
    pieces = _recordings(run)
    if run.copies:
        pieces = _pieces(perturbed_speakers(run.training_set, POOL_SPEEDS))
        notes = f"Copies at speeds {', '.join(map(str, POOL_SPEEDS))} count as speakers of their own."
    pool = pool_of((name, gender, ecapa.embed(torch.from_numpy(piece))) for name, gender, piece in pieces)
    config = {"speakers": list(pool.speakers), "genders": list(pool.genders)}
    purpose = "speakers that selec-anon draws from"
    run.save("pool", {"embeddings": pool.embeddings}, config, purpose, notes=notes, augmented=False)


def _recordings(run: TrainingRun) -> Iterator[tuple[str, str, np.ndarray]]:
    """(speaker, gender, waveform (T,)) of every utterance, read one by one: a pool may be hundreds of hours."""
    for folder in run.data:
        for utterance in tqdm(DataDir.read(folder).utterances, desc="pool", unit="file", mininterval=5):
            yield utterance.speaker, utterance.gender, peak_normalise(load_audio(utterance.path))


def _pieces(speakers: SpeakerSet) -> Iterator[tuple[str, str, np.ndarray]]:
    """(name, gender, waveform (T,)) of successive ten-second pieces of every speaker's speech, the rest left out."""
    for name, gender, waveform in zip(speakers.names, speakers.genders, speakers.waveforms, strict=True):
        for start in range(0, len(waveform) - POOL_PIECE + 1, POOL_PIECE):
            yield name, gender, waveform[start : start + POOL_PIECE]


def pool_of(utterances: Iterable[tuple[str, str, Tensor]]) -> Pool:
    """Average (speaker, gender, embedding (E,)) of utterances per speaker; speakers in order of appearance.

    Raises SelecAnonError for no utterance at all or a speaker of two genders.
    """
    genders: dict[str, str] = {}
    embeddings: dict[str, list[Tensor]] = {}
    for speaker, gender, embedding in utterances:
        if genders.setdefault(speaker, gender) != gender:
            raise SelecAnonError(f"pool speaker {speaker} has two genders")
        embeddings.setdefault(speaker, []).append(embedding)
    if not genders:
        raise SelecAnonError("a pool needs at least one utterance")
    means = torch.stack([torch.stack(own).mean(0) for own in embeddings.values()])
    return Pool(tuple(genders), tuple(genders.values()), means)
