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
from emotrace.released.checkpoints import CHECKPOINTS, SOURCES, VOCODERS
from emotrace.released.loaders import (
    ecapa_config,
    ecapa_voxceleb,
    hubert_base,
    ssl_sas_generator,
    ssl_sas_soft_predictor,
    style_encoder,
)
from emotrace.representation import STREAMS
from emotrace.representation.hubert import HEAD_KEY
from emotrace.representation.spec import IRSpec
from emotrace.weights import CONFIG, WEIGHTS, CheckpointError, ModelFolder

Converted = tuple[Mapping[str, Tensor], dict[str, Any]]  # weights and configuration of a model


def convert_all(
    models: Path, checkpoints: Path | None = None, *, vocoders: Mapping[str, Path] | None = None
) -> list[str]:
    """Convert every model of SOURCES that is not in ``models`` yet, and ``vocoders``: files by the names of their IRs.

    Returns the names of those converted. Raises MissingCheckpointError for the first released file that is not there.
    """
    files = {model: CHECKPOINTS.find(source).path(checkpoints) for model, source in SOURCES.items()}
    files |= {f"unified-{ir}": path for ir, path in (vocoders or {}).items()}
    missing = [model for model in files if model not in ModelFolder(models).names()]
    for model in missing:
        convert(model, files[model], models)
    return missing


def convert(model: str, path: Path, models: Path) -> None:
    """Read the released file ``path`` and write it as ``model``, a key of SOURCES or VOCODERS, into ``models``.

    A vocoder is a file in the format of SSL-SAS's generator. Raises CheckpointError for a file that cannot be read or
    is of another model, ModelError where a vocoder comes before the front-ends of its IR, ValueError for an unknown
    name.
    """
    if model in VOCODERS:
        tensors, config = _vocoder(path, VOCODERS[model], ModelFolder(models))
    elif model in _FRONT_ENDS:
        tensors, config = _FRONT_ENDS[model](path)
    else:
        raise ValueError(f"no model {model!r} to convert; there are: {', '.join((*_FRONT_ENDS, *VOCODERS))}")
    card = {"model": model, "converted_from": path.name}
    if model in SOURCES:
        source = CHECKPOINTS.find(SOURCES[model])
        card |= {"page": source.page, "licence": source.licence}
    with atomic_file(models / model / WEIGHTS) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
    for name, content in ((CONFIG, config), ("card.json", card)):
        write_text_atomic(models / model / name, json.dumps(content, indent=1) + "\n")


def channels(ir: IRSpec, models: ModelFolder) -> int:
    """D of an IR with these front-ends; the paper's: 200 + 1 + 192 = 393 for ECAPA-T12-soft. Raises ModelError."""
    return sum(STREAMS.find(stream.name).load(models, stream.layer).dimension for stream in ir.streams)


def _hubert(path: Path) -> Converted:
    model = hubert_base(path).model
    return model.state_dict(), model.config.to_dict()


def _soft(path: Path) -> Converted:
    hubert, head = ssl_sas_soft_predictor(path)
    return {**hubert.model.state_dict(), HEAD_KEY: head.W.detach()}, hubert.model.config.to_dict()


def _ecapa(path: Path) -> Converted:
    state = ecapa_voxceleb(path).model.state_dict()
    return state, ecapa_config(state, path)


def _gst(path: Path) -> Converted:
    encoder = style_encoder(path)
    return encoder.state_dict(), {"tokens": len(encoder.gst.stl.gst_embs)}


def _vocoder(path: Path, ir: IRSpec, models: ModelFolder) -> Converted:
    generator = ssl_sas_generator(path)
    if (given := generator.config.in_channels) != (expected := channels(ir, models)):
        raise CheckpointError(f"{path}: a generator of {given} channels, the IR {ir.name} has {expected}")
    return generator.state_dict(), asdict(generator.config)


_FRONT_ENDS: dict[str, Callable[[Path], Converted]] = {"hubert": _hubert, "soft": _soft, "ecapa": _ecapa, "gst": _gst}
