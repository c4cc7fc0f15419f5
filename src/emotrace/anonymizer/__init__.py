"""Replacing the speaker: which voice an utterance gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from emotrace.registry import Registry

if TYPE_CHECKING:
    import numpy as np

    from emotrace.anonymizer.draws import Replacement, Selection
    from emotrace.corpus.datadir import Utterance
    from emotrace.representation.features import Features
    from emotrace.weights import ModelFolder

ANONYMIZERS = Registry(
    "anonymizer",
    {
        "selec-anon": "emotrace.anonymizer.selec_anon:SelecAnon",
        "sampled-styles": "emotrace.anonymizer.styles:SampledStyles",
        "target-prompts": "emotrace.anonymizer.targets:TargetPrompts",
        "target-numbers": "emotrace.anonymizer.targets:TargetNumbers",
    },
)
"""Every `Anonymizer` by name. Another one is a class, a line here and a row that names it."""
WAVEFORM_ANONYMIZERS = Registry("waveform anonymizer", {"mcadams": "emotrace.anonymizer.mcadams:McAdams"})
"""Every `WaveformAnonymizer` by name; a row without an IR names one."""


class Anonymizer(Protocol):
    """Says what stands for the speaker in the IR of an anonymised utterance.

    Attributes:
        models: names of the model folders that it is loaded from.
        streams: names of the streams of the source that it reads.
        settings: names of the fields of `Selection` that change what it does.
    """

    models: ClassVar[tuple[str, ...]]
    streams: ClassVar[tuple[str, ...]]
    settings: ClassVar[tuple[str, ...]]

    @classmethod
    def load(cls, models: ModelFolder, selection: Selection) -> Anonymizer:
        """The anonymizer with the weights in ``models``. Raises ModelError where they are not there."""

    def __call__(self, source: Features) -> Replacement:
        """What replaces the speaker of an utterance; depends on the seed, speaker and utterance alone."""


class WaveformAnonymizer(Protocol):
    """Changes the speaker in the waveform itself, without an IR and a vocoder.

    Attributes:
        models: names of the model folders that it is loaded from.
        settings: names of the fields of `Selection` that change what it does.
    """

    models: ClassVar[tuple[str, ...]]
    settings: ClassVar[tuple[str, ...]]

    @classmethod
    def load(cls, models: ModelFolder, selection: Selection) -> WaveformAnonymizer:
        """The anonymizer with the weights in ``models``. Raises ModelError where they are not there."""

    def __call__(self, waveform: np.ndarray, utterance: Utterance) -> np.ndarray:
        """Waveform (T,) -> waveform (T,) at 16 kHz, float32, peak 0.95.

        Of the utterance only the names are read; what is drawn depends on the seed, speaker and utterance alone.
        """
