"""A complete folder of models, tiny and untrained: enough to drive every row from end to end in seconds."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import HubertConfig, HubertModel

from emotrace.models import HEAD_KEY
from emotrace.representation.ecapa import Ecapa
from emotrace.representation.gst import GstEncoder
from emotrace.study.rows import BASELINE_ROWS, Route, select_rows
from emotrace.training.export import write_json
from emotrace.vocoder.acoustic import AcousticConfig, AcousticModel
from emotrace.vocoder.checkpoint import CONFIG, WEIGHTS, save_model
from emotrace.vocoder.istft import IstftConfig, IstftGenerator

WIDTH, UNITS = 16, 8
HUBERT = HubertConfig(
    hidden_size=WIDTH,
    num_hidden_layers=12,
    num_attention_heads=2,
    intermediate_size=WIDTH,
    conv_dim=(8,) * 7,
    num_conv_pos_embeddings=16,
    num_conv_pos_embedding_groups=2,
)
ECAPA = {"channels": [8, 8, 8, 8, 24], "dims": 192, "attention": 8}
GST = {"tokens": 10, "heads": 4, "dims": 128}
POOL = 25  # speakers a gender
TARGETS = [f"{gender}{number}" for number in range(8) for gender in "fm"]


def make_models(folder: Path, *, layers: tuple[int, ...] = (6, 3)) -> Path:
    """Write every model that the study's rows need at the given layers."""
    torch.manual_seed(0)
    _write(folder / "hubert", HubertModel(HUBERT).state_dict(), HUBERT.to_dict())
    head = {HEAD_KEY: torch.randn(UNITS, WIDTH)}
    _write(folder / "soft", HubertModel(HUBERT).state_dict() | head, HUBERT.to_dict())
    _write(folder / "ecapa", Ecapa(**ECAPA).model.state_dict(), ECAPA)
    _write(folder / "gst", GstEncoder(**GST).state_dict(), GST)
    speakers = [f"{gender}{number}" for gender in "fm" for number in range(POOL)]
    pool = {"speakers": speakers, "genders": [name[0] for name in speakers]}
    _write(folder / "pool", {"embeddings": torch.randn(2 * POOL, 192)}, pool)
    for name in ("units", "vq"):
        _write(folder / name, {"codes": torch.randn(UNITS, WIDTH)}, {"penalty": 1.0} if name == "units" else {})
    _write(
        folder / "styles",
        {"mean": torch.cat([torch.randn(128), torch.tensor([5.0])]), "root": 0.1 * torch.randn(129, 129)},
        {},
    )
    targets = {"speakers": TARGETS * 2, "genders": [name[0] for name in TARGETS * 2]}
    _write(folder / "targets", {"prompts": torch.randn(2 * len(TARGETS), 160)}, targets)
    rows = {row for layer in layers for row in select_rows(layer=layer) if row.ir is not None}
    for row in rows | set(BASELINE_ROWS):
        _write_vocoder(folder, row)
    return folder


def _write_vocoder(folder: Path, row) -> None:
    speaker = {"none": 0, "ecapa": 192, "gst": 128, "prompt": 160, "one-hot": len(TARGETS)}[row.ir.speaker]
    linguistic = UNITS if row.ir.post == "soft" else WIDTH
    channels = 80 if row.ir.linguistic == "log-mel" else linguistic + row.ir.f0 + row.ir.segments + speaker
    if row.route is Route.UNIFIED:
        save_model(IstftGenerator(IstftConfig(channels, dim=8, blocks=2)), folder / f"unified-{row.ir.name}")
    else:
        save_model(AcousticModel(AcousticConfig(channels, dim=8, blocks=2)), folder / f"acoustic-{row.ir.name}")


def _write(folder: Path, tensors: dict[str, torch.Tensor], config: dict) -> None:
    folder.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS)
    write_json(folder / CONFIG, config)
