"""The paper's profile from end to end with random weights: every stage, model and file, and no meaning in the numbers.

    python tests/dry_run.py --full

writes checkpoints of random weights in the released formats (some 6 GB with --full, the paper's sizes; shrunk ones
without), adopts them, and takes two utterances of each corpus through all rows and all evaluators. With --work DIR
audio and tables are kept.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file
from stand_ins import FULL, SMALL, write_all, write_generator

from emotrace.corpus.datadir import DataDir, Trial, Utterance, write_datadir
from emotrace.models import Models
from emotrace.released.adopt import SSL_SAS_IR, adopt_all, channels_of
from emotrace.released.checkpoint import VARIABLE
from emotrace.study.layout import Layout
from emotrace.study.profiles import Profile, paper
from emotrace.study.runner import run_rows

REPOSITORY = Path(__file__).resolve().parents[1]
IRS = ("none-T1", "ECAPA-T6", "GST-T12-soft", "none-T6")
SPEAKERS = ("f1", "f2")
POOL = 210  # speakers of each gender: selec-anon wants 200 candidates


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the paper's sizes")
    parser.add_argument("--work", type=Path, default=None, help="folder to work in; by default a temporary one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = (args.work or Path(temporary)).absolute()
        results = dry_run(root, small=not args.full)
        print(results.groupby(["row", "corpus"], sort=False)[["hypothesis", "ser", "centroid_hz"]].first().to_string())
    if args.work:
        print(f"audio: {root / 'work' / 'paper'}, tables: {root / 'data' / 'results' / 'paper'}")
    return 0


def dry_run(root: Path, *, small: bool) -> pd.DataFrame:
    """Checkpoints, corpora, models and results below ``root``; returns utterances.parquet of all rows together."""
    checkpoints = root / "work" / "checkpoints"
    os.environ[VARIABLE] = str(checkpoints)
    profile = paper_profile(root)
    if not checkpoints.exists():
        write_all(checkpoints, small=small)
    make_models(profile.models, root / "vocoders", small=small)
    make_corpora(profile)
    layout = Layout(profile)
    run_rows(layout, profile.rows)
    return pd.concat([pd.read_parquet(layout.results(row) / "utterances.parquet") for row in profile.rows])


def paper_profile(root: Path) -> Profile:
    """The paper's profile below ``root``, on the CPU."""
    profile = paper(root)
    return replace(profile, device="cpu", backends=replace(profile.backends, device="cpu"))


def make_models(models: Path, vocoders: Path, *, small: bool) -> None:
    """Adopt the released models, a generator for each of the other IRs, and make a pool of random speakers."""
    adopt_all(models)
    loaded, sizes = Models(models), SMALL if small else FULL
    own = {ir: write_generator(vocoders / ir / "g_00100000", channels_of(ir, loaded), sizes) for ir in IRS}
    adopt_all(models, vocoders=own)
    make_pool(models / "pool", dims=loaded.ecapa.model.fc.conv.out_channels)
    assert f"unified-{SSL_SAS_IR}" in loaded.names()


def make_pool(folder: Path, dims: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    genders = ["f", "m"] * POOL
    config = {"speakers": [f"pool{number}" for number in range(len(genders))], "genders": genders}
    (folder / "config.json").write_text(pd.Series(config).to_json())
    embeddings = torch.randn(len(genders), dims, generator=torch.Generator().manual_seed(0))
    save_file({"embeddings": embeddings}, folder / "model.safetensors")


def make_corpora(profile: Profile) -> None:
    """Two utterances of the phantom as the emotional corpus; two others, and two enrolled ones, as the read corpus."""
    phantom = DataDir.read(REPOSITORY / "data" / "phantom" / "test")
    for corpus in profile.corpora:
        if (corpus.path / "wav.scp").exists():
            continue
        if corpus.name == "emotional":
            write_datadir(corpus.path, [replace(_spoken(phantom, speaker, "ang")[0], fold="1") for speaker in SPEAKERS])
            continue
        enrolled, tried = zip(*(_spoken(phantom, speaker, "neu")[:2] for speaker in SPEAKERS), strict=True)
        trials = [Trial(one.speaker, other.id, one.speaker == other.speaker) for one in enrolled for other in tried]
        read = [replace(utterance, emotion=None, fold=None) for utterance in (*enrolled, *tried)]
        write_datadir(corpus.path, read, enrolment=[utterance.id for utterance in enrolled], trials=trials)


def _spoken(data: DataDir, speaker: str, emotion: str) -> list[Utterance]:
    return [utterance for utterance in data if (utterance.speaker, utterance.emotion) == (speaker, emotion)]


if __name__ == "__main__":
    sys.exit(main())
