"""What is measured on audio: words, speaker, emotion, naturalness, acoustics. T samples at 16 kHz."""

from emotrace.registry import Registry

ASR = Registry(
    "speech recogniser",
    {
        "pocketsphinx": "emotrace.evaluation.asr:PocketSphinx",
        "whisper-tiny.en": "emotrace.released.whisper:WhisperTinyEn",
        "whisper-base": "emotrace.released.whisper:WhisperBase",
        "vpc": "emotrace.released.vpc:VpcAsr",
    },
)
ASV = Registry("speaker encoder", {"ge2e": "emotrace.evaluation.asv:Ge2e", "vpc": "emotrace.released.vpc:VpcAsv"})
SER = Registry(
    "emotion recogniser",
    {
        "functionals": "emotrace.evaluation.ser:FunctionalsSvm",
        "ge2e": "emotrace.evaluation.ser:Ge2eSvm",
        "egemaps": "emotrace.evaluation.ser:EgemapsSvm",
        "egemaps-as-recorded": "emotrace.evaluation.ser:EgemapsAsRecordedSvm",
        "whisper": "emotrace.released.whisper:WhisperLogistic",
        "vpc": "emotrace.released.vpc:VpcSer",
    },
)
NATURALNESS = Registry("predictor of naturalness", {"distillmos": "emotrace.evaluation.naturalness:DistilMos"})
"""Recognisers by name; "vpc" are VoicePrivacy 2024's. Another one is a class, a line here and a line in a profile."""
SEEDS = (0, 1, 2)
"""Of the emotion recognisers that are trained here, see `ser.bootstrap_sample`."""
ACOUSTICS = (
    *("centroid_hz", "kurtosis", "kurtosis_power", "kurtosis_amplitude"),
    *("loudness_lufs", "loudness_peak_matched_lufs", "f0_mean_hz", "f0_range_st"),
    *("loudness_speech_lufs", "loudness_speech_peak_matched_lufs"),
)
"""The acoustic features that the study takes, among `acoustics.ACOUSTIC_FEATURES`."""
