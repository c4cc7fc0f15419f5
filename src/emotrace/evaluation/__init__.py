"""What is measured on audio: words, speaker, emotion, naturalness, acoustics. T samples at 16 kHz."""

from importlib.util import find_spec

from emotrace.registry import Registry


def _with(packages: str, usual: str, light: str) -> str:
    """The usual recogniser where its packages are installed, else the one that runs on numpy and gives the same."""
    return usual if all(find_spec(package) for package in packages.split()) else light


ASR = Registry(
    "speech recogniser",
    {
        "pocketsphinx": "emotrace.evaluation.asr:PocketSphinx",
        "whisper-tiny.en": _with(
            "faster_whisper", "emotrace.released.whisper:WhisperTinyEn", "emotrace.light.words:LightWhisperTinyEn"
        ),
        "whisper-base": _with(
            "faster_whisper", "emotrace.released.whisper:WhisperBase", "emotrace.light.words:LightWhisperBase"
        ),
        "whisper-tiny.en-windows": "emotrace.light.words:LightWhisperTinyEn",
        "whisper-base-windows": "emotrace.light.words:LightWhisperBase",
        "vpc": "emotrace.released.vpc:VpcAsr",
    },
)
ASV = Registry(
    "speaker encoder",
    {
        "ge2e": _with("torch resemblyzer", "emotrace.evaluation.asv:Ge2e", "emotrace.light.ge2e:LightGe2e"),
        "vpc": "emotrace.released.vpc:VpcAsv",
    },
)
SER = Registry(
    "emotion recogniser",
    {
        "functionals": "emotrace.evaluation.ser:FunctionalsSvm",
        "ge2e": "emotrace.evaluation.ser:Ge2eSvm",
        "egemaps": "emotrace.evaluation.ser:EgemapsSvm",
        "egemaps-as-recorded": "emotrace.evaluation.ser:EgemapsAsRecordedSvm",
        "whisper": _with(
            "torch transformers",
            "emotrace.released.whisper:WhisperLogistic",
            "emotrace.light.whisper:LightWhisperLogistic",
        ),
        "vpc": "emotrace.released.vpc:VpcSer",
    },
)
NATURALNESS = Registry(
    "predictor of naturalness",
    {
        "distillmos": _with(
            "torch distillmos",
            "emotrace.evaluation.naturalness:DistilMos",
            "emotrace.light.naturalness:LightDistilMos",
        )
    },
)
"""Recognisers by name; "vpc" are VoicePrivacy 2024's, "windows" take speech of any length. Another one is a class, a
line here and a line in a profile."""
SEEDS = (0, 1, 2)
"""Of the emotion recognisers that are trained here, see `ser.bootstrap_sample`."""
ACOUSTICS = (
    *("centroid_hz", "kurtosis", "kurtosis_power", "kurtosis_amplitude"),
    *("loudness_lufs", "loudness_peak_matched_lufs", "f0_mean_hz", "f0_range_st"),
    *("loudness_speech_lufs", "loudness_speech_peak_matched_lufs"),
)
"""The acoustic features that the study takes, among `acoustics.ACOUSTIC_FEATURES`."""
