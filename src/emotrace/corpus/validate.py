"""Every problem of a data directory at once: its Kaldi files, and the samples of every utterance."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from emotrace.corpus.audio import SAMPLE_RATE, AudioError, load_audio, read_samples
from emotrace.corpus.datadir import DataDir
from emotrace.corpus.kaldi import CorpusError, Problem, audio_path, metadata_problems, read_tables

SHORTEST_SECONDS = 0.4
LOWEST_RATE = 8_000  # Hz; telephone speech, above which the recognisers' 16 kHz may be resampled from
TOO_LOW = f"rate of {{}} Hz: speech needs at least {LOWEST_RATE} Hz"
# -60 dBFS: the softest of the 864 RAVDESS recordings peaks at -47 dBFS.
SILENT_PEAK = 1e-3
# Three equal samples in a row at the peak: in 1,200 recordings of RAVDESS and LibriSpeech there is no such run,
# though some touch full scale. Below -20 dBFS, 16-bit steps are coarse enough for a run by chance.
FLAT_RUN, FLAT_TOLERANCE, FLAT_PEAK = 3, 4e-5, 0.1


def validate(path: str | Path) -> list[Problem]:
    """All problems of the data directory `path`, sorted by file and line; an empty list means it is sound.

    Audio problems stand at the utterance's line of wav.scp. Rates other than 16 kHz are resampled wherever audio is
    read, so they are no problem: `rate_notes` names them. Never raises for a defect of the directory.
    """
    path = Path(path)
    tables = read_tables(path)
    problems = metadata_problems(path, tables)
    wav_scp = tables["wav.scp"]
    owners: dict[Path, str] = {}
    for utterance, entry, line in tqdm(list(wav_scp), desc=f"validate {path}", unit="file", disable=None):
        file = audio_path(path, entry)
        if not file.is_file():
            continue  # metadata_problems has named it
        messages = list(audio_problems(file))
        if (owner := owners.setdefault(file.resolve(), utterance)) != utterance:
            messages.append(f"same file as utterance '{owner}'")
        problems += [wav_scp.problem(line, f"audio of '{utterance}': {message} ({entry})") for message in messages]
    return sorted(problems, key=lambda problem: (str(problem.file), problem.line or 0))


def rate_notes(path: str | Path) -> list[str]:
    """A sentence for each rate of the audio of a data directory that is resampled, with the number of its files."""
    files = [audio_path(Path(path), entry) for _, entry, _ in read_tables(Path(path))["wav.scp"]]
    rates: Counter[int] = Counter()
    for file in files:
        with suppress(OSError, soundfile.SoundFileError):
            rates[soundfile.info(file).samplerate] += 1
    return [
        f"{number} of {len(files)} files at {rate} Hz: resampled to {SAMPLE_RATE} Hz wherever they are read"
        for rate, number in sorted(rates.items())
        if rate >= LOWEST_RATE and rate != SAMPLE_RATE
    ]


def require_usable_audio(data: DataDir, *, shortest: float = SHORTEST_SECONDS) -> None:
    """Raise CorpusError when a model could not take the audio of an utterance, before any work is done on the others.

    That is audio which is unreadable, empty, NaN, digital silence, below 8 kHz, or shorter than `shortest` seconds.
    Channels and clipping are not held against it: `validate` names them.
    """
    problems = [f"audio of '{u.id}': {reason}" for u in data if (reason := unusable(u.path, shortest))]
    if problems:
        more = f" (and {len(problems) - 1} more utterances)" if len(problems) > 1 else ""
        raise CorpusError(
            f"{data.path}: {problems[0]}{more}; replace the file or leave the utterance out, "
            "emotrace validate lists all problems"
        )


def unusable(file: Path, shortest: float = SHORTEST_SECONDS) -> str | None:
    """Why no model could take an audio file, naming it, as `require_usable_audio` judges; None if one could."""
    try:
        waveform = load_audio(file)
    except AudioError as error:
        return str(error)
    if (rate := soundfile.info(file).samplerate) < LOWEST_RATE:
        return f"{file}: {TOO_LOW.format(rate)}"
    if len(waveform) < shortest * SAMPLE_RATE:
        return f"{file}: too short: {len(waveform) / SAMPLE_RATE:.3f} s, expected at least {shortest} s"
    return None if waveform.any() else f"{file}: silence: every sample is 0"


def audio_problems(file: Path) -> Iterator[str]:
    """What is wrong with one audio file, in words: at most one message of each kind."""
    try:
        with open(file, "rb") as stream:
            samples, rate = read_samples(stream)
    except (OSError, AudioError) as error:
        yield f"unreadable audio: {error}"
        return
    if rate < LOWEST_RATE:
        yield TOO_LOW.format(rate)
    if samples.shape[1] != 1:
        yield f"{samples.shape[1]} channels (stereo): expected mono"
    if len(samples) < SHORTEST_SECONDS * rate:
        yield f"too short: {len(samples) / rate:.3f} s, expected at least {SHORTEST_SECONDS} s"
    if not samples.size:
        return
    strange, peak = ~np.isfinite(samples), np.abs(samples).max()
    if strange.any():
        yield f"{strange.sum()} NaN or infinite samples, first at {np.argwhere(strange)[0, 0]}"
    elif peak < SILENT_PEAK:
        yield f"silence: its peak is {peak:.6f}, expected at least {SILENT_PEAK}"
    elif peak > 1:
        yield f"clipped: {(np.abs(samples) > 1).sum()} samples beyond full scale, peak {peak:.4f}"
    elif flat := sum(flat_samples(channel) for channel in samples.T):
        yield f"clipped: {flat} samples lie flat at the peak of {peak:.4f}"


def flat_samples(channel: np.ndarray) -> int:
    """How many samples of (T,) lie in runs of at least three at the peak magnitude: the mark of clipping."""
    magnitude = np.abs(channel)
    peak = magnitude.max()
    if peak < FLAT_PEAK:
        return 0
    at_peak = np.concatenate(([False], magnitude >= peak - FLAT_TOLERANCE, [False]))
    edges = np.flatnonzero(at_peak[1:] != at_peak[:-1])
    runs = edges[1::2] - edges[::2]
    return int(runs[runs >= FLAT_RUN].sum())
