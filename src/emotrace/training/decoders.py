"""What turns IRs back into speech: the style encoder, learned with a decoder, and one acoustic model per IR."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emotrace.corpus.datadir import Utterance
from emotrace.models import Models
from emotrace.representation.features import Features, FeatureStore, FrontEnds
from emotrace.representation.gst import GstEncoder
from emotrace.representation.ir import IRSpec
from emotrace.representation.mel import gst_log_mel
from emotrace.training import export
from emotrace.training.acoustic import AcousticTraining
from emotrace.training.gst import StyleTraining
from emotrace.training.workshop import Workshop
from emotrace.vocoder.official import official_mel

GST = {"tokens": 10, "heads": 4, "dims": 128}
LAYERS = (1, 3, 6, 12)
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

    def styled(self, utterance: Utterance, waveform: np.ndarray) -> Features:
        """Features with the style embedding of the trained encoder."""
        return replace(self.features(utterance), gst=self.models.gst.embed(torch.from_numpy(waveform), seed=0))

    @property
    def _store(self) -> FeatureStore:
        models = self.models
        key = "-".join(models.sha256(name)[:12] for name in ("hubert", "soft", "ecapa"))
        ends = FrontEnds(models.hubert, models.soft_hubert, models.soft_head, models.ecapa, _NoStyle(), layers=LAYERS)
        return FeatureStore(self.root, key, ends)


def _irs_and_mels(
    workshop: Workshop, ir: Callable[[Utterance, np.ndarray], Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    data = workshop.training_set
    irs = [ir(*pair) for pair in zip(data.utterances, data.waveforms, strict=True)]
    return irs, [official_mel(torch.from_numpy(waveform)) for waveform in data.waveforms]


def train_gst(workshop: Workshop) -> None:
    """The style encoder, in a generative task: with soft units and F0, the style must suffice to draw the log-mel."""
    extraction = Extraction(workshop.models, workshop.work / "features")
    irs, mels = _irs_and_mels(workshop, lambda utterance, _: extraction.features(utterance).ir(SOFT))
    styles = [gst_log_mel(torch.from_numpy(waveform)[None])[0] for waveform in workshop.training_set.waveforms]
    torch.manual_seed(workshop.seed)
    encoder = GstEncoder(**GST)
    recipe = StyleTraining(encoder, irs, mels, styles, steps=workshop.budget.gst, seed=workshop.seed)
    record = workshop.fit("gst", recipe, workshop.budget.gst)
    folder = workshop.out / "gst"
    export.write_model(folder, encoder.state_dict(), GST)
    export.write_card(
        folder,
        purpose="style embedding, 128 dimensions, generative (soft units + F0 + style -> log-mel)",
        data=workshop.describe(),
        records={"gst": record},
        notes="The decoder that learned beside it is dropped.",
        seed=workshop.seed,
    )


def train_acoustic(workshop: Workshop, name: str) -> None:
    """The acoustic model of one IR, all by the same recipe and budget."""
    extraction, spec = Extraction(workshop.models, workshop.work / "features"), IRS[name]
    features = extraction.styled if spec.speaker == "gst" else lambda utterance, _: extraction.features(utterance)
    irs, mels = _irs_and_mels(workshop, lambda utterance, waveform: features(utterance, waveform).ir(spec))
    recipe = AcousticTraining(irs, mels, steps=workshop.budget.acoustic, seed=workshop.seed)
    record = workshop.fit(f"acoustic-{name}", recipe, workshop.budget.acoustic)
    model, folder = recipe.modules["acoustic"], workshop.out / f"acoustic-{name}"
    export.write_model(folder, model.state_dict(), vars(model.config))
    export.write_card(
        folder,
        purpose=f"IR {name} ({irs[0].shape[0]} channels, 100 frames/s) -> log-mel of the universal HiFi-GAN",
        data=workshop.describe(),
        records={"acoustic": record},
        seed=workshop.seed,
    )
