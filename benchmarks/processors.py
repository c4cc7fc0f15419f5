"""What the kernels of another processor change, stage by stage: python benchmarks/processors.py

Each numerical library picks its kernels by the processor, and sums in another order round differently. Here the stages
of two rows are computed on phantom utterances with every library's own choice, then once more for each library with
the kernels that it takes elsewhere, in a process of its own. The differences go to data/results/processors.csv, which
the page of the provenance shows. T samples at 16 kHz.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from emotrace.corpus.datadir import DataDir, Utterance
from emotrace.corpus.files import file_sha256, write_text_atomic
from emotrace.engine.provenance import circumstances
from emotrace.engine.workers import KERNELS, PORTABLE, THREAD_VARIABLES
from emotrace.paths import ROOT
from emotrace.representation.spec import StreamSpec

TABLE = ROOT / "data" / "results" / "processors.csv"
ROWS = ("none-T1", "ECAPA-orig-T12-soft")
UTTERANCES = 12
LIBRARIES = {
    "nothing": {},
    "MKL: products and Fourier transforms of torch": {"MKL_CBWR": "COMPATIBLE"},
    "OpenBLAS: linear algebra of numpy and scipy": {"OPENBLAS_CORETYPE": "Haswell"},
    "oneDNN: convolutions of torch": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "torch's own": {"ATEN_CPU_CAPABILITY": "avx2"},
    "all of them": KERNELS[PORTABLE],
}
"""Whose kernels are changed, and how. "nothing": the same once more."""
STREAMS = {
    "HuBERT T1": StreamSpec("hubert", 1),
    "HuBERT T12": StreamSpec("hubert", 12),
    "soft": StreamSpec("soft"),
    "f0": StreamSpec("f0"),
    "ecapa": StreamSpec("ecapa"),
    "log_mel": StreamSpec("log-mel"),
}
"""The stages before the IR, by their names in the table."""

Stages = dict[str, np.ndarray | str]


def stages(utterance: Utterance) -> Iterator[tuple[str, np.ndarray | str]]:
    """Name and value of each stage, from the recording to the recognisers; a transcript is text."""
    import torch

    from emotrace.corpus.audio import load_audio, peak_normalise
    from emotrace.evaluation import ASR, ASV, SER
    from emotrace.evaluation.acoustics import acoustic_features, oracle_mask
    from emotrace.pipeline.measures import recogniser
    from emotrace.pipeline.rows import select_rows
    from emotrace.representation import STREAMS as KNOWN
    from emotrace.representation.ir import build_ir
    from emotrace.vocoder.universal import TwoStage
    from emotrace.weights import ModelFolder

    models, waveform = ModelFolder(), load_audio(utterance.path)
    samples = torch.from_numpy(peak_normalise(waveform))
    streams = cache(lambda spec: KNOWN.find(spec.name).load(models, spec.layer)(samples))
    yield from ((name, streams(spec).numpy()) for name, spec in STREAMS.items())
    for row in select_rows(ROWS):
        audio = TwoStage.load(models, row.decoder)(build_ir(row.ir, streams), len(waveform)).numpy()
        pcm = np.rint(audio * 32768).clip(-32768, 32767).astype(np.int16)
        reread = pcm.astype(np.float32) / 32768
        yield f"{row.name}: waveform", audio
        yield f"{row.name}: 16-bit audio", pcm.astype(float)
        yield f"{row.name}: transcript", recogniser(ASR.find("pocketsphinx"), "cpu").transcribe(reread).text
        yield f"{row.name}: GE2E embedding", recogniser(ASV.find("ge2e"), "cpu").embed(reread)
        yield f"{row.name}: functionals", recogniser(SER.find("functionals"), "cpu").features(reread)
        measured = acoustic_features(reread, oracle_mask(waveform))
        yield f"{row.name}: acoustics", np.array([v for v in measured.values() if not isinstance(v, list)], float)


def compute(output: Path, count: int) -> None:
    """The stages of the first utterances of the phantom, one thread."""
    import torch

    torch.set_num_threads(1)
    data = list(DataDir.read(ROOT / "data" / "phantom" / "test"))[:: max(1, 80 // count)][:count]
    output.write_bytes(pickle.dumps([dict(stages(utterance)) for utterance in data]))


def with_kernels(environment: dict[str, str], count: int) -> list[Stages]:
    """The stages of each utterance, computed by a process in this environment."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "stages.pickle")
        command = [sys.executable, __file__, "--utterances", str(count), "--compute", str(output)]
        single = dict.fromkeys(THREAD_VARIABLES, "1")
        subprocess.run(command, env={**os.environ, **single, **environment}, check=True)
        return pickle.loads(output.read_bytes())


def differences(before: list[Stages], after: list[Stages]) -> pd.DataFrame:
    """Columns stage, changed (share of its values, or of the transcripts), largest (relative to the largest value)."""
    lines = []
    for stage in before[0]:
        pairs = [(one[stage], other[stage]) for one, other in zip(before, after, strict=True)]
        if isinstance(pairs[0][0], str):
            lines.append((stage, np.mean([one != other for one, other in pairs]), np.nan))
            continue
        largest = max(np.abs(one - other).max() / np.abs(one).max() for one, other in pairs)
        changed = np.concatenate([(one != other).ravel() for one, other in pairs])
        lines.append((stage, changed.mean(), largest))
    return pd.DataFrame(lines, columns=["stage", "changed", "largest"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the kernels of another processor change.")
    parser.add_argument("--utterances", type=int, default=UTTERANCES, help="how many of the phantom's 80")
    parser.add_argument("--compute", type=Path, default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.compute is not None:
        return compute(args.compute, args.utterances)
    started = time.monotonic()
    before = with_kernels({}, args.utterances)
    parts = []
    for library, environment in LIBRARIES.items():
        parts.append(differences(before, with_kernels(environment, args.utterances)).assign(kernels=library))
        print(f"{library}\n{parts[-1].to_string(index=False, float_format='{:.1e}'.format)}", flush=True)
    table = pd.concat(parts, ignore_index=True)[["kernels", "stage", "changed", "largest"]]
    identity = {"utterances": args.utterances, "rows": ROWS, "kernels": LIBRARIES}
    write_text_atomic(TABLE, table.to_csv(index=False, float_format="%.3g"))
    provenance = {"profile": "phantom", "identity": identity, **circumstances(time.monotonic() - started)}
    provenance["files"] = {TABLE.name: file_sha256(TABLE)}
    write_text_atomic(TABLE.with_suffix(".json"), json.dumps(provenance, indent=2) + "\n")


if __name__ == "__main__":
    main()
