"""What B3-IR, B4-IR and B5-IR need beside an acoustic model: discrete units of T12, styles, target speakers.

Axes: N frames or utterances, C channels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from emotrace.anonymizer.styles import Styles
from emotrace.anonymizer.targets import Targets
from emotrace.representation.discrete import Codebook, KMeansUnits, VectorQuantiser
from emotrace.representation.ir import HOP
from emotrace.representation.prosody import own_register, segment_ids
from emotrace.training.decoders import Extraction
from emotrace.training.processes import from_main
from emotrace.training.workshop import Workshop

LAYER = 12
FRAMES = 50_000  # about as many, drawn at random, are enough for the codes and keep k-means to minutes
PHONE = 5.0  # frames at 50/s: pocketsphinx's phones and pauses in LibriSpeech are 104 ms long on average
KINDS = {"units": (KMeansUnits, 100), "vq": (VectorQuantiser, 48)}


def train_codebook(workshop: Workshop, name: str) -> None:
    """The codes of T12: "units", k-means as HuBERT's own, or "vq", as few as B5 has, by moving averages."""
    kind, codes = KINDS[name]
    frames = _some_frames(workshop)
    book = from_main(lambda: kind.fit(frames, codes, seed=workshop.seed))
    config = {"kind": kind.__name__, "layer": LAYER}
    if name == "units":
        config["penalty"] = from_main(lambda: switching_penalty(book.codes, _some_utterances(workshop)))
    workshop.ship(
        name,
        {"codes": book.codes},
        config,
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


def _some_utterances(workshop: Workshop, count: int = 40) -> list[Tensor]:
    """T12 (L, C) of utterances that are evenly spread over the training speech."""
    utterances = workshop.augmented_set.utterances
    chosen = utterances[:: -(-len(utterances) // count)]
    return [_extraction(workshop).features(utterance).layers[LAYER] for utterance in chosen]


def switching_penalty(codes: Tensor, layers: Sequence[Tensor], length: float = PHONE) -> float:
    """The penalty at which segments of utterances (L, C) are `length` frames long on average, by bisection.

    Raises ValueError where the utterances are too short for that.
    """

    def mean_length(penalty: float) -> float:
        book = Codebook(codes, penalty)
        return sum(map(len, layers)) / sum(int(segment_ids(book.segmental_ids(layer))[-1]) + 1 for layer in layers)

    low, high = 0.0, float((torch.cat(list(layers)) - codes[0]).square().sum(1).max())
    if mean_length(high) < length:
        raise ValueError(f"no segments of {length} frames in utterances of {max(map(len, layers))} frames or less")
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (low, middle) if mean_length(middle) >= length else (middle, high)
    return high


def fit_styles(workshop: Workshop) -> None:
    """The distribution of the utterances' styles and registers, from which B3-IR's pseudo-speakers are drawn."""
    data, codebook = workshop.augmented_set, workshop.models.codebook("kmeans")
    found = [
        (codebook.segmental_ids(features.layers[LAYER]), features.f0) for features in _extraction(workshop).each(data)
    ]
    registers = torch.tensor([own_register(*units_and_f0) for units_and_f0 in found])
    voiced = registers > 0
    spoken = [waveform for waveform, has_f0 in zip(data.waveforms, voiced, strict=True) if has_f0]
    embeddings = torch.stack([workshop.models.gst.embed(torch.from_numpy(waveform), seed=0) for waveform in spoken])
    styles = Styles.fit(embeddings, registers[voiced])
    workshop.ship(
        "styles",
        {"mean": styles.mean, "root": styles.root},
        {"distribution": "Gaussian"},
        purpose="styles and registers that B3-IR draws from, in place of STTTS's generative network",
        records={},
        notes=f"Fitted to {len(embeddings)} utterances.",
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
