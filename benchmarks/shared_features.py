"""(a) Seven rows of table II with shared features over seven rows computed one by one.

Alone, each row runs what SSL-SAS runs for it: HuBERT up to the layer it reads (or its own fine-tuned one for the soft
units), YAAPT, its speaker encoder, the float32 generator, and nothing else. Shared, every stream is computed once; it
is written to disk and read again for each row, as the study does. Both sides give the same IRs, which is checked.
Axes: D IR channels, L frames (100/s), T samples at 16 kHz, E embedding.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from measurement import Ratio, Report, Settings, interleaved
from paper_models import ROWS, PaperModels, paper_models, paper_sizes, plain
from torch import Tensor

from emotrace.corpus.audio import load_audio, peak_normalise
from emotrace.corpus.datadir import DataDir, Utterance
from emotrace.paths import ROOT
from emotrace.pipeline.rows import Row
from emotrace.representation.f0 import yaapt_f0
from emotrace.representation.features import FeatureCache, Features
from emotrace.representation.ir import assemble_ir, build_ir
from emotrace.representation.spec import ENCODERS, StreamSpec
from emotrace.representation.streams import Stream
from emotrace.vocoder.hifigan import FrozenHifiGan

CORPUS = ROOT / "data" / "phantom" / "test"
UTTERANCES = ("f1-test-sad-s2", "m1-test-neu-s1")
TOLERANCE = 1e-4  # of IRs whose F0 channel is in Hz

Irs = dict[str, Tensor]  # row name -> (D, L)
ALONE = ["alone: features", "alone: synthesis"]
SHARED = ["shared: features", "shared: synthesis in bfloat16"]
FLOAT32 = ["shared: features", "shared: synthesis in float32"]
BFLOAT16 = ["shared: features in bfloat16", "shared: synthesis in bfloat16"]


def measure(settings: Settings) -> Report:
    """The ratios over all utterances, features alone and with synthesis."""
    data = DataDir.read(CORPUS)
    utterances = [data[name] for name in UTTERANCES[: 1 if settings.quick else None]]
    models = paper_models(paper_sizes())
    with TemporaryDirectory() as folder:
        tasks = shared_tasks(models, utterances, Path(folder))
        timings = interleaved(tasks, 1 if settings.quick else settings.repetitions)
    differences = bfloat16_differences(models, utterances[0])
    seconds = sum(len(load_audio(u.path)) for u in utterances) / 16_000
    return Report(
        "(a) seven rows with shared features over seven rows alone",
        (
            Ratio("features", timings.ratio(SHARED[:1], ALONE[:1])),
            Ratio("features and synthesis, float32", timings.ratio(FLOAT32, ALONE)),
            Ratio("features and synthesis (vocoder in bfloat16)", timings.ratio(SHARED, ALONE), at_most=0.35),
            Ratio("the same, front-ends in bfloat16 too", timings.ratio(BFLOAT16, ALONE)),
        ),
        {"seconds_of_speech": seconds, "seconds": timings.seconds, "relative_error_of_bfloat16": differences},
    )


def shared_tasks(models: PaperModels, utterances: list[Utterance], folder: Path) -> dict[str, Callable[[], object]]:
    """What is timed. Features end with the rows' IRs; synthesis starts from them."""
    caches = {
        "shared: features": feature_cache(folder / "float32", models.streams()),
        "shared: features in bfloat16": feature_cache(folder / "bfloat16", rough_streams(models)),
    }
    irs = [irs_alone(models, u) for u in utterances]
    for utterance, alone in zip(utterances, irs, strict=True):
        require_equal(alone, irs_shared(models, utterance, caches["shared: features"]))
    vocoders = {
        "alone: synthesis": {name: plain(generator) for name, generator in models.generators.items()},
        "shared: synthesis in float32": _frozen(models, torch.float32),
        "shared: synthesis in bfloat16": _frozen(models, torch.bfloat16),
    }
    tasks: dict[str, Callable[[], object]] = {"alone: features": lambda: [irs_alone(models, u) for u in utterances]}
    for name, cache in caches.items():
        tasks[name] = lambda cache=cache: [irs_shared(models, u, cache) for u in utterances]
    return tasks | {name: _synthesis(kind, irs) for name, kind in vocoders.items()}


