"""The released checkpoints of the paper profile: what each is, where it is published, and under which licence.

Every URL and checksum was read in a public page or script (named in `page` or in the comment above the entry) on
2026-11-22; nothing could be downloaded, so the insides of the archives are known only from the scripts that use them.
A checksum that its publisher does not state is None: `download` records it at the first sight of the file.
"""

from __future__ import annotations

from emotrace.released.checkpoint import Checkpoint, Download

_HUGGING_FACE = "https://huggingface.co"
_VPC = "https://github.com/Voice-Privacy-Challenge/Voice-Privacy-Challenge-2024"
_VPC_LICENCE = "that of VoicePrivacy 2024's repository (GPL-3.0-or-later); the models have no statement of their own"
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
        licence="MIT (setup.py of the repository)",
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
    # VoicePrivacy 2024's README names it as its recogniser; its download script fetched it from here at first, revision
    # a9fdfb4, which is before the later change of its hyperparams.yaml.
    Checkpoint(
        name="asr_wav2vec2_librispeech",
        purpose="speechbrain's wav2vec2 + CTC of LibriSpeech: the model in vpc_asr",
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
