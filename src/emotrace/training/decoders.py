"""What turns IRs back into speech: the style encoder, learned with a decoder, and one acoustic model per IR."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from emotrace.corpus.datadir import Utterance
from emotrace.models import Models
from emotrace.representation.features import Features, FeatureStore, FrontEnds
from emotrace.representation.gst import GstEncoder
from emotrace.representation.ir import IRSpec
from emotrace.representation.mel import gst_log_mel
from emotrace.training.acoustic import AcousticTraining
from emotrace.training.data import TrainingSet
from emotrace.training.gst import StyleTraining
from emotrace.training.workshop import Workshop
from emotrace.vocoder.official import official_mel

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
        IRSpec(layer=3),
        IRSpec(layer=3, speaker="ecapa"),
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

    def irs(self, data: TrainingSet, spec: IRSpec) -> list[Tensor]:
        """The IR (D, L) of every utterance; the style embedding is that of the trained encoder."""
        pairs = zip(data.utterances, data.waveforms, strict=True)
        if spec.speaker != "gst":
            return [self.features(utterance).ir(spec) for utterance, _ in pairs]
        gst = self.models.gst
        return [
            self.features(utterance).ir(spec, speaker=gst.embed(torch.from_numpy(waveform), seed=0))
            for utterance, waveform in pairs
        ]

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
    return (*FRONT_ENDS, "gst") if spec.speaker == "gst" else FRONT_ENDS


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
    recipe = StyleTraining(encoder, irs, mels, styles, steps=workshop.budget.gst, seed=workshop.seed)
    record = workshop.fit("gst", recipe, workshop.budget.gst, needs=FRONT_ENDS)
    workshop.ship(
        "gst",
        encoder.state_dict(),
        GST,
        purpose="style embedding, 128 dimensions, generative (soft units + F0 + style -> log-mel)",
        records={"gst": record},
        notes="The decoder that learned beside it is dropped.",
    )


def train_acoustic(workshop: Workshop, name: str) -> None:
    """The acoustic model of one IR, all by the same recipe and budget."""
    extraction, spec = Extraction(workshop.models, workshop.work / "features"), IRS[name]
    irs, mels = extraction.irs(workshop.augmented_set, spec), _mels(workshop.augmented_set)
    recipe = AcousticTraining(irs, mels, steps=workshop.budget.acoustic, seed=workshop.seed)
    record = workshop.fit(f"acoustic-{name}", recipe, workshop.budget.acoustic, needs=needs(spec))
    model = recipe.modules["acoustic"]
    workshop.ship(
        f"acoustic-{name}",
        model.state_dict(),
        vars(model.config),
        purpose=f"IR {name} ({irs[0].shape[0]} channels, 100 frames/s) -> log-mel of the universal HiFi-GAN",
        records={"acoustic": record},
    )
