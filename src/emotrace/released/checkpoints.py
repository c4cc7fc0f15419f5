"""Released checkpoints: what each is, where it is published, under which licence, and where it belongs on disk.

Every URL and checksum was read in a public page or script (named in `page` or in the comment above the entry) on
2026-11-22; nothing could be downloaded, so the insides of the archives are known only from the scripts that use them.
A checksum that its publisher does not state is None: `download.obtain` records it when it first sees the file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from emotrace.paths import checkpoints
from emotrace.pipeline.rows import PAPER_ROWS
from emotrace.registry import Registry
from emotrace.weights import CheckpointError

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


class MissingCheckpointError(CheckpointError):
    """A checkpoint that is not there; the message says where it comes from and where it belongs."""


@dataclass(frozen=True)
class Download:
    """One published file.

    Attributes:
        file: its name, on the server and here.
        url: where it is.
        sha256: the published digest, hexadecimal; None where none is published.
        megabytes: size in 1e6 bytes, rounded as the page gives it; None where no page does.
    """

    file: str
    url: str
    sha256: str | None = None
    megabytes: float | None = None

    @property
    def is_archive(self) -> bool:
        return self.file.endswith(ARCHIVES)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model as it was released.

    Attributes:
        name: key among `CHECKPOINTS`.
        purpose: what the study uses it for.
        page: where its publisher describes it.
        licence: what the user accepts by downloading it.
        downloads: its files; an archive is the only one of its entry and may be shared by several entries.
        folder: where it lies below the checkpoint folder: its plain files, or what its archive unpacks to.
        member: where in `folder` the file lies, a glob; None when the loader takes the folder itself.
        redistributable: whether the licence allows passing the file on; if not, it is downloaded only for users who
            have accepted the licence.
    """

    name: str
    purpose: str
    page: str
    licence: str
    downloads: tuple[Download, ...]
    folder: str
    member: str | None = None
    redistributable: bool = True

    @property
    def archive(self) -> Download | None:
        """Its archive, or None for plain files."""
        return self.downloads[0] if self.downloads[0].is_archive else None

    @property
    def megabytes(self) -> float:
        """Size of its files; NaN where that of one is not published."""
        return sum(math.nan if file.megabytes is None else file.megabytes for file in self.downloads)

    def path(self, folder: Path | None = None) -> Path:
        """What the loader takes: a file, or a folder of several, below the checkpoint folder.

        Of several matches the last by name counts, as in the originals (g_00100000, not g_00090000). Raises
        MissingCheckpointError when it is not there.
        """
        home = checkpoints(folder) / self.folder
        matches = sorted(home.glob(self.member)) if self.member else [home]
        if not matches or not self._is_complete(matches[-1]):
            raise MissingCheckpointError(self.instructions(folder))
        return matches[-1]

    def _is_complete(self, path: Path) -> bool:
        """Whether a file is there, or all plain files of a folder, or anything in the folder of an unpacked archive."""
        if self.member or self.archive:
            return path.is_file() or (path.is_dir() and any(path.iterdir()))
        return all((path / download.file).is_file() for download in self.downloads)

    def instructions(self, folder: Path | None = None, *, reason: str = "it is not there") -> str:
        """The message for a checkpoint that cannot be used: what, where from, which licence, where to put it."""
        root = checkpoints(folder)
        urls = ", ".join(download.url for download in self.downloads)
        if self.archive:
            place = f"{root / self.archive.file} (or unpack it into {root / self.folder})"
        else:
            place = ", ".join(str(root / self.folder / download.file) for download in self.downloads)
        return (
            f"checkpoint '{self.name}' ({self.purpose}): {reason}. "
            f"Get it from {urls} (see {self.page}); by that you accept its licence: {self.licence}. "
            f"Put it at {place}; EMOTRACE_CHECKPOINTS names another checkpoint folder."
        )


def _ssl_sas(name: str, purpose: str, member: str) -> Checkpoint:
    """URL: SSL-SAS's scripts/engl_scripts/01_demo.sh; paths: configs/libri_tts_clean_100_fbank_xv_ssl_freeze.json."""
    archive = "pretrained_models_anon_xv.tar.gz"
    return Checkpoint(
        name=name,
        purpose=purpose,
        page="https://github.com/nii-yamagishilab/SSL-SAS",
        licence="CC BY-NC 4.0 (SSL-SAS's repository as a whole): non-commercial use only",
        downloads=(Download(archive, f"https://zenodo.org/record/6529898/files/{archive}"),),
        folder="ssl_sas",
        member=member,
        redistributable=False,
    )


def _vpc(name: str, purpose: str) -> Checkpoint:
    """URLs: VoicePrivacy 2024's 01_download_data_model.sh, for model in asv_orig ser asr."""
    page = "https://github.com/Voice-Privacy-Challenge/Voice-Privacy-Challenge-2024"
    return Checkpoint(
        name=f"vpc_{name}",
        purpose=purpose,
        page=page,
        licence="that of VoicePrivacy 2024's repository (GPL-3.0-or-later); the models have no statement of their own",
        downloads=(Download(f"{name}.zip", f"{page}/releases/download/pre_model.zip/{name}.zip"),),
        folder=f"vpc_{name}",
        redistributable=False,
    )


def _hugging_face(
    name: str, purpose: str, at: str, *files: tuple[str | float | None, ...], member: str | None = None
) -> Checkpoint:
    """Files (name, sha256, megabytes) of a repository at a commit; digests: the files' pages ("Git LFS Details")."""
    repository, _, commit = at.partition("@")
    page = f"https://huggingface.co/{repository}"
    return Checkpoint(
        name=name,
        purpose=purpose,
        page=page,
        licence="Apache-2.0",
        downloads=tuple(Download(file, f"{page}/resolve/{commit}/{file}", *known) for file, *known in files),
        folder=name,
        member=member,
    )


