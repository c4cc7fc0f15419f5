"""One utterance through one row: recording -> features -> IR -> waveform. T samples at 16 kHz, E embedding.

Tasks are pure functions of the recording, the models, the row and the selection, so the order of utterances and the
number of workers leave no trace; the models are loaded once per process.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotrace.anonymizer.draws import Level, generator
from emotrace.anonymizer.selec_anon import Numbers, PseudoSpeakers
from emotrace.corpus.audio import load_audio, peak_normalise, save_audio
from emotrace.corpus.datadir import DataDir, Utterance
from emotrace.models import CODEBOOKS, Models, load_models
from emotrace.representation.features import Features, FeatureStore
from emotrace.representation.ir import log_mel_ir
from emotrace.study.effects import EFFECTS
from emotrace.study.profiles import Selection
from emotrace.study.rows import Route, Row
from emotrace.study.workers import Task
from emotrace.vocoder.official import TwoStage, copy_synthesis, load_universal, normalise_peak

FRONT_END_MODELS = ("hubert", "soft", "ecapa", "gst")
REPLACEMENTS = {"ecapa": "pool", "gst": "styles", "prompt": "targets", "one-hot": "targets"}
"""Which model an anonymised row takes its speaker from, by what stands for the speaker in its IR."""
SHIPPED_LAYERS = (1, 3, 6, 12)


@dataclass(frozen=True)
class Studio:
    """Where a corpus is rendered from: its features, and the models.

    Attributes:
        features: folder of the feature files.
        key: subfolder that stands for the models, the code and the corpus.
        models: folder of the models.
        layers: HuBERT layers that are extracted.
        device: where the networks run.
    """

    features: Path
    key: str
    models: Path
    layers: tuple[int, ...] = SHIPPED_LAYERS
    device: str = "cpu"

    def store(self) -> FeatureStore:
        """The features on disk; the models are loaded when the first utterance is not there yet."""
        return FeatureStore(self.features, self.key, self._extract)

    def _extract(self, waveform: np.ndarray) -> Features:
        return _front_ends(self.models, self.layers, self.device)(waveform)


def used_models(row: Row) -> tuple[str, ...]:
    """Names of the models in ``data/models`` that a row's audio depends on; the features need all front-ends."""
    if row.ir is None:
        return ()
    used = {"hubert": needs_features(row) and row.ir.post != "soft", "soft": row.ir.post == "soft"}
    # selec-anon starts from the speaker's own embedding, and a sampled style does not
    used |= {"ecapa": row.ir.speaker == "ecapa", "gst": row.ir.speaker == "gst" and not row.anonymise}
    further = [CODEBOOKS[row.ir.post]] if row.ir.post in CODEBOOKS else []
    further += [REPLACEMENTS[row.ir.speaker]] if row.anonymise else []
    return (*(name for name, needed in used.items() if needed), *further, row.vocoder)


def needs_features(row: Row) -> bool:
    """Whether a row starts from the shared features; the log-mel and the official control start from the waveform."""
    return row.ir is not None and row.ir.linguistic != "log-mel"


def feature_tasks(corpus: str, utterances: Iterable[Utterance], studio: Studio) -> list[Task]:
    """One task per utterance; the features serve every row."""
    return [
        Task(f"features of {corpus}, {u.id}", studio.store().path(u.id), extract_features, (u, studio))
        for u in utterances
    ]


def synthesis_tasks(
    row: Row, data: DataDir, utterances: Iterable[Utterance], folder: Path, studio: Studio, selection: Selection
) -> list[Task]:
    """One task per utterance of ``data`` that is wanted: <folder>/<utterance>.flac."""
    own: dict[str, tuple[Utterance, ...]] = {}
    if _by_selec_anon(row) and selection.level == "speaker":
        own = {speaker: tuple(u for u in data if u.speaker == speaker) for speaker in data.speakers}
    return [
        Task(
            f"{row.name}, {utterance.id}",
            folder / f"{utterance.id}.flac",
            synthesise,
            (row, utterance, studio, selection, own.get(utterance.speaker, (utterance,))),
        )
        for utterance in utterances
    ]


def effect_tasks(row: Row, data: DataDir, audio: Mapping[str, Path], folder: Path) -> list[Task]:
    """One task per file of ``audio`` (by utterance id), the row's without its effect: <folder>/<utterance>.flac."""
    return [
        Task(f"{row.name}, {name}", folder / f"{name}.flac", apply_effect, (row.effect, data[name], path))
        for name, path in audio.items()
    ]


def apply_effect(output: Path, effect: str, _: Utterance, audio: Path) -> None:
    """Change a finished audio file of an utterance and write it, 16 kHz.

    The utterance is not read: a task carries it for `plan`, which estimates the time by it. Raises KeyError for an
    unknown effect, and what the effect raises.
    """
    save_audio(output, EFFECTS[effect](load_audio(audio)))


