"""Measure ratios that say what the study's shortcuts save: python benchmarks/run.py (README.md says what they mean)."""

import argparse
import importlib
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BENCHMARKS = {"a": "shared_features", "b": "training_step", "c": "generator", "d": "eer"}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks that are asked for, print their ratios and write them; returns the exit status."""
    args = _parser().parse_args(arguments)
    _use_threads(args.threads)
    from measurement import Report, Settings  # torch reads the number of threads when it is loaded

    settings = Settings(args.quick, 2 if args.quick else args.repetitions, args.eer_limit)
    started = environment(args.threads)
    reports: dict[str, Report] = {}
    for letter in args.only:
        print(f"{BENCHMARKS[letter]} ...", file=sys.stderr, flush=True)
        reports[letter] = importlib.import_module(BENCHMARKS[letter]).measure(settings)
        print(table(reports[letter], targets=not args.quick), flush=True)
    results = {"quick": args.quick, "environment": started, "load_at_the_end": os.getloadavg()[0]}
    results |= {BENCHMARKS[letter]: report.as_dict() for letter, report in reports.items()}
    args.output.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")
    print(f"written: {args.output}")
    return 0


def table(report: Any, *, targets: bool = True) -> str:
    """A report's ratios as lines of text."""
    verdict = {True: "met", False: "MISSED", None: ""}
    lines = []
    for ratio in report.ratios:
        target = f"{ratio.target:<8} {verdict[ratio.met]}" if targets else ""
        lines.append(f"{ratio.name:<76} {ratio.value:>10.3g}  {target}".rstrip())
    return "\n".join(["", report.title, *(f"  {line}" for line in lines)])


def environment(threads: int) -> dict[str, Any]:
    """Machine, load, versions and commit."""
    import torch

    from emotrace.engine.provenance import environment as study_environment

    return study_environment() | {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "clock": "computing time of the process" if threads == 1 else "wall clock",
        "load": os.getloadavg()[0],
        "bfloat16_instructions": torch.cpu._is_avx512_bf16_supported(),
        "torch_build": torch.__config__.show().splitlines()[1:6],
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _use_threads(threads: int) -> None:
    os.environ |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    import torch

    torch.set_num_threads(threads)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure ratios that say what the study's shortcuts save.")
    parser.add_argument("--only", type=_letters, default=tuple(BENCHMARKS), help="e.g. a,c: " + _names())
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works; the ratios mean little")
    parser.add_argument("--threads", type=_positive, default=1, help="threads of every computation (default: 1)")
    parser.add_argument("--repetitions", type=_positive, default=5, help="rounds; medians count (default: 5)")
    parser.add_argument(
        "--eer-limit", type=float, default=60, help="seconds after which SpeechBrain's EER is stopped (default: 60)"
    )
    parser.add_argument("--output", type=Path, default=HERE / "results.json", help="default: benchmarks/results.json")
    return parser


def _names() -> str:
    return ", ".join(f"{letter} {module}" for letter, module in BENCHMARKS.items())


def _letters(text: str) -> tuple[str, ...]:
    letters = tuple(dict.fromkeys(text.replace(",", "")))
    if not letters or not set(letters) <= set(BENCHMARKS):
        raise argparse.ArgumentTypeError(f"{text!r}: one or more of {_names()}")
    return letters


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number of 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
