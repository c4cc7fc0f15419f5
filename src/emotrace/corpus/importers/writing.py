"""What every importer ends with: its data directories and import.json, all of them written or none."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from tqdm import tqdm

from emotrace.corpus.audio import SAMPLE_RATE, load_audio, save_audio
from emotrace.corpus.datadir import DataDir, Utterance, write_datadir
from emotrace.corpus.files import atomic_folder, write_text_atomic
from emotrace.corpus.importers import Imported


def at_16_khz(utterance: Utterance) -> np.ndarray:
    """Waveform (T,) of an utterance. Raises AudioError as `load_audio` does.

    Resampling overshoots full scale by a fraction of a decibel, which is clipped; a file at 16 kHz stays as it is.
    """
    waveform = load_audio(utterance.path)
    return waveform if soundfile.info(utterance.path).samplerate == SAMPLE_RATE else np.clip(waveform, -1, 1)


def write_import(
    target: Path,
    planned: Sequence[DataDir],
    summary: Mapping[str, Any],
    waveform: Callable[[Utterance], np.ndarray] | None = at_16_khz,
    remarks: Iterable[str] = (),
) -> Imported:
    """Write data directories at or below `target`, and `summary` as `target`/import.json; return them as they are read.

    Args:
        target: the new folder; all of it appears at once or not at all.
        planned: the directories, with their future paths; those without an utterance are left out.
        summary: what was imported and how.
        waveform: (T,) at 16 kHz of an utterance, written to wav/ID.flac; None leaves the audio where it is.
        remarks: for the user.

    Raises:
        FileExistsError: `target` holds something. AudioError: audio cannot be read or written.
    """
    planned = [data for data in planned if len(data)]
    with atomic_folder(target) as folder:
        for data in planned:
            place, utterances = folder / data.path.relative_to(target), list(data)
            if waveform is not None:
                for i, utterance in enumerate(tqdm(data, desc=f"import {data.path}", unit="file", disable=None)):
                    utterances[i] = replace(utterance, path=place / "wav" / f"{utterance.id}.flac")
                    save_audio(utterances[i].path, waveform(utterance))
            write_datadir(place, utterances, enrolment=data.enrolment, trials=data.trials)
        write_text_atomic(folder / "import.json", json.dumps(summary, indent=2) + "\n")
    return Imported(tuple(DataDir.read(data.path) for data in planned), tuple(remarks))
