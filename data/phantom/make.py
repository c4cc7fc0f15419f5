"""Make the phantom corpus: python data/phantom/make.py (README.md says what it is; needs requirements-maker.txt)."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from phantom_design import SETS, SPEAKERS, TRAINING, Item, items

from emotrace.corpus.audio import SAMPLE_RATE, save_audio
from emotrace.corpus.datadir import Emotion, Trial, Utterance, write_datadir

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Make or check data directories; returns the exit status."""
    parser = argparse.ArgumentParser(description="Make the synthetic phantom corpus, or check what is there.")
    parser.add_argument("--target", type=Path, default=HERE, help="folder of the data directories (default: here)")
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=(*SETS, TRAINING),
        default=SETS,
        help="which data directories (default: all that are shipped)",
    )
    parser.add_argument(
        "--check", action="store_true", help="make nothing; measure the audio that is there against truth.csv"
    )
    args = parser.parse_args()
    if args.check:
        return report(args.target, args.sets)
    for name in args.sets:
        make_set(name, args.target / name)
    return 0


def report(target: Path, sets: list[str]) -> int:
    """Print all disagreements between audio and truth; 1 if there is one."""
    from phantom_measure import check  # loads torch: not for --help

    problems = [f"{name}/{problem}" for name in sets for problem in check(target / name)]
    print("\n".join(problems) if problems else "audio, truth.csv and design agree")
    return int(bool(problems))


def make_set(name: str, target: Path) -> None:
    """Render one data directory: audio/*.flac, truth.csv and the Kaldi files."""
    wanted = items(name)
    (target / "audio").mkdir(parents=True, exist_ok=True)
    for file in (target / "audio").glob("*.flac"):
        file.unlink()
    truth = pd.DataFrame([render_to(item, target / "audio" / f"{item.id}.flac") for item in wanted])
    truth.to_csv(target / "truth.csv", index=False, float_format="%.4f", lineterminator="\n")
    enrolment = [item.id for item in wanted if item.enrolment]
    trials = trials_of(wanted) if enrolment else []
    write_datadir(target, [utterance(item, target) for item in wanted], enrolment=enrolment, trials=trials)
    print(f"{name}: {len(wanted)} utterances, {truth['seconds'].sum():.1f} s")


def render_to(item: Item, path: Path) -> dict[str, object]:
    """Render one utterance to a file and return its line of truth.csv."""
    from phantom_render import render  # only here, so that --check runs without the maker's requirements

    audio, values = render(item)
    save_audio(path, audio)
    speaker = item.speaker
    known = {"utterance": item.id, "speaker": speaker.id, "gender": speaker.gender, "emotion": item.emotion}
    role = "enrolment" if item.enrolment else "trial"
    return {
        **known,
        "sentence": item.sentence,
        "role": role,
        **asdict(item.cues),
        **values,
        "seconds": len(audio) / SAMPLE_RATE,
    }


def utterance(item: Item, target: Path) -> Utterance:
    """The metadata of one utterance."""
    path, speaker = target / "audio" / f"{item.id}.flac", item.speaker
    return Utterance(item.id, speaker.id, speaker.gender, path, item.text, Emotion(item.emotion), speaker.fold or None)


def trials_of(wanted: list[Item]) -> list[Trial]:
    """Every trial utterance against every speaker of its gender."""
    pairs = [(speaker, item) for speaker in SPEAKERS for item in wanted if not item.enrolment]
    return [Trial(s.id, item.id, s == item.speaker) for s, item in pairs if s.gender == item.speaker.gender]


if __name__ == "__main__":
    sys.exit(main())