def extract_features(_: Path, utterance: Utterance, studio: Studio) -> None:
    """Compute and store the features of an utterance."""
    studio.store().get(utterance)


def synthesise(
    output: Path, row: Row, utterance: Utterance, studio: Studio, selection: Selection, own: tuple[Utterance, ...]
) -> None:
    """Render an utterance as ``row`` does and write it, 16 kHz, peak 0.95.

    ``own`` are the utterances whose mean embedding is the source of selec-anon: the utterance itself, or at level
    "speaker" all of its speaker's.

    Raises:
        ValueError: audio, features or pool that cannot be used; the message says which.
        FileNotFoundError: a model that is not there.
    """
    waveform = torch.from_numpy(peak_normalise(load_audio(utterance.path)))
    with torch.inference_mode():
        audio = _render(row, waveform, utterance, studio, selection, own)
    save_audio(output, audio.numpy())


def _render(
    row: Row, waveform: Tensor, utterance: Utterance, studio: Studio, selection: Selection, own: tuple[Utterance, ...]
) -> Tensor:
    if row.ir is None:
        return copy_synthesis(waveform, _universal())
    if not needs_features(row):
        return _vocode(row, log_mel_ir(waveform), len(waveform), studio)
    features = studio.store().get(utterance)
    voice = _replacement(row, features, utterance, studio, selection, own) if row.anonymise else {}
    ir = features.ir(row.ir, codebook=_codebook(studio.models, row.ir.post), **voice)
    return _vocode(row, ir, len(waveform), studio)


def _vocode(row: Row, ir: Tensor, n_samples: int, studio: Studio) -> Tensor:
    """IR (D, L) -> waveform (n_samples,)."""
    if row.route is Route.TWO_STAGE:
        return TwoStage(_acoustic(studio.models, row.vocoder), _universal())(ir, n_samples)
    vocoder = _unified(studio.models, row.vocoder, studio.device)
    audio = vocoder(ir[None].to(studio.device))[0, 0, :n_samples].cpu()
    return normalise_peak(torch.nn.functional.pad(audio, (0, n_samples - len(audio))))


def _replacement(
    row: Row,
    features: Features,
    utterance: Utterance,
    studio: Studio,
    selection: Selection,
    own: tuple[Utterance, ...],
) -> dict[str, Any]:
    """What replaces the speaker in the IR of an anonymised utterance, as `Features.ir` takes it."""
    if _by_selec_anon(row):
        return {"speaker": _pseudo_speaker(features, utterance, studio, selection, own)}
    models = _models(studio.models)
    rng = generator(selection.seed, Level(selection.level), utterance.speaker, utterance.id)
    if row.ir.speaker == "gst":
        return models.styles.sample(rng)._asdict()
    if row.ir.speaker == "prompt":
        return {"speaker": models.targets.prompt(rng, utterance.gender, utterance.speaker)}
    return {"speaker": models.targets.one_hot(models.targets.draw(rng, utterance.gender, utterance.speaker))}


def _by_selec_anon(row: Row) -> bool:
    return row.anonymise and row.ir.speaker == "ecapa"


def _pseudo_speaker(
    features: Features, utterance: Utterance, studio: Studio, selection: Selection, own: tuple[Utterance, ...]
) -> Tensor:
    """selec-anon's embedding (E,) for an utterance."""
    source = features.ecapa
    if selection.level == "speaker":
        source = torch.stack([studio.store().get(other).ecapa for other in own]).mean(0)
    speakers = _pseudo_speakers(studio.models, selection)
    return speakers(utterance.speaker, utterance.gender, utterance.id, source).embedding


@lru_cache(maxsize=1)
def _models(folder: Path) -> Models:
    return load_models(folder)


@lru_cache(maxsize=2)
def _front_ends(folder: Path, layers: tuple[int, ...], device: str):
    return _models(folder).front_ends(layers, device)


@lru_cache(maxsize=1)
def _universal():
    return load_universal()


@lru_cache(maxsize=4)
def _codebook(folder: Path, post: str):
    return _models(folder).codebook(post)


@lru_cache(maxsize=8)
def _acoustic(folder: Path, name: str):
    return _models(folder).acoustic(name)


@lru_cache(maxsize=2)
def _unified(folder: Path, name: str, device: str):
    return _models(folder).unified(name).to(device)


@lru_cache(maxsize=4)
def _pseudo_speakers(folder: Path, selection: Selection) -> PseudoSpeakers:
    numbers = Numbers(selection.n_farthest, selection.n_random)
    return PseudoSpeakers(_models(folder).pool, selection.level, selection.seed, numbers)


def selection_configuration(row: Row, selection: Selection) -> dict[str, object] | None:
    """What of the selection matters for a row, as JSON can write it."""
    if not row.anonymise:
        return None
    return asdict(selection) if _by_selec_anon(row) else {"level": selection.level, "seed": selection.seed}
