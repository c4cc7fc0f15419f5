"""What B3-IR, B4-IR and B5-IR need beside an acoustic model: discrete units of T12, styles, target speakers.

Axes: N frames or utterances, C channels.
"""

import torch
from torch import Tensor

from emotrace.anonymizer.styles import Styles
from emotrace.anonymizer.targets import Targets
from emotrace.representation.discrete import KMeansUnits, VectorQuantiser
from emotrace.representation.ir import HOP
from emotrace.training.decoders import Extraction
from emotrace.training.processes import from_main
from emotrace.training.workshop import Workshop

LAYER = 12
FRAMES = 100_000  # about as many, drawn at random, are enough for the codes and keep k-means to minutes
KINDS = {"units": (KMeansUnits, 100), "vq": (VectorQuantiser, 48)}


def train_codebook(workshop: Workshop, name: str) -> None:
    """The codes of T12: "units", k-means as HuBERT's own, or "vq", as few as B5 has, by moving averages."""
    kind, codes = KINDS[name]
    frames = _some_frames(workshop)
    book = from_main(lambda: kind.fit(frames, codes, seed=workshop.seed))
    workshop.ship(
        name,
        {"codes": book.codes},
        {"kind": kind.__name__, "layer": LAYER},
        purpose=f"discrete units ({codes}) of T{LAYER}",
        records={},
        notes=f"Fitted to {len(frames)} frames drawn at random.",
    )


def _some_frames(workshop: Workshop) -> Tensor:
    """Frames (N, C) of all utterances, each as likely, about `FRAMES` of them."""
    data = workshop.augmented_set
    share = FRAMES / (sum(map(len, data.waveforms)) / (2 * HOP))
    generator = torch.Generator().manual_seed(workshop.seed)
    layers = (features.layers[LAYER] for features in _extraction(workshop).each(data))
    return torch.cat([layer[torch.rand(len(layer), generator=generator) < share] for layer in layers])


def fit_styles(workshop: Workshop) -> None:
    """The distribution of the utterances' style embeddings, from which B3-IR's pseudo-speakers are drawn."""
    waveforms = workshop.augmented_set.waveforms
    embeddings = torch.stack([workshop.models.gst.embed(torch.from_numpy(waveform), seed=0) for waveform in waveforms])
    styles = Styles.fit(embeddings)
    workshop.ship(
        "styles",
        {"mean": styles.mean, "root": styles.root},
        {"distribution": "Gaussian"},
        purpose="style embeddings that B3-IR draws from, in place of STTTS's generative network",
        records={},
        notes=f"Fitted to the embeddings of {len(embeddings)} utterances.",
    )


def make_targets(workshop: Workshop) -> None:
    """Acoustic prompts of all utterances and the numbers of their speakers, which B4-IR and B5-IR draw from."""
    data = workshop.augmented_set
    prompts = torch.stack([features.prompt for features in _extraction(workshop).each(data)])
    people = {"speakers": [u.speaker for u in data.utterances], "genders": [u.gender for u in data.utterances]}
    targets = Targets(tuple(people["speakers"]), tuple(people["genders"]), prompts)
    workshop.ship(
        "targets",
        {"prompts": targets.prompts},
        people,
        purpose=f"speakers that B4-IR and B5-IR draw from ({len(targets.names)})",
        records={},
    )


def _extraction(workshop: Workshop) -> Extraction:
    return Extraction(workshop.models, workshop.work / "features")
