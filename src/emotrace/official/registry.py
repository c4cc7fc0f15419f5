"""The released checkpoints of the paper profile: what each is, where it is published, and under which licence.

Every URL and checksum was read in a public page or script (named in `page` or in the comment above the entry) on
2026-11-22; nothing could be downloaded, so the insides of the archives are known only from the scripts that use them.
A checksum that its publisher does not state is None: `download` records it at the first sight of the file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from emotrace.vocoder.checkpoint import CheckpointError

VARIABLE = "EMOTRACE_CHECKPOINTS"
DEFAULT = Path(__file__).resolve().parents[3] / "work" / "checkpoints"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


class MissingCheckpointError(CheckpointError):
    """A checkpoint that is not there; the message says where it comes from and where it belongs."""


@dataclass(frozen=True)
class Download:
    """One published file.

    Attributes:
        file: its name, on the server and here.
        url: where it is.
        sha256: the published hexadecimal digest or its leading digits; None where none is published.
        megabytes: size in 1e6 bytes, rounded as the page gives it; None where no page does.
    """

    file: str
    url: str
    sha256: str | None = None
    megabytes: float | None = None

    @property
    def is_archive(self) -> bool:
        return self.file.endswith(ARCHIVES)


@dataclass(frozen=True)
class Checkpoint:
    """A model as it was released.

    Attributes:
        name: key in `CHECKPOINTS`.
        purpose: what the study uses it for.
        page: where its publisher describes it.
        licence: what the user accepts by downloading it.
        downloads: its files; an archive is the only one of its entry and may be shared by several entries.
        folder: where it lies below the checkpoint folder: its plain files, or what its archive unpacks to.
        member: where in `folder` the file lies, a glob; None when the loader takes the folder itself.
        automatic: whether it is downloaded without asking; otherwise the licence has to be accepted first.
        redistributable: whether the licence allows passing the file on.
    """

    name: str
    purpose: str
    page: str
    licence: str
    downloads: tuple[Download, ...]
    folder: str
    member: str | None = None
    automatic: bool = True
    redistributable: bool = True

    @property
    def archive(self) -> Download | None:
        """Its archive, or None for plain files."""
        return self.downloads[0] if self.downloads[0].is_archive else None

    def path(self, folder: Path | None = None) -> Path:
        """What the loader takes: a file, or a folder of several. Raises MissingCheckpointError when it is not there.

        Of several matches the last by name counts, as in the originals (g_00100000 before g_00090000).
        """
        root = checkpoint_folder(folder)
        home = root / self.folder
        matches = sorted(home.glob(self.member)) if self.member else [home]
        if not matches or not self._whole(matches[-1]):
            raise MissingCheckpointError(self.instructions(root))
        return matches[-1]

    def _whole(self, path: Path) -> bool:
        """Whether a file is there, or all plain files of a folder, or anything in the folder of an unpacked archive."""
        if self.member or self.archive:
            return path.is_file() or (path.is_dir() and any(path.iterdir()))
        return all((path / download.file).is_file() for download in self.downloads)

    def instructions(self, folder: Path | None = None, *, reason: str = "it is not there") -> str:
        """The one message for a checkpoint that cannot be used: what, where from, what to accept, where to put it."""
        root = checkpoint_folder(folder)
        if self.archive:
            urls, place = self.archive.url, f"{root / self.archive.file} (or unpack it into {root / self.folder})"
        else:
            urls = ", ".join(download.url for download in self.downloads)
            place = ", ".join(str(root / self.folder / download.file) for download in self.downloads)
        return (
            f"checkpoint '{self.name}' ({self.purpose}): {reason}. "
            f"Get it from {urls} (see {self.page}); by that you accept its licence: {self.licence}. "
            f"Put it at {place}; {VARIABLE} names another checkpoint folder."
        )


def checkpoint_folder(folder: Path | None = None) -> Path:
    """The folder given, else $EMOTRACE_CHECKPOINTS, else work/checkpoints of the repository."""
    return Path(folder or os.environ.get(VARIABLE) or DEFAULT)


_HUGGING_FACE = "https://huggingface.co"
_VPC = "https://github.com/Voice-Privacy-Challenge/Voice-Privacy-Challenge-2024"
_VPC_LICENCE = "that of VoicePrivacy 2024's repository (GPL-3.0); the models have no statement of their own"
_SSL_SAS_ARCHIVE = "https://zenodo.org/record/6529898/files/pretrained_models_anon_xv.tar.gz"
_SSL_SAS_LICENCE = "CC BY-NC 4.0 (SSL-SAS's repository as a whole): non-commercial use only"


def _ssl_sas(name: str, purpose: str, member: str) -> Checkpoint:
    """URL: SSL-SAS's scripts/engl_scripts/01_demo.sh; paths: configs/libri_tts_clean_100_fbank_xv_ssl_freeze.json."""
    return Checkpoint(
        name=name,
        purpose=purpose,
        page="https://github.com/nii-yamagishilab/SSL-SAS",
        licence=_SSL_SAS_LICENCE,
        downloads=(Download("pretrained_models_anon_xv.tar.gz", _SSL_SAS_ARCHIVE),),
        folder="ssl_sas",
        member=member,
        automatic=False,
        redistributable=False,
    )


def _vpc(name: str, purpose: str) -> Checkpoint:
    """URLs: VoicePrivacy 2024's 01_download_data_model.sh, for model in asv_orig ser asr."""
    return Checkpoint(
        name=f"vpc_{name}",
        purpose=purpose,
        page=_VPC,
        licence=_VPC_LICENCE,
        downloads=(Download(f"{name}.zip", f"{_VPC}/releases/download/pre_model.zip/{name}.zip"),),
        folder=f"vpc_{name}",
        automatic=False,
        redistributable=False,
    )


