"""What turns IRs back into speech: the style encoder, learned with a decoder, acoustic models, unified vocoders."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from emotrace.corpus.datadir import Utterance
from emotrace.models import CODEBOOKS, Models
from emotrace.representation.features import Features, FeatureStore, FrontEnds
from emotrace.representation.gst import GstEncoder
from emotrace.representation.ir import BASELINES, IRSpec
from emotrace.representation.mel import gst_log_mel
from emotrace.training.acoustic import AcousticTraining
from emotrace.training.crop_features import CropFeatures, crop_front_ends
from emotrace.training.crops import SEGMENT, CropSource, UtteranceFeatures
from emotrace.training.data import TrainingSet
from emotrace.training.gst import StyleTraining
from emotrace.training.loop import TrainingRecord
from emotrace.training.processes import state
from emotrace.training.unified import UnifiedConfig
from emotrace.training.vocoder import VocoderTraining
from emotrace.training.workshop import Workshop
from emotrace.vocoder.hifigan import HifiGan, HifiGanConfig
from emotrace.vocoder.istft import IstftConfig, IstftGenerator
from emotrace.vocoder.universal import official_mel

GST = {"tokens": 10, "heads": 4, "dims": 128}
LAYERS = (1, 3, 6, 12)
FRONT_ENDS = ("hubert", "soft", "ecapa")
LOG_MEL = IRSpec(linguistic="log-mel", layer=0, f0=False)
SOFT = IRSpec(layer=12, post="soft")
IRS = {
    spec.name: spec
    for spec in (
        LOG_MEL,
        IRSpec(layer=1),
        IRSpec(layer=6),
        IRSpec(layer=6, speaker="ecapa"),
        IRSpec(layer=12, post="soft", speaker="ecapa"),
        IRSpec(layer=12, post="soft", speaker="gst"),
        IRSpec(layer=12),
        IRSpec(layer=12, post="soft"),
        IRSpec(layer=1, speaker="ecapa"),
        IRSpec(layer=12, speaker="ecapa"),
        IRSpec(layer=3),
        IRSpec(layer=3, speaker="ecapa"),
        *BASELINES.values(),
    )
}


class _NoStyle:
    """Stands where the style encoder will be until it is trained; its features are never read."""

    def embed(self, waveform: Tensor, *, seed: int) -> Tensor:
        return torch.zeros(GST["dims"])


@dataclass(frozen=True)
class Extraction:
    """Features of every training utterance, cached on disk without the style embedding."""

    models: Models
    root: Path

    def features(self, utterance: Utterance) -> Features:
        return self._store.get(utterance)

    def each(self, data: TrainingSet) -> Iterator[Features]:
        """The features of every utterance, one after the other."""
        self._share_work(data)
        bar = {"desc": "features", "unit": "file", "mininterval": 5, "disable": not state().is_main_process}
        return map(self.features, tqdm(data.utterances, **bar))

    def irs(self, data: TrainingSet, spec: IRSpec) -> list[Tensor]:
        """The IR (D, L) of every utterance; the style embedding is that of the trained encoder."""
        codebook = self.models.codebook(spec.post)
        found = zip(self.each(data), self._speakers(data, spec), strict=True)
        return [features.ir(spec, speaker=speaker, codebook=codebook) for features, speaker in found]

    def f0_channel(self, data: TrainingSet, spec: IRSpec) -> int | None:
        """Which channel of these IRs is F0 in Hz."""
        return self.features(data.utterances[0]).f0_channel(spec, codebook=self.models.codebook(spec.post))

    def _speakers(self, data: TrainingSet, spec: IRSpec) -> Iterator[Tensor | None]:
        """What stands for the speaker of every utterance and is not among the cached features."""
        if spec.speaker == "gst":
            return (self.models.gst.embed(torch.from_numpy(waveform), seed=0) for waveform in data.waveforms)
        if spec.speaker == "one-hot":
            return (self.models.targets.one_hot(utterance.speaker) for utterance in data.utterances)
        return (None for _ in data.utterances)

    def _share_work(self, data: TrainingSet) -> None:
        """Of several processes each extracts its part; then all read what lies on the disk."""
        here = state()
        if here.num_processes > 1:
            for utterance in data.utterances[here.process_index :: here.num_processes]:
                self.features(utterance)
            here.wait_for_everyone()

    @property
    def _store(self) -> FeatureStore:
        models = self.models
        key = "-".join(models.sha256(name)[:12] for name in FRONT_ENDS)
        ends = FrontEnds(models.hubert, models.soft_hubert, models.soft_head, models.ecapa, _NoStyle(), layers=LAYERS)
        return FeatureStore(self.root, key, ends)


def needs(spec: IRSpec) -> tuple[str, ...]:
    """The models that an IR is made with."""
    if spec.linguistic == "log-mel":
        return ()
    speaker = {"gst": "gst", "one-hot": "targets"}.get(spec.speaker)
    return tuple(filter(None, (*FRONT_ENDS, speaker, CODEBOOKS.get(spec.post))))


def _mels(data: TrainingSet) -> list[Tensor]:
    return [official_mel(torch.from_numpy(waveform)) for waveform in data.waveforms]


def train_gst(workshop: Workshop) -> None:
    """The style encoder, in a generative task: with soft units and F0, the style must suffice to draw the log-mel."""
    extraction = Extraction(workshop.models, workshop.work / "features")
    data = workshop.augmented_set
    irs, mels = extraction.irs(data, SOFT), _mels(data)
    styles = [gst_log_mel(torch.from_numpy(waveform)[None])[0] for waveform in data.waveforms]
    torch.manual_seed(workshop.seed)
    encoder = GstEncoder(**GST)
    options = {"f0_channel": extraction.f0_channel(data, SOFT), "seed": workshop.seed}
    recipe = StyleTraining(encoder, irs, mels, styles, steps=workshop.budget.gst, **options)
    record = workshop.fit("gst", recipe, workshop.budget.gst, needs=FRONT_ENDS)
    workshop.ship(
        "gst",
        encoder.state_dict(),
        GST,
        purpose="style embedding, 128 dimensions, generative (soft units + F0 + style -> log-mel)",
        records={"gst": record},
        notes="The decoder that learned beside it is dropped.",
    )


def train_acoustic(workshop: Workshop, name: str, seed: int | None = None) -> None:
    """The acoustic model of one IR, all by the same recipe and budget; ``seed`` makes another one, "...-seed<n>"."""
    model_name = f"acoustic-{name}"
    if seed is not None:
        workshop, model_name = replace(workshop, seed=seed), f"{model_name}-seed{seed}"
    extraction, spec = Extraction(workshop.models, workshop.work / "features"), IRS[name]
    irs, mels = extraction.irs(workshop.augmented_set, spec), _mels(workshop.augmented_set)
    f0_channel = extraction.f0_channel(workshop.augmented_set, spec)
    recipe = AcousticTraining(irs, mels, steps=workshop.budget.acoustic, seed=workshop.seed, f0_channel=f0_channel)
    record = workshop.fit(model_name, recipe, workshop.budget.acoustic, needs=needs(spec))
    model = recipe.modules["acoustic"]
    workshop.ship(
        model_name,
        model.state_dict(),
        vars(model.config),
        purpose=f"IR {name} ({irs[0].shape[0]} channels, 100 frames/s) -> log-mel of the universal HiFi-GAN",
        records={"acoustic": record},
    )


def train_unified(workshop: Workshop, name: str) -> None:
    """The unified vocoder of one IR, e.g. "log-mel", as the budget's `unified` says: small, or the paper's.

    Its snapshots are models of their own: "unified-log-mel-step300".
    """
    data, config, spec = workshop.augmented_set.at_least(SEGMENT), workshop.budget.unified, IRS[name]
    features = _features(workshop, config, data, spec)
    torch.manual_seed(workshop.seed)
    generator = _generator(config, features, len(data.waveforms))
    options = {"discriminators": config.discriminators, "batch_size": config.batch_size, "mel_only": config.mel_only}
    recipe = VocoderTraining(generator, data.waveforms, features, **options, seed=workshop.seed)
    ship = partial(_ship_unified, workshop, name, generator)
    kept = {"snapshots": config.snapshots, "snapshot": ship}
    ship(workshop.fit(f"unified-{name}", recipe, config.steps, needs=needs(spec), settings=config, **kept))


def _ship_unified(workshop: Workshop, name: str, generator: IstftGenerator | HifiGan, record: TrainingRecord) -> None:
    """Ship a vocoder as it is after the steps of the record: a snapshot, or, at the last step, the vocoder itself."""
    config = workshop.budget.unified
    workshop.ship(
        f"unified-{name}" if record.steps == config.steps else f"unified-{name}-step{record.steps}",
        generator.state_dict(),
        vars(generator.config),
        purpose=f"IR {name} ({generator.config.in_channels} channels, 100 frames/s) -> waveform, in one network",
        records={"unified": record},
        notes=f"{config.mel_only} steps of mel L1 alone, then {config.gan} with discriminators; batch of "
        f"{config.batch_size}; features of the whole {config.features}.",
    )


def _features(workshop: Workshop, config: UnifiedConfig, data: TrainingSet, spec: IRSpec) -> CropSource:
    if config.features == "crop":
        return CropFeatures(data.waveforms, crop_front_ends(workshop.models, spec), spec)
    return UtteranceFeatures(Extraction(workshop.models, workshop.work / "features").irs(data, spec))


def _generator(config: UnifiedConfig, features: CropSource, utterances: int) -> IstftGenerator | HifiGan:
    """Untrained; the iSTFT generator is normalised to the IRs of the training data (in the mode "crop", to crops)."""
    if config.generator == "hifigan":
        return HifiGan(HifiGanConfig(len(features(0, 0)), initial_channels=config.channels))
    irs = features.irs if isinstance(features, UtteranceFeatures) else [features(i, 0) for i in range(utterances)]
    generator = IstftGenerator(IstftConfig(in_channels=irs[0].shape[0], dim=config.channels))
    generator.fit_normalisation(irs)
    return generator
