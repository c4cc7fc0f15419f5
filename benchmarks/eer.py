"""(d) The EER of many trials: seconds and memory of ours and of SpeechBrain's, on the same scores.

SpeechBrain compares every threshold with every score: quadratic time. Each measurement runs in its own process, with a
limit on memory and computing time; what was stopped is reported as stopped, with what it had used by then.
P target scores, Q non-target scores.
"""

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from measurement import Ratio, Report, Settings

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
QUICK_SIZES = (1_000,)
TARGET_SHARE = 20  # one trial in so many is a target trial, as in VoicePrivacy's lists (548 of 11,744)
SHORTEST = 0.3  # seconds; a quicker call is repeated and averaged
MEMORY = 8 << 30  # bytes that a measurement may allocate
AGREEMENT = 1e-6  # SpeechBrain divides in float32
STATUS = Path("/proc/self/status")


def measure(settings: Settings) -> Report:
    """Both implementations at growing numbers of trials."""
    sizes = QUICK_SIZES if settings.quick else SIZES
    ours = {n: _in_a_process("emotrace", n, settings.eer_limit) for n in sizes}
    theirs = _until_stopped(sizes, settings.eer_limit)
    finished = [n for n in theirs if theirs[n]["finished"]]
    for n in finished:
        _require_agreement(n, ours[n]["eer"], theirs[n]["eer"])
    return Report(
        "(d) EER over SpeechBrain's",
        (*_speed_ratios(ours, theirs, finished), *_memory_ratios(ours, theirs, finished)),
        {
            "emotrace": ours,
            "speechbrain": theirs,
            "limits": {"seconds": settings.eer_limit, "bytes": MEMORY},
            "speechbrain_exponent": _exponent({n: theirs[n]["seconds"] for n in finished[-3:]}),
            "emotrace_memory_exponent": _exponent({n: ours[n]["bytes"] for n in sizes if n >= 100_000}),
        },
    )


def scores(trials: int) -> tuple[np.ndarray, np.ndarray]:
    """Target (P,) and non-target scores (Q,), float32, P + Q = trials, some 7 % EER."""
    rng = np.random.default_rng(2024)
    targets = trials // TARGET_SHARE
    return (
        rng.normal(3.0, 1.0, targets).astype(np.float32),
        rng.normal(0.0, 1.0, trials - targets).astype(np.float32),
    )


def _until_stopped(sizes: tuple[int, ...], limit: float) -> dict[int, dict[str, Any]]:
    """SpeechBrain's at growing sizes: all that finish, the first that does not, and the largest."""
    measured: dict[int, dict[str, Any]] = {}
    for n in sizes:
        stopped = any(not result["finished"] for result in measured.values())
        if not stopped or n == sizes[-1]:
            measured[n] = _in_a_process("speechbrain", n, limit)
    return measured


def _speed_ratios(ours: dict, theirs: dict, finished: list[int]) -> list[Ratio]:
    """Times faster at the largest size that SpeechBrain's finished, and at the largest size, perhaps as a bound."""
    largest = max(theirs)
    wanted = {n: f"times faster, {n:,} trials" for n in finished[-1:]}
    wanted[largest] = wanted.get(largest, f"times faster, {largest:,} trials, at least (SpeechBrain's was stopped)")
    target = 100 if largest == SIZES[-1] else None
    return [
        Ratio(name, theirs[n]["seconds"] / ours[n]["seconds"], at_least=target if n == largest else None)
        for n, name in wanted.items()
    ]


def _memory_ratios(ours: dict, theirs: dict, finished: list[int]) -> list[Ratio]:
    """Ours over SpeechBrain's memory, and how ours grows: 1 is linear."""
    n = finished[-1]
    ratios = [Ratio(f"memory, {n:,} trials", ours[n]["bytes"] / max(theirs[n]["bytes"], 1))]
    large = [size for size in ours if size >= 100_000]
    if len(large) > 1:
        growth = (ours[large[-1]]["bytes"] / ours[large[0]]["bytes"]) / (large[-1] / large[0])
        ratios.append(Ratio("growth of memory over growth of trials", growth, at_most=1.2))
    return ratios


def _exponent(values: dict[int, float]) -> float | None:
    """Slope of the logarithms, from measured points alone; None for fewer than two."""
    points = {n: value for n, value in values.items() if value > 0}
    if len(points) < 2:
        return None
    return float(np.polyfit(np.log(list(points)), np.log(list(points.values())), 1)[0])


def _require_agreement(trials: int, ours: float, theirs: float) -> None:
    if abs(ours - theirs) > AGREEMENT:
        raise AssertionError(f"EER of {trials} trials: {ours!r} here, {theirs!r} by SpeechBrain")


def _in_a_process(name: str, trials: int, limit: float) -> dict[str, Any]:
    """Run this file as a program. Raises RuntimeError with its last words when it fails other than by a limit."""
    command = [sys.executable, __file__, name, str(trials), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"EER by {name}, {trials} trials: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _run(name: str, trials: int, limit: float) -> dict[str, Any]:
    """In the child: seconds of computing, peak of additional memory, and the EER unless a limit stopped it."""
    compute = _implementation(name, *scores(trials))
    before = _limit_and_reset(limit)
    start, calls = time.process_time(), 1
    try:
        rate, stopped = compute(), None
        while time.process_time() - start < SHORTEST:
            compute()
            calls += 1
    except (TimeoutError, MemoryError, RuntimeError) as error:
        rate, stopped = None, f"{type(error).__name__}: {error}"
    seconds = (time.process_time() - start) / calls
    signal.setitimer(signal.ITIMER_PROF, 0)
    peak = _status("VmHWM") - before
    return {"seconds": seconds, "bytes": peak, "eer": rate, "finished": stopped is None, "stopped": stopped}


def _implementation(name: str, target: np.ndarray, nontarget: np.ndarray) -> Any:
    """The function to time, its imports and inputs ready."""
    if name == "emotrace":
        from emotrace.analysis.metrics import eer

        eer(target[:10], nontarget[:10])
        return lambda: eer(target, nontarget)[0]
    import torch
    from speechbrain.utils.metric_stats import EER

    torch.set_num_threads(1)
    positive, negative = torch.from_numpy(target), torch.from_numpy(nontarget)
    EER(positive[:10], negative[:10])
    return lambda: EER(positive, negative)[0]


def _limit_and_reset(seconds: float) -> int:
    """Limit computing time and memory from here on and forget the peak so far; returns the bytes in use."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"{seconds:g} s of computing")

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + MEMORY, hard))
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts again at what is in use
    return _status("VmRSS")


def _status(field: str) -> int:
    """A memory figure of this process, bytes."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(_run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
