"""The study's small front-ends: HuBERT, its soft predictor, ECAPA-TDNN, and the speaker pool of selec-anon."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm
from transformers import HubertModel

from emotrace.anonymizer.selec_anon import Pool
from emotrace.corpus.audio import load_audio, peak_normalise
from emotrace.corpus.datadir import DataDir
from emotrace.models import HEAD_KEY
from emotrace.representation.ecapa import Ecapa
from emotrace.representation.hubert import Hubert
from emotrace.representation.mel_hubert import MelHubertModel
from emotrace.representation.soft import SoftHead
from emotrace.training.data import TrainingSet
from emotrace.training.ecapa import SpeakerClassification, SpeakerSet, perturbed_speakers
from emotrace.training.hubert import MaskedPrediction, Targets, cluster, mfcc_features, mini_config
from emotrace.training.loop import TrainingRecord
from emotrace.training.phones import phone_targets
from emotrace.training.processes import from_main
from emotrace.training.soft import SoftPrediction
from emotrace.training.workshop import Workshop

UNITS = 100
UNIT_LAYER = 6
CROP = 3 * 16_000  # samples: longer than any crop of the recipes
ECAPA = {"channels": [128, 128, 128, 128, 384], "dims": 192, "attention": 64}
POOL_SPEEDS = (0.85, 0.9, 1.0, 1.1, 1.15)
POOL_PIECE = 10 * 16_000  # samples of speech behind one of the embeddings that are averaged


def train_hubert(workshop: Workshop) -> None:
    """HuBERT-mini: masked prediction of MFCC clusters, then of clusters of its own T6, then of aligned phones."""
    data, budget = workshop.augmented_set.at_least(CROP), workshop.budget
    torch.manual_seed(workshop.seed)
    model = MelHubertModel(mini_config())
    model.feature_extractor.fit_normalisation(map(torch.from_numpy, data.waveforms))
    mfcc = [mfcc_features(waveform) for waveform in data.waveforms]
    targets = from_main(lambda: cluster(mfcc, UNITS, workshop.seed)[0])
    records = {"1: MFCC": _masked_prediction(workshop, "hubert-1", model, data.waveforms, targets, budget.hubert)}
    targets, before = own_units(Hubert.from_model(model), data, workshop.seed), f"after-{budget.hubert}"
    name = f"hubert-2-{before}"
    records["2: T6"] = _masked_prediction(workshop, name, model, data.waveforms, targets, budget.hubert_again)
    waveforms, targets = from_main(lambda: phone_targets(workshop.augmented_set, CROP))
    name = f"hubert-3-{before}-{budget.hubert_again}"
    records["3: phones"] = _masked_prediction(workshop, name, model, waveforms, targets, budget.hubert_phones)
    workshop.ship(
        "hubert",
        model.state_dict(),
        model.config.to_dict(),
        purpose=f"linguistic features T1 to T12, 50 frames/s, {model.config.hidden_size} channels, from log-mel frames",
        records=records,
        notes="The loss also counts unmasked frames (weight 0.5); each iteration starts from the weights of the one "
        f"before; iteration 3 learns from pocketsphinx's forced phone alignment of {len(waveforms)} utterances.",
    )


def own_units(hubert: Hubert, data: TrainingSet, seed: int) -> Targets:
    """k-means units (100) of a HuBERT's own T6."""

    def found() -> Targets:
        features = [hubert.layer(torch.from_numpy(waveform), UNIT_LAYER).numpy() for waveform in data.waveforms]
        return cluster(features, UNITS, seed)[0]

    return from_main(found)


def _masked_prediction(
    workshop: Workshop,
    name: str,
    model: HubertModel,
    waveforms: Sequence[np.ndarray],
    targets: Targets,
    steps: int,
) -> TrainingRecord:
    recipe = MaskedPrediction(model.train(), waveforms, targets, steps=steps, seed=workshop.seed)
    return workshop.fit(name, recipe, steps, precision="bf16")


def train_soft(workshop: Workshop) -> None:
    """The soft predictor: a copy of HuBERT-mini and W, fine-tuned to the k-means units of T6."""
    data = workshop.augmented_set.at_least(CROP)
    targets = own_units(workshop.models.hubert, data, workshop.seed)
    hubert = copy.deepcopy(workshop.models.hubert)
    torch.manual_seed(workshop.seed)
    head = SoftHead(hubert.channels, UNITS)
    recipe = SoftPrediction(hubert, head, data.waveforms, targets, steps=workshop.budget.soft)
    record = workshop.fit("soft", recipe, workshop.budget.soft, needs=("hubert",), precision="bf16")
    tensors = {**hubert.model.state_dict(), HEAD_KEY: head.W}
    workshop.ship(
        "soft",
        tensors,
        hubert.model.config.to_dict(),
        purpose="soft units (100) of T12, in SSL-SAS's form",
        records={"soft": record},
        notes="All of HuBERT-mini is fine-tuned together with W.",
    )


def train_ecapa(workshop: Workshop) -> None:
    """ECAPA-mini: speakers and their speed-perturbed copies."""
    speakers = perturbed_speakers(workshop.training_set)
    torch.manual_seed(workshop.seed)
    ecapa = Ecapa(**ECAPA)
    recipe = SpeakerClassification(ecapa, speakers, steps=workshop.budget.ecapa, seed=workshop.seed)
    record = workshop.fit("ecapa", recipe, workshop.budget.ecapa)
    workshop.ship(
        "ecapa",
        ecapa.model.state_dict(),
        ECAPA,
        purpose=f"speaker embedding, 192 dimensions, discriminative ({len(speakers.names)} speakers, copies counted)",
        records={"ecapa": record},
        augmented=False,
    )


def make_pool(workshop: Workshop) -> None:
    """The pool: mean ECAPA embedding of every speaker, and of copies at other speeds where the workshop has any."""
    pieces = (
        _pieces(perturbed_speakers(workshop.training_set, POOL_SPEEDS)) if workshop.copies else _recordings(workshop)
    )
    pool = Pool.from_utterances((name, gender, workshop.models.ecapa.embed(piece)) for name, gender, piece in pieces)
    config = {"speakers": list(pool.speakers), "genders": list(pool.genders)}
    workshop.ship(
        "pool",
        {"embeddings": pool.embeddings},
        config,
        purpose="speakers that selec-anon draws from",
        records={},
        notes=f"Copies at speeds {', '.join(map(str, POOL_SPEEDS))} count as speakers of their own."
        if workshop.copies
        else "",
        augmented=False,
    )


def _recordings(workshop: Workshop):
    """(speaker, gender, waveform (T,)) of every utterance, read one by one: a pool may be hundreds of hours."""
    for folder in workshop.data:
        for utterance in tqdm(DataDir.read(folder).utterances, desc="pool", unit="file", mininterval=5):
            waveform = peak_normalise(load_audio(utterance.path))
            yield utterance.speaker, utterance.gender, torch.from_numpy(waveform)


def _pieces(speakers: SpeakerSet):
    """(name, gender, waveform (T,)) of successive ten-second pieces of every speaker's speech, the rest left out."""
    for name, gender, waveform in zip(speakers.names, speakers.genders, speakers.waveforms, strict=True):
        for start in range(0, len(waveform) - POOL_PIECE + 1, POOL_PIECE):
            yield name, gender, torch.from_numpy(waveform[start : start + POOL_PIECE])
