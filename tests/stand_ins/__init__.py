"""Stand-ins for the released checkpoints: random weights in exactly their formats, keys and folders.

Full size for the dry run, shrunk (`small=True`) for unit tests wherever the format lets widths vary; the style encoder
has one size only. Every tensor is random, norms and biases too, so that no two of a shape can be mistaken for another.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import torch

from emotrace.representation.gst import GstEncoder
from emotrace.vocoder.generator import HifiGan, HifiGanConfig
from stand_ins.common import FULL, SMALL, Sizes, randomised, save
from stand_ins.hubert import (
    LABELS,
    fairseq_state,
    hubert_model,
    write_hubert_base,
    write_hubert_fairseq,
    write_hubert_soft,
)
from stand_ins.speechbrain_folders import ecapa, write_asr, write_asv, write_ser

UNITS = 200


def write_all(folder: Path, *, seed: int = 0, small: bool = False) -> dict[str, Path]:
    """Write every checkpoint where the registry expects it below `folder`; returns what each loader takes, by name.

    Full size takes some 6 GB. The archives themselves are not written, only what they unpack to.
    """
    sizes = SMALL if small else FULL
    torch.manual_seed(seed)
    written = write_ssl_sas(folder / "ssl_sas", sizes)
    written["hubert_base"] = write_hubert_base(folder / "hubert_base", sizes)
    written["hubert_base_fairseq"] = write_hubert_fairseq(folder / "hubert_base_fairseq/hubert_base_ls960.pt", sizes)
    written["hubert_soft"] = write_hubert_soft(folder / "hubert_soft/hubert-soft-0d54a1f4.pt", sizes)
    written["ecapa_voxceleb"] = save(folder / "ecapa_voxceleb/embedding_model.ckpt", ecapa(sizes.ecapa, sizes))
    style = {"style_emb_func": dict(randomised(GstEncoder()).state_dict())}
    written["style_encoder"] = save(folder / "sttts/tts/Embedding/embedding_function.pt", style)
    written["vpc_asv_orig"] = write_asv(folder / "vpc_asv_orig", sizes)
    written["vpc_asr"] = write_asr(folder / "vpc_asr", sizes)
    written["asr_wav2vec2_librispeech"] = _linked(folder / "vpc_asr/asr", folder / "asr_wav2vec2_librispeech")
    written["vpc_ser"] = write_ser(folder / "vpc_ser", sizes)
    return written


def write_generator(path: Path, channels: int, sizes: Sizes) -> Path:
    """A generator for an IR of these channels, in the format of SSL-SAS's g_00100000, without its front ends."""
    generator = randomised(HifiGan(HifiGanConfig(channels, sizes.generator)))
    return save(path, {"generator": dict(generator.state_dict())})


def write_ssl_sas(home: Path, sizes: Sizes) -> dict[str, Path]:
    """What SSL-SAS's archive unpacks to. The generator's file repeats its frozen front ends, as theirs does."""
    top = home / "pretrained_models_anon_xv"
    soft = {"W": torch.randn(UNITS, sizes.hidden)}
    soft |= {f"ssl_model.{key}": value for key, value in fairseq_state(hubert_model(sizes)).items()}
    soft["ssl_model.label_embs_concat"] = torch.randn(LABELS, 256)
    speaker = ecapa(sizes.ecapa_small, sizes)
    generator = dict(randomised(HifiGan(HifiGanConfig(UNITS + 1 + 192, sizes.generator))).state_dict())
    generator |= {f"latent_encoder.{key}": value for key, value in soft.items()}
    generator |= {f"xv_model.{key}": value for key, value in speaker.items()}
    generator["fbank.compute_deltas.kernel"] = torch.randn(80, 1, 5)
    model = top / "HiFi-GAN" / "libri_tts_clean_100_fbank_xv_ssl_freeze"
    written = {
        "ssl_sas_generator": save(model / "g_00100000", {"generator": generator}),
        "ssl_sas_soft_predictor": save(top / "HuBERT_soft" / "soft_model.pt", soft),
        "ssl_sas_ecapa": save(top / "ECAPA-TDNN" / "embedding_model.ckpt", speaker),
    }
    config = {"model_in_dim": UNITS + 193, "resblock": "1", "upsample_rates": [5, 4, 2, 2, 2]}
    (model / "config.json").write_text(json.dumps(config))
    return written


def _linked(source: Path, target: Path) -> Path:
    """A folder with the same files, hard links where the disk has them."""
    shutil.copytree(source, target, copy_function=_link, dirs_exist_ok=True)
    return target


def _link(source: str, target: str) -> None:
    Path(target).unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)
