"""Make the phantom corpus: python data/phantom/make.py (see README.md; needs requirements-maker.txt)."""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import soundfile
from phantom_design import SETS, Item, items

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the synthetic phantom corpus, or check the shipped files.")
    parser.add_argument("--target", type=Path, default=HERE, help="folder that gets test/, f0/, tempo/ and voice/")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS, help="which data directories (default: all)")
    args = parser.parse_args()
    for name in args.sets:
        make_set(name, args.target / name)
    return 0


def make_set(name: str, target: Path) -> None:
    """Render one data directory: audio, truth.csv and the Kaldi lists."""
    (target / "audio").mkdir(parents=True, exist_ok=True)
    wanted = items(name)
    truth = [_render(item, target / "audio" / f"{item.id}.flac") for item in wanted]
    _write_truth(target / "truth.csv", truth)
    _write_lists(name, target, wanted)
    print(f"{name}: {len(wanted)} utterances, {sum(row['seconds'] for row in truth):.1f} s")


def _render(item: Item, path: Path) -> dict:
    from phantom_render import SAMPLE_RATE, render

    audio, values = render(item)
    if np.abs(audio).max() >= 1:
        raise SystemExit(f"{item.id}: peak {np.abs(audio).max():.2f} would clip; lower its level in phantom_design.py")
    soundfile.write(path, audio, SAMPLE_RATE, subtype="PCM_16")
    known = {"utterance": item.id, "speaker": item.speaker.id, "gender": item.speaker.gender, "emotion": item.emotion}
    role = "enrolment" if item.enrolment else "trial"
    rounded = {name: round(value, 4) for name, value in values.items()}
    return known | {"sentence": item.sentence, "role": role} | asdict(item.cues) | rounded | {
        "seconds": round(len(audio) / SAMPLE_RATE, 4)
    }


def _write_truth(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_lists(name: str, target: Path, wanted: list[Item]) -> None:
    speakers = sorted({item.speaker for item in wanted}, key=lambda speaker: speaker.id)
    lists = {
        "wav.scp": [f"{item.id} audio/{item.id}.flac" for item in wanted],
        "utt2spk": [f"{item.id} {item.speaker.id}" for item in wanted],
        "utt2emo": [f"{item.id} {item.emotion}" for item in wanted],
        "text": [f"{item.id} {item.text}" for item in wanted],
        "spk2utt": [" ".join([s.id, *(item.id for item in wanted if item.speaker == s)]) for s in speakers],
        "spk2gender": [f"{s.id} {s.gender}" for s in speakers],
        "spk2fold": [f"{s.id} {s.fold}" for s in speakers],
    }
    if name == "test":
        lists["enrolls"] = [item.id for item in wanted if item.enrolment]
        lists["trials"] = [
            f"{s.id} {item.id} {'target' if s == item.speaker else 'nontarget'}"
            for s in speakers
            for item in wanted
            if not item.enrolment and item.speaker.gender == s.gender
        ]
    for file, lines in lists.items():
        (target / file).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
