"""Kill the true `emotrace run` at random moments, let it finish, and compare its parquet files byte for byte.

    python tests/kill_run.py --kills 10 --longest 60

runs profile phantom twice in a temporary folder, undisturbed and killed. With --reference data/results/phantom
the undisturbed run is one that has been made already. Exit code 0: the files are identical.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--longest", type=float, default=60, help="seconds until a kill, at most")
    parser.add_argument("--shortest", type=float, default=1, help="seconds until a kill, at least")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--rows", default=None, help="rows, separated by commas")
    parser.add_argument("--reference", type=Path, default=None, help="results of an undisturbed run")
    args = parser.parse_args()
    arguments = ["run", "--profile", "phantom"] + (["--rows", args.rows] if args.rows else [])
    with tempfile.TemporaryDirectory() as folder:
        reference = args.reference or finish(sandbox(Path(folder) / "undisturbed"), arguments)
        killed = sandbox(Path(folder) / "killed")
        rng = random.Random(args.seed)
        moments = [rng.uniform(args.shortest, args.longest) for _ in range(args.kills)]
        kills = sum(kill_after(moment, killed, arguments) for moment in moments)
        results = finish(killed, arguments)
        print(f"killed {kills} times of {args.kills}, after {[round(moment, 1) for moment in moments]} s")
        return compare(reference, results)


def sandbox(root: Path) -> Path:
    """A root of its own, with the repository's corpus and an empty place for results."""
    (root / "data").mkdir(parents=True)
    (root / "data" / "phantom").symlink_to(REPOSITORY / "data" / "phantom")
    return root


def start(root: Path, arguments: list[str]) -> subprocess.Popen:
    environment = {**os.environ, "EMOTRACE_ROOT": str(root), "PYTHONPATH": str(REPOSITORY / "src")}
    return subprocess.Popen([sys.executable, "-m", "emotrace", *arguments], env=environment)


def finish(root: Path, arguments: list[str]) -> Path:
    """Run to the end; the folder of the results."""
    if start(root, arguments).wait() != 0:
        raise SystemExit("the run failed")
    return root / "data" / "results" / "phantom"


def kill_after(seconds: float, root: Path, arguments: list[str]) -> bool:
    """Start the run and kill it with SIGKILL; False when it had ended before."""
    process = start(root, arguments)
    time.sleep(seconds)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return alive


def compare(reference: Path, results: Path) -> int:
    """Print every parquet file of either folder that is absent or differs in the other; 1 if there is one."""
    ours = {path.relative_to(results): path.read_bytes() for path in results.rglob("*.parquet")}
    theirs = {path: (reference / path).read_bytes() for path in ours if (reference / path).is_file()}
    wrong = [str(path) for path in sorted(ours) if ours[path] != theirs.get(path)]
    print(f"{len(ours)} parquet files, {len(wrong)} differ: {', '.join(wrong) or 'none'}")
    return 1 if wrong or not ours else 0


if __name__ == "__main__":
    sys.exit(main())
