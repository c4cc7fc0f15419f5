"""The listening page: audio and pictures as files that it references, a grid of rows and emotions, and their numbers.

A picture is measured on the very audio that plays. The numbers beside it are those of the recorded results; where
those are stale, they say so. book/_static/listening.js plays a cell of the grid; without it every clip has its player.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import numpy as np
import pandas as pd
from IPython.display import HTML

from emotrace.corpus.audio import SAMPLE_RATE, load_audio, save_audio
from emotrace.corpus.datadir import Emotion
from emotrace.corpus.files import atomic_file
from emotrace.engine.code import digest
from emotrace.evaluation.acoustics import oracle_mask
from emotrace.paths import ROOT
from emotrace.pipeline.results import emotion_column
from emotrace.pipeline.rows import BASELINE_ROWS, ORIGINAL, Row
from emotrace.show.figures import DPI, EMOTION_NAMES, WIDTH
from emotrace.show.listening.clips import EMOTIONAL, Clip, ListeningPage
from emotrace.show.listening.pictures import FRAME, HEIGHT, alt_text, clip_figure, common_limits, measure_tracks, png
from emotrace.study.results import label_of

TEMPLATE = "listening.html.j2"
BOOK = ROOT / "book"
STATIC = Path("_static") / "listening"  # of the book; its pages that are notebooks lie one folder deep
VOCODERS = {
    "universal": "the universal HiFi-GAN",
    "two-stage": "our acoustic model and the universal HiFi-GAN",
    "unified": "our small vocoder",
    "joint": "our acoustic model and the universal HiFi-GAN, trained on as one network",
}
NOT_MEASURED = "not measured"
ACOUSTICS = {
    "F0, mean": ("f0_mean_hz", "{:.0f} Hz"),
    "centroid, median": ("centroid_hz", "{:.0f} Hz"),
    "kurtosis, median": ("kurtosis", "{:.1f}"),
    "loudness": ("loudness_lufs", "{:.1f} LUFS"),
}


@dataclass(frozen=True)
class Card:
    """A clip as the page shows it: its files within the book, what its picture shows, and its numbers as text."""

    clip: Clip
    what: str
    seconds: float
    axis: float  # seconds of the picture's axis of time
    audio: Path
    picture: Path
    alt: str
    numbers: dict[str, str]
    labels: dict[str, str]  # of each recogniser the emotion that it labelled; "" where none is recorded


Cards = dict[Emotion, list[Card]]


def write_audio(page: ListeningPage) -> dict[Clip, Path]:
    """Write the audio of every clip for the book (FLAC, 16 kHz), where it lies within the book.

    What was written before for the same rows, utterances and seed is replaced.
    """
    played = [sorted({clip.row.name for clip in page.clips}), sorted(u.id for u in page.utterances.values())]
    folder = STATIC / f"{page.profile.name}-{digest([*played, page.profile.seed])[:8]}"
    files = {clip: folder / f"{clip.utterance.emotion}-{clip.row.name}.flac" for clip in page.clips}
    for clip, file in files.items():
        save_audio(BOOK / file, np.clip(load_audio(clip.audio), -1, 1))  # resampling may overshoot
    return files


def make_cards(page: ListeningPage) -> Cards:
    """Audio and picture of every clip as files of the book, and its card; rows as in table II.

    Raises:
        AudioError, AcousticsError: audio that cannot be read or measured.
    """
    files, lines = write_audio(page), _recorded_lines(page)
    return {emotion: list(_cards(page, emotion, files, lines)) for emotion in page.utterances}


def _cards(page: ListeningPage, emotion: Emotion, files: Mapping[Clip, Path], lines: pd.DataFrame) -> Iterator[Card]:
    clips = page.of(emotion)
    speech = oracle_mask(load_audio(page.utterances[emotion].path))
    waveforms = {clip: np.clip(load_audio(clip.audio), -1, 1) for clip in clips}
    tracks = {clip: measure_tracks(waveform, speech) for clip, waveform in waveforms.items()}
    limits = common_limits(list(tracks.values()))
    recording = next((tracks[clip] for clip in clips if clip.row == ORIGINAL), None)
    recognisers = page.study.recognisers if page.study is not None else ()
    for clip in clips:
        picture = files[clip].with_suffix(".png")
        behind = None if clip.row == ORIGINAL else recording
        with atomic_file(BOOK / picture) as temporary:
            temporary.write_bytes(png(clip_figure(clip.row.name, tracks[clip], limits, behind)))
        yield Card(
            *(clip, describe(clip.row), len(waveforms[clip]) / SAMPLE_RATE, limits["seconds"][1], files[clip], picture),
            *(alt_text(clip, tracks[clip]), numbers(clip, lines, recognisers), labels(clip, lines, recognisers)),
        )


def _recorded_lines(page: ListeningPage) -> pd.DataFrame:
    """Recorded results of the emotional corpus by row and utterance, and whether they are stale."""
    if page.study is None:
        return pd.DataFrame()
    stale = {state.name for state in page.study.states if state.state == "stale"}
    lines = page.study.utterances
    lines = lines[lines["corpus"] == EMOTIONAL]
    return lines.assign(stale=lines["row"].isin(stale)).set_index(["row", "utterance"])


def numbers(clip: Clip, lines: pd.DataFrame, recognisers: Sequence[str]) -> dict[str, str]:
    """What the recorded results say of a clip: as which emotion it was recognised, its words, its acoustics."""
    if (clip.row.name, clip.utterance.id) not in lines.index:
        return {"results": "none recorded"}
    line, shown = lines.loc[(clip.row.name, clip.utterance.id)], {}
    for name in recognisers:
        recognised = line[emotion_column(name)]
        right = "right" if recognised == clip.utterance.emotion else "wrong"
        text = NOT_MEASURED if pd.isna(recognised) else f"{EMOTION_NAMES[recognised]}: {right}"
        shown[f"recognised as, {label_of(name)}"] = text
    shown["words"] = NOT_MEASURED
    if not pd.isna(line["words"]):
        shown["words"] = f"“{line['hypothesis'].lower()}”, {line['word_errors']:.0f} of {line['words']:.0f} wrong"
    for name, (column, form) in ACOUSTICS.items():
        value = line[column]
        shown[name] = NOT_MEASURED if pd.isna(value) else form.format(value).replace("-", "\N{MINUS SIGN}")
    return shown | ({"state": "stale: of an earlier version"} if line["stale"] else {})


def describe(row: Row) -> str:
    """What a row does, in a few words."""
    if row.effect:
        return f"{describe(row.before)}; then {row.effect}"
    if row.ir is None:
        return f"the recording, changed by {row.anonymizer}" if row.anonymizer else "the recording itself"
    if row.ir.is_spectrogram:
        return f"the recording's log-mel through {VOCODERS.get(row.vocoder, row.vocoder)}"
    if row in BASELINE_ROWS:
        return f"an equivalent of the representation of VoicePrivacy's {row.name.removesuffix('-IR')}"
    encoder = "HuBERT" if row.ir.linguistic == "hubert" else row.ir.linguistic
    content = f"{encoder} layer {row.ir.layer}" + (" as soft units" if row.ir.post == "soft" else "")
    speaker = "no speaker embedding"
    if row.ir.speaker != "none":
        speaker = f"{row.ir.speaker.upper()} embedding of {'a pseudo-speaker' if row.anonymizer else 'the speaker'}"
    return f"{content}, F0, {speaker}" + (" (unified vocoder)" if row.vocoder in ("unified", "joint") else "")


def show_players(page: ListeningPage, emotion: str, titles: Mapping[str, str]) -> HTML:
    """One player for each row of ``titles``, which has what to call it; of the voice's utterance of an emotion.

    Rows without audio are left out.
    """
    files = {clip.row.name: file for clip, file in write_audio(page).items() if clip.utterance.emotion == emotion}
    players = [
        f'<figure><figcaption>{escape(title)}</figcaption><audio controls preload="none" aria-label="{escape(title)}" '
        f'src="../{quote(str(files[row]))}"></audio></figure>'
        for row, title in titles.items()
        if row in files
    ]
    return HTML(f'<div class="players">{"".join(players)}</div>')


def labels(clip: Clip, lines: pd.DataFrame, recognisers: Sequence[str]) -> dict[str, str]:
    """As which emotion each recogniser labelled a clip, "" where that is not recorded."""
    if (clip.row.name, clip.utterance.id) not in lines.index:
        return dict.fromkeys(recognisers, "")
    line = lines.loc[(clip.row.name, clip.utterance.id)]
    return {name: "" if pd.isna(line[emotion_column(name)]) else line[emotion_column(name)] for name in recognisers}


def show_cards(cards: Cards) -> HTML:
    """Rows by emotions, whose cells play a clip and have the initials of its labels; and the picture of every clip."""
    every = [card for of_emotion in cards.values() for card in of_emotion]
    takes = {(card.clip.row.name, card.clip.utterance.emotion): _take(card) for card in every}
    what = {card.clip.row.name: card.what for card in every}
    values = {
        "emotions": [EMOTION_NAMES[emotion] for emotion in cards],
        "lines": [(row, text, [takes.get((row, emotion)) for emotion in cards]) for row, text in what.items()],
        "takes": takes.values(),
        "legend": _legend(every[0]),
        "frame": FRAME,
        "width": round(WIDTH * DPI),
        "height": round(HEIGHT * DPI),
    }
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    options = {"autoescape": True, "undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    return HTML(jinja2.Environment(loader=loader, **options).get_template(TEMPLATE).render(values))


def _take(card: Card) -> dict[str, Any]:
    """A card as text: its anchor, its name, the initials of its labels, and in words what they are."""
    row, meant = card.clip.row.name, card.clip.utterance.emotion
    said = {label_of(name): label for name, label in card.labels.items() if label}
    return vars(card) | {
        "id": f"{meant}-{row}",
        "name": f"{row}, {EMOTION_NAMES[meant]}",
        "seconds": f"{card.seconds:.1f}",
        "letters": [(EMOTION_NAMES[e][0].upper(), "for" if e == meant else "against") for e in said.values()],
        "says": "; ".join(f"{name}: {EMOTION_NAMES[e]}" for name, e in said.items()) or "no label is recorded",
    }


def _legend(card: Card) -> str:
    """How to read and use the grid."""
    emotions = ", ".join(f"{EMOTION_NAMES[e][0].upper()} {EMOTION_NAMES[e]}" for e in Emotion)
    recognisers = ", ".join(label_of(name) for name in card.labels) or "nobody yet"
    return (
        "Click a cell to play it. Arrow keys go to the next row or emotion, at the same moment of the sentence. "
        f"Letters are labels ({emotions}) by, in this order: {recognisers}. Green and bold: the emotion that was meant."
    )


def turns_angry(cards: Cards) -> str:
    """In how many rows each recogniser labels this voice's sad as angry, in a sentence; the paper's effect, or not."""
    made = [card for card in cards.get(Emotion.SAD, []) if card.clip.row != ORIGINAL]
    counts = {
        label_of(name): sum(card.labels[name] == Emotion.ANGRY for card in made)
        for name in (made[0].labels if made else ())
        if all(card.labels[name] for card in made)
    }
    if not counts:
        return "No label of this voice's sad is recorded for all rows."
    found = ", ".join(f"in {count} by {name}" for name, count in counts.items())
    most = max(counts.values())
    shows = "shows this" if 2 * most > len(made) else "shows this in few rows" if most else "does not show this"
    return (
        f"In the paper sad turns angry. Of {len(made)} rows, sad of this voice is labelled angry {found}: it {shows}."
    )
