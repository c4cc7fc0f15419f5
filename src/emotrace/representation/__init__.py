"""From a waveform to its intermediate representation (IR): linguistic, prosodic and speaker features.

Axes: B batch, T samples, L frames, C channels of a feature, U units, E embedding, D channels of an IR.
"""

from emotrace.registry import Registry

STREAMS = Registry(
    "stream",
    {
        "hubert": "emotrace.representation.hubert:HubertLayer",
        "soft": "emotrace.representation.soft:SoftUnits",
        "whisper": "emotrace.released.whisper_encoder:WhisperLayer",
        "soft-whisper": "emotrace.released.whisper_encoder:WhisperSoft",
        "f0": "emotrace.representation.f0:F0",
        "ecapa": "emotrace.representation.ecapa:EcapaEmbedding",
        "gst": "emotrace.representation.gst:StyleEmbedding",
        "prompt": "emotrace.representation.mel:AcousticPrompt",
        "log-mel": "emotrace.representation.mel:LogMel",
        "universal-mel": "emotrace.representation.mel:UniversalMel",
    },
)
"""Every `Stream` by name. Another representation is a class, a line here and a row that names it."""
