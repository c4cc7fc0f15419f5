"""How good the recognisers are on recordings, and how fast: python benchmarks/recognisers.py --help

Speakers that no model has seen: words and speakers of LibriSpeech readers, emotions and words of RAVDESS actors 13-24,
the emotion recognisers trained on actors 01-12. And how long an evaluation takes for a second of audio.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

import pandas as pd

from emotrace.analysis.contrasts import EMOTIONS, metric_interval
from emotrace.corpus.importers.librispeech import import_readers
from emotrace.corpus.importers.ravdess import import_ravdess
from emotrace.engine.provenance import cpu
from emotrace.engine.runner import running
from emotrace.engine.workers import DEFAULT_JOBS
from emotrace.evaluation import ASR
from emotrace.paths import WORK, source_of
from emotrace.pipeline.measures import Measure, Recognisers
from emotrace.pipeline.rows import select_rows
from emotrace.study import Study
from emotrace.study.profiles import ALL_MEASURES, Corpus, Profile
from emotrace.study.results import label_of
from emotrace.study.run import RowWork
from emotrace.study.tasks import measuring

READ = ("wer_read", "eer_read", "eer_read_f", "eer_read_m")


def main(arguments: list[str] | None = None) -> int:
    """Import what is not imported, measure what is not measured, print the tables; returns the exit status."""
    args = _parser().parse_args(arguments)
    profile = recordings(args.readers, args.speakers, args.ravdess, args.work, args.asr)
    table = speed(profile) if args.time else accuracy(profile)
    print(table.to_string(index=False, float_format="%.1f"))
    if args.out is not None:
        table.to_csv(args.out, index=False, float_format="%.3f")
    return 0


def recordings(readers: Path, speakers: Path, ravdess: Path, work: Path, asr: str) -> Profile:
    """A profile of recordings alone: its corpora "read" and "emotional" are of speakers that no model has seen."""
    for folder, imported in (
        ("readers", lambda target: import_readers(readers, target, speakers=speakers)),
        ("ravdess", lambda target: import_ravdess(ravdess, target)),
    ):
        if not (work / folder / "test" / "wav.scp").is_file():
            imported(work / folder)
    corpora = (
        Corpus("read", work / "readers" / "test", ALL_MEASURES - {Measure.EMOTION}),
        Corpus("emotional", work / "ravdess" / "test", ALL_MEASURES),
    )
    folders = {"work": work / "work", "results": work / "results", "ser_training": work / "ravdess" / "train"}
    recognisers = Recognisers(asr)
    return Profile(
        name="recordings", corpora=corpora, rows=select_rows(["original"]), recognisers=recognisers, **folders
    )


def accuracy(profile: Profile) -> pd.DataFrame:
    """Columns measure, recogniser, estimate, low, high: percent, 95 % over speakers; and what the guards caught."""
    results, lines = Study(profile, n_bootstrap=10_000), []
    for name in (*READ, "wer_emotional", "eer_emotional_f", "eer_emotional_m"):
        lines.append({"measure": name, "recogniser": ""} | metric_interval(results, "original", name)._asdict())
    for recogniser in results.recognisers:
        for name in ("uar", *EMOTIONS):
            found = metric_interval(results, "original", name, recogniser)
            lines.append({"measure": name, "recogniser": label_of(recogniser)} | found._asdict())
    guards = results.utterances["guard"].dropna()
    lines += [
        {"measure": f"guard {guard or 'none'}, utterances", "recogniser": "", "estimate": count}
        for guard, count in guards.value_counts().items()
    ]
    return pd.DataFrame(lines)


def speed(profile: Profile) -> pd.DataFrame:
    """Columns corpus, what, seconds, times_real_time, jobs, cpu of measuring everything anew, `DEFAULT_JOBS` at a time.

    The seconds hold the start of the processes, and the loading of the models.
    """
    work = RowWork(profile, profile.rows[0])
    utterances = pd.read_parquet(profile.results / "original" / "utterances.parquet")
    lines = []
    with running(profile.work, DEFAULT_JOBS) as workers:
        for corpus in profile.corpora:
            rendering, spent = work.rendering(corpus), {}
            shutil.rmtree(rendering.folder, ignore_errors=True)
            for measure in filter(
                corpus.measures.__contains__, Measure
            ):  # embeddings before what else learns from them
                started = time.perf_counter()
                workers.run(measuring(rendering, profile.recognisers, {measure}), f"{corpus.name}: {measure}")
                spent[str(measure)] = time.perf_counter() - started
            spent |= {"all": sum(spent.values())} | {"all but words": sum(spent.values()) - spent[Measure.WORDS]}
            audio = utterances.loc[utterances["corpus"] == corpus.name, "seconds"].sum()
            lines += [[corpus.name, what, seconds, audio / seconds] for what, seconds in spent.items()]
    table = pd.DataFrame(lines, columns=["corpus", "what", "seconds", "times_real_time"])
    return table.assign(jobs=DEFAULT_JOBS, cpu=cpu())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found = (
        source_of("librispeech_devclean20"),
        source_of("librispeech_3spk") / "SPEAKERS.TXT",
        source_of("ravdess_16k"),
    )
    parser.add_argument("--readers", type=Path, default=found[0], help="LibriSpeech tree of readers, e.g. dev-clean")
    parser.add_argument("--speakers", type=Path, default=found[1], help="LibriSpeech's SPEAKERS.TXT")
    parser.add_argument("--ravdess", type=Path, default=found[2], help="RAVDESS speech")
    parser.add_argument("--work", type=Path, default=WORK / "recognisers", help="folder of everything that is made")
    parser.add_argument("--asr", default=Recognisers().asr, choices=[*ASR], help="who recognises words")
    parser.add_argument("--time", action="store_true", help="measure everything anew and say how long it takes")
    parser.add_argument("--out", type=Path, help="a CSV file for the table; the book shows those in data/")
    return parser


if __name__ == "__main__":
    sys.exit(main())