# Commit and digests: the pages of the files in the repository's tree ("Git LFS Details").
_HUBERT = f"{_HUGGING_FACE}/facebook/hubert-base-ls960/resolve/ca9b5559d9bae24c142e045c9b0e1db3f3878dbc"
_ECAPA = f"{_HUGGING_FACE}/speechbrain/spkrec-ecapa-voxceleb/resolve/eac27266f68caa806381260bd44ace38b136c76a"
_ASR = f"{_HUGGING_FACE}/speechbrain/asr-wav2vec2-librispeech/resolve/a9fdfb4dd1c60dfb034cd4f9f18293e3444f997f"

_ENTRIES = (
    _ssl_sas(
        "ssl_sas_generator",
        "SSL-SAS's HiFi-GAN for T12-soft + F0 + ECAPA, g_00100000",
        "**/libri_tts_clean_100_fbank_xv_ssl_freeze/g_*",
    ),
    _ssl_sas("ssl_sas_soft_predictor", "SSL-SAS's soft units: fine-tuned HuBERT and W", "**/HuBERT_soft/soft_model.pt"),
    # models_test.py builds it with 512 channels: another network than speechbrain's 1024-channel one
    _ssl_sas("ssl_sas_ecapa", "SSL-SAS's own ECAPA-TDNN", "**/ECAPA-TDNN/embedding_model.ckpt"),
    Checkpoint(
        name="hubert_base",
        purpose="HuBERT-base: T1, T6 and T12, in transformers' format",
        page=f"{_HUGGING_FACE}/facebook/hubert-base-ls960",
        licence="Apache-2.0",
        downloads=(
            Download(
                "pytorch_model.bin",
                f"{_HUBERT}/pytorch_model.bin",
                "062249fffb353eab67547a2fbc129f7c31a2f459faf641b19e8fb007cc5c48ad",
                378,
            ),
            Download("config.json", f"{_HUBERT}/config.json"),
        ),
        folder="hubert_base",
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
    # The name carries the first eight digits of the digest, by torch.hub's convention.
    Checkpoint(
        name="hubert_soft",
        purpose="soft-vc's HuBERT-soft: the other form of soft units",
        page="https://github.com/bshall/hubert",
        licence="MIT",
        downloads=(
            Download(
                "hubert-soft-0d54a1f4.pt",
                "https://github.com/bshall/hubert/releases/download/v0.1/hubert-soft-0d54a1f4.pt",
                "0d54a1f4",
                378,
            ),
        ),
        folder="hubert_soft",
        member="hubert-soft-0d54a1f4.pt",
    ),
    Checkpoint(
        name="ecapa_voxceleb",
        purpose="speechbrain's ECAPA-TDNN of VoxCeleb, 1024 channels",
        page=f"{_HUGGING_FACE}/speechbrain/spkrec-ecapa-voxceleb",
        licence="Apache-2.0",
        downloads=(
            Download(
                "embedding_model.ckpt",
                f"{_ECAPA}/embedding_model.ckpt",
                "0575cb64845e6b9a10db9bcb74d5ac32b326b8dc90352671d345e2ee3d0126a2",
                83.316686,
            ),
        ),
        folder="ecapa_voxceleb",
        member="embedding_model.ckpt",
    ),
    # URL: VoicePrivacy 2024's anonymization/pipelines/sttts/install.sh. Path: its configs/anon_sttts.yaml.
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
        automatic=False,
        redistributable=False,
    ),
    _vpc("asv_orig", "VoicePrivacy 2024's speaker verification, an ECAPA-TDNN trained on LibriSpeech train-clean-360"),
    _vpc("asr", "VoicePrivacy 2024's speech recognition, speechbrain's wav2vec2 + CTC of LibriSpeech"),
    _vpc("ser", "VoicePrivacy 2024's emotion recognition, one wav2vec2 classifier for each of five folds of IEMOCAP"),
    # The challenge first fetched its recogniser from here (01_download_data_model.sh of 2024-02, revision a9fdfb4).
    Checkpoint(
        name="asr_wav2vec2_librispeech",
        purpose="speechbrain's wav2vec2 + CTC of LibriSpeech: where vpc_asr comes from",
        page=f"{_HUGGING_FACE}/speechbrain/asr-wav2vec2-librispeech",
        licence="Apache-2.0",
        downloads=(
            Download(
                "wav2vec2.ckpt",
                f"{_ASR}/wav2vec2.ckpt",
                "c4c9a695eee6c61eb6c0452d693db18e682642042525a88ca80430673a90abc8",
                1260,
            ),
            Download(
                "asr.ckpt",
                f"{_ASR}/asr.ckpt",
                "d859bb4fa9e63d6645c8f4693437cf09896133a95f036d53d48d1a61ea443d7e",
                8.526821,
            ),
            Download(
                "tokenizer.ckpt",
                f"{_ASR}/tokenizer.ckpt",
                "28129425176b22cdc33e21f8b2edfdffc74b41ff441e54ec6daa8d5d739ab320",
                0.000426,
            ),
            Download("hyperparams.yaml", f"{_ASR}/hyperparams.yaml"),
            Download("config.json", f"{_ASR}/config.json"),
            Download("preprocessor_config.json", f"{_ASR}/preprocessor_config.json"),
        ),
        folder="asr_wav2vec2_librispeech",
    ),
)
CHECKPOINTS: dict[str, Checkpoint] = {entry.name: entry for entry in _ENTRIES}


def find(name: str) -> Checkpoint:
    """The entry of that name. Raises KeyError naming the ones there are."""
    if name not in CHECKPOINTS:
        raise KeyError(f"no checkpoint '{name}' in the registry; there are {', '.join(CHECKPOINTS)}")
    return CHECKPOINTS[name]
