"""Trained models as they are shipped: compact safetensors, a JSON configuration, and a model card."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from emotrace.training.loop import TrainingRecord
from emotrace.weights import write_weights

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "card.json"
LICENCE = "CC BY-NC-SA 4.0 (trained on RAVDESS, CC BY-NC-SA 4.0, and LibriSpeech, CC BY 4.0)"


@dataclass(frozen=True)
class TrainingData:
    """What a card says of the data: names of the directories, utterances, hours."""

    corpora: tuple[str, ...]
    utterances: int
    hours: float


def write_model(folder: Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Write weights, in the compact form of `weights`, and configuration, each atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder / f"{WEIGHTS}.part", tensors)
    os.replace(folder / f"{WEIGHTS}.part", folder / WEIGHTS)
    write_json(folder / CONFIG, config)


def write_card(
    folder: Path,
    *,
    purpose: str,
    data: TrainingData,
    records: Mapping[str, TrainingRecord],
    notes: str = "",
    seed: int = 0,
) -> None:
    """Write ``card.json``: what the model is, what it learned from, steps, hours, losses, sha256 and licence."""
    card = {
        "model": folder.name,
        "purpose": purpose,
        "data": asdict(data),
        "training": {name: asdict(record) for name, record in records.items()},
        "hours": round(sum(record.seconds for record in records.values()) / 3600, 3),
        "seed": seed,
        "sha256": sha256(folder / WEIGHTS),
        "licence": LICENCE,
        "notes": notes,
    }
    write_json(folder / CARD, card)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write atomically, two spaces of indent."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(temporary, path)
