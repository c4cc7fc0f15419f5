"""From released checkpoints to a folder of models that the study runs on: the same weights under the study's names.

After this the paper's profile runs as any other: every row's provenance has the hashes of the models it used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from emotrace.corpus.files import atomic_file, write_text_atomic
from emotrace.models import HEAD_KEY, Models
from emotrace.released.hubert import hubert_base, ssl_sas_soft_predictor
from emotrace.released.registry import CHECKPOINTS, find
from emotrace.released.speaker import ecapa_voxceleb, style_encoder
from emotrace.released.vocoder import ssl_sas_generator
from emotrace.weights import CONFIG, WEIGHTS, CheckpointError

SSL_SAS_IR = "ECAPA-T12-soft"
GST_DIMS = 128
SOURCES = {
    "hubert": "hubert_base",
    "soft": "ssl_sas_soft_predictor",
    "ecapa": "ssl_sas_ecapa",
    "gst": "style_encoder",
    f"unified-{SSL_SAS_IR}": "ssl_sas_generator",
}
"""Which checkpoint each model comes from. The ECAPA-TDNN is SSL-SAS's own: its generator has learned with that one."""


def adopt_all(
    models: Path, checkpoints: Path | None = None, *, vocoders: Mapping[str, Path] | None = None
) -> list[str]:
    """Adopt every model of SOURCES that is not in ``models`` yet, and ``vocoders`` by the names of their IRs.

    Returns the names of those adopted. Raises MissingCheckpointError for the first released file that is not there.
    """
    wanted = {model: find(source).path(checkpoints) for model, source in SOURCES.items()}
    wanted |= {f"unified-{ir}": path for ir, path in (vocoders or {}).items()}
    there = Models(models).names()
    done = [model for model in wanted if model not in there]
    for model in done:
        adopt(model, wanted[model], models)
    return done


EVALUATION = ("vpc_asv_orig", "vpc_asr", "vpc_ser")


def adopt(model: str, path: Path, models: Path) -> None:
    """Read the released file ``path`` and write it as ``model`` (a key of SOURCES, or unified-<IR>) into ``models``.

    Vocoders of other IRs, in the format of SSL-SAS's generator, are adopted as "unified-none-T1" and the like. Raises
    CheckpointError for a file that cannot be read or is of another model, KeyError for an unknown name.
    """
    if model.startswith("unified-"):
        tensors, config = _vocoder(path, model.removeprefix("unified-"), Models(models))
    elif model in _READERS:
        tensors, config = _READERS[model](path)
    else:
        raise KeyError(f"no model '{model}' to adopt; there are {', '.join(_READERS)}, unified-<IR>")
    folder = models / model
    with atomic_file(folder / WEIGHTS) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
    write_text_atomic(folder / CONFIG, json.dumps(config, indent=1) + "\n")
    write_text_atomic(folder / "card.json", json.dumps(_card(model, path), indent=1) + "\n")


def _card(model: str, path: Path) -> dict[str, str]:
    source = CHECKPOINTS.get(SOURCES.get(model, ""))
    card = {"model": model, "adopted_from": path.name}
    return card if source is None else card | {"page": source.page, "licence": source.licence}


def _hubert(path: Path) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    model = hubert_base(path).model
    return model.state_dict(), model.config.to_dict()


def _soft(path: Path) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    hubert, head = ssl_sas_soft_predictor(path)
    return {**hubert.model.state_dict(), HEAD_KEY: head.W.detach()}, hubert.model.config.to_dict()


def _ecapa(path: Path) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    model = ecapa_voxceleb(path).model
    channels = [block.conv.conv.out_channels for block in (model.blocks[0],)]
    channels += [block.tdnn2.conv.conv.out_channels for block in model.blocks[1:]] + [model.mfa.conv.conv.out_channels]
    attention = model.asp.tdnn.conv.conv.out_channels
    return model.state_dict(), {"channels": channels, "dims": model.fc.conv.out_channels, "attention": attention}


def _gst(path: Path) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    encoder = style_encoder(path)
    return encoder.state_dict(), {"tokens": len(encoder.gst.stl.gst_embs), "dims": GST_DIMS}


def _vocoder(path: Path, ir: str, models: Models) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    generator = ssl_sas_generator(path)
    if (expected := channels_of(ir, models)) != generator.config.in_channels:
        raise CheckpointError(
            f"{path}: a generator of {generator.config.in_channels} channels, the IR {ir} has {expected}"
        )
    return generator.state_dict(), asdict(generator.config)


def channels_of(ir: str, models: Models) -> int:
    """Channels of an IR by its name, with these front-ends; the paper's: 393 for "ECAPA-T12-soft" (study section 5).

    Raises KeyError for a name that is none, ModelError for a front-end that has not been adopted yet.
    """
    speaker, _, linguistic = ir.partition("-")
    if speaker not in ("none", "ECAPA", "GST") or not linguistic.startswith("T"):
        raise KeyError(f"no IR '{ir}'; e.g. none-T1, ECAPA-T6, {SSL_SAS_IR}")
    units = models.soft_head.W.shape[0] if linguistic.endswith("-soft") else models.hubert.channels
    embedding = {"none": 0, "ECAPA": models.ecapa.model.fc.conv.out_channels, "GST": GST_DIMS}[speaker]
    return units + 1 + embedding


_READERS: dict[str, Callable[[Path], tuple[Mapping[str, Tensor], dict[str, Any]]]] = {
    "hubert": _hubert,
    "soft": _soft,
    "ecapa": _ecapa,
    "gst": _gst,
}