_ENTRIES = (
    _ssl_sas(
        "ssl_sas_generator",
        "SSL-SAS's HiFi-GAN for T12-soft + F0 + ECAPA, g_00100000",
        "**/libri_tts_clean_100_fbank_xv_ssl_freeze/g_*",
    ),
    _ssl_sas("ssl_sas_soft_predictor", "SSL-SAS's soft units: fine-tuned HuBERT and W", "**/HuBERT_soft/soft_model.pt"),
    # models_test.py builds it with 512 channels: another network than speechbrain's 1024-channel one
    _ssl_sas("ssl_sas_ecapa", "SSL-SAS's own ECAPA-TDNN", "**/ECAPA-TDNN/embedding_model.ckpt"),
    _hugging_face(
        "hubert_base",
        "HuBERT-base: T1, T6 and T12, in transformers' format",
        "facebook/hubert-base-ls960@ca9b5559d9bae24c142e045c9b0e1db3f3878dbc",
        ("pytorch_model.bin", "062249fffb353eab67547a2fbc129f7c31a2f459faf641b19e8fb007cc5c48ad", 378),
        ("config.json",),
    ),
    # digest: facebookresearch/textlesslib's list of checkpoints, by the same publisher
    Checkpoint(
        name="hubert_base_fairseq",
        purpose="HuBERT-base in fairseq's format, as SSL-SAS reads it",
        page="https://github.com/facebookresearch/fairseq/tree/main/examples/hubert",
        licence="MIT (fairseq, which includes its pretrained models)",
        downloads=(
            Download(
                "hubert_base_ls960.pt",
                "https://dl.fbaipublicfiles.com/hubert/hubert_base_ls960.pt",
                "1703cf8d2cdc76f8c046f5f6a9bcd224e0e6caf4744cad1a1f4199c32cac8c8d",
                1136.468879,
            ),
        ),
        folder="hubert_base_fairseq",
        member="hubert_base_ls960.pt",
    ),
    _hugging_face(
        "ecapa_voxceleb",
        "speechbrain's ECAPA-TDNN of VoxCeleb, 1024 channels",
        "speechbrain/spkrec-ecapa-voxceleb@eac27266f68caa806381260bd44ace38b136c76a",
        ("embedding_model.ckpt", "0575cb64845e6b9a10db9bcb74d5ac32b326b8dc90352671d345e2ee3d0126a2", 83.316686),
        member="embedding_model.ckpt",
    ),
    # URL: VoicePrivacy 2024's anonymization/pipelines/sttts/install.sh; path: its configs/anon_sttts.yaml
    Checkpoint(
        name="style_encoder",
        purpose="STTTS's style embedding (GST), key style_emb_func",
        page="https://github.com/DigitalPhonetics/speaker-anonymization/releases/tag/v2.0",
        licence="not stated with the release; IMS-Toucan, whose model it is, is Apache-2.0",
        downloads=(
            Download(
                "tts.zip", "https://github.com/DigitalPhonetics/speaker-anonymization/releases/download/v2.0/tts.zip"
            ),
        ),
        folder="sttts",
        member="**/Embedding/embedding_function.pt",
        redistributable=False,
    ),
    _vpc("asv_orig", "VoicePrivacy 2024's speaker verification, an ECAPA-TDNN trained on LibriSpeech train-clean-360"),
    _vpc("asr", "VoicePrivacy 2024's speech recognition, speechbrain's wav2vec2 + CTC of LibriSpeech"),
    _vpc("ser", "VoicePrivacy 2024's emotion recognition, one wav2vec2 classifier for each of five folds of IEMOCAP"),
    # VoicePrivacy 2024's README names it as its recogniser; its download script fetched it from here at first, at this
    # commit, which is before the later change of its hyperparams.yaml
    _hugging_face(
        "asr_wav2vec2_librispeech",
        "speechbrain's wav2vec2 + CTC of LibriSpeech: the model in vpc_asr",
        "speechbrain/asr-wav2vec2-librispeech@a9fdfb4dd1c60dfb034cd4f9f18293e3444f997f",
        ("wav2vec2.ckpt", "c4c9a695eee6c61eb6c0452d693db18e682642042525a88ca80430673a90abc8", 1260),
        ("asr.ckpt", "d859bb4fa9e63d6645c8f4693437cf09896133a95f036d53d48d1a61ea443d7e", 8.526821),
        ("tokenizer.ckpt", "28129425176b22cdc33e21f8b2edfdffc74b41ff441e54ec6daa8d5d739ab320", 0.000426),
        ("hyperparams.yaml",),
        ("config.json",),
        ("preprocessor_config.json",),
    ),
)
CHECKPOINTS = Registry("checkpoint", {entry.name: entry for entry in _ENTRIES})
SOURCES = {
    "hubert": "hubert_base",
    "soft": "ssl_sas_soft_predictor",
    "ecapa": "ssl_sas_ecapa",
    "gst": "style_encoder",
    "unified-ECAPA-T12-soft": "ssl_sas_generator",
}
"""Which checkpoint each model of the paper's profile is converted from. The ECAPA-TDNN is SSL-SAS's own: its generator
was trained with that one."""
VOCODERS = {f"unified-{row.ir.name}": row.ir for row in PAPER_ROWS if row.vocoder == "unified"}
"""The vocoders of the paper's profile, and the IR that each takes; all but the one in SOURCES have to be trained."""
RECOGNISERS = ("vpc_asv_orig", "vpc_asr", "vpc_ser")
"""The checkpoints that the paper's profile measures with."""