def irs_alone(models: PaperModels, utterance: Utterance) -> Irs:
    """The IRs of the seven rows, each from its own pass over the recording."""
    return {row.name: _ir_alone(models, row, utterance) for row in ROWS}


def feature_cache(folder: Path, streams: Mapping[StreamSpec, Stream]) -> FeatureCache:
    """Some streams, kept on disk in a folder of their own."""
    return FeatureCache(folder, dict.fromkeys(streams, "benchmark"), streams.__getitem__)


def irs_shared(models: PaperModels, utterance: Utterance, cache: FeatureCache) -> Irs:
    """The IRs of the seven rows from streams that are computed once (anew at each call), stored, and read for each."""
    for stream in cache.keys:
        cache.path(utterance, stream).unlink(missing_ok=True)
    features, irs = Features(utterance, cache), {}
    for row in ROWS:
        speaker = models.pseudo_speaker(features["ecapa"], utterance.gender) if row.anonymizer else None
        irs[row.name] = build_ir(row.ir, features.__getitem__, speaker=speaker)
    return irs


def bfloat16_differences(models: PaperModels, utterance: Utterance) -> dict[str, float]:
    """Norm of the difference over the norm of each stream of a network when it computes in bfloat16."""
    waveform, rough = torch.from_numpy(peak_normalise(load_audio(utterance.path))), rough_streams(models)
    pairs = {str(name): (stream(waveform), rough[name](waveform)) for name, stream in models.streams().items()}
    return {name: float((b - a).norm() / a.norm()) for name, (a, b) in pairs.items() if name != "f0"}


def rough_streams(models: PaperModels) -> dict[StreamSpec, Stream]:
    """The streams of networks that compute in bfloat16 where torch deems it safe; YAAPT stays as it is.

    Not the study's way: it changes the features by a per cent or two.
    """
    return {name: InBfloat16(stream) for name, stream in models.streams().items()}


@dataclass(frozen=True)
class InBfloat16:
    """A stream, float32, of a network that computes in bfloat16."""

    stream: Stream

    def __call__(self, waveform: Tensor) -> Tensor:
        """(T,) -> what the stream gives."""
        with torch.autocast("cpu", torch.bfloat16):
            return self.stream(waveform).float()


def _ir_alone(models: PaperModels, row: Row, utterance: Utterance) -> Tensor:
    waveform = torch.from_numpy(peak_normalise(load_audio(utterance.path)))
    with torch.no_grad():
        if row.ir.post == "soft":
            linguistic = models.soft_head(models.soft_hubert.layers(waveform)[ENCODERS["hubert"].last])
        else:
            linguistic = models.hubert_until[row.ir.layer].layer(waveform, row.ir.layer)
        return assemble_ir(linguistic, yaapt_f0(waveform), _speaker_alone(models, row, utterance, waveform))


def _speaker_alone(models: PaperModels, row: Row, utterance: Utterance, waveform: Tensor) -> Tensor | None:
    if row.ir.speaker == "none":
        return None
    if row.ir.speaker == "gst":
        return models.gst.embed(waveform, seed=0)
    embedding = models.ecapa.embed(waveform)
    return models.pseudo_speaker(embedding, utterance.gender) if row.anonymizer else embedding


def _frozen(models: PaperModels, dtype: torch.dtype) -> dict[str, FrozenHifiGan]:
    return {name: FrozenHifiGan(generator, dtype) for name, generator in models.generators.items()}


def _synthesis(vocoders: dict, irs: list[Irs]) -> Callable[[], object]:
    """All rows of all utterances; rows that differ in the embedding alone share their vocoder."""
    pairs = [(vocoders[row.ir.name], of_utterance[row.name]) for of_utterance in irs for row in ROWS]
    return torch.no_grad()(lambda: [vocoder(ir[None]) for vocoder, ir in pairs])


def require_equal(alone: Irs, shared: Irs) -> None:
    """Raises AssertionError when a row's IR depends on the way it was computed."""
    for name, ir in alone.items():
        if ir.shape != shared[name].shape or (worst := (ir - shared[name]).abs().max()) > TOLERANCE:
            raise AssertionError(f"row {name}: shared features give another IR than its own ({worst:.2g})")
