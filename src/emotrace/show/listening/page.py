"""The listening page: audio and pictures as files that it references, cards in HTML, and their numbers.

A card's picture is measured on the very audio that plays. The numbers beside it are those of the recorded results;
where those are stale, the card says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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
from emotrace.show.listening.pictures import HEIGHT, alt_text, clip_figure, common_limits, measure_tracks, png
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
    audio: Path
    picture: Path
    alt: str
    numbers: dict[str, str]


Cards = dict[Emotion, list[Card]]


def make_cards(page: ListeningPage) -> Cards:
    """Write audio (FLAC, 16 kHz) and picture of every clip for the book, and make its card; rows as in table II.

    What was written before for the same rows, utterances and seed is replaced.

    Raises:
        AudioError, AcousticsError: audio that cannot be read or measured.
    """
    played = [sorted({clip.row.name for clip in page.clips}), sorted(u.id for u in page.utterances.values())]
    name = f"{page.profile.name}-{digest([*played, page.profile.seed])[:8]}"
    lines = _recorded_lines(page)
    return {emotion: list(_cards(page, emotion, STATIC / name, lines)) for emotion in page.utterances}


def _cards(page: ListeningPage, emotion: Emotion, folder: Path, lines: pd.DataFrame) -> Iterator[Card]:
    clips = page.of(emotion)
    speech = oracle_mask(load_audio(page.utterances[emotion].path))
    waveforms = {clip: np.clip(load_audio(clip.audio), -1, 1) for clip in clips}  # resampling may overshoot
    tracks = {clip: measure_tracks(waveform, speech) for clip, waveform in waveforms.items()}
    limits = common_limits(list(tracks.values()))
    recording = next((tracks[clip] for clip in clips if clip.row == ORIGINAL), None)
    recognisers = page.study.recognisers if page.study is not None else ()
    for clip in clips:
        audio, picture = (folder / f"{emotion}-{clip.row.name}.{kind}" for kind in ("flac", "png"))
        save_audio(BOOK / audio, waveforms[clip])
        behind = None if clip.row == ORIGINAL else recording
        with atomic_file(BOOK / picture) as temporary:
            temporary.write_bytes(png(clip_figure(clip.row.name, tracks[clip], limits, behind)))
        seconds, shown = len(waveforms[clip]) / SAMPLE_RATE, numbers(clip, lines, recognisers)
        yield Card(clip, describe(clip.row), seconds, audio, picture, alt_text(clip, tracks[clip]), shown)


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


def show_cards(cards: Cards, emotion: str) -> HTML:
    """The players of one emotion, with captions, numbers and pictures."""
    name, of_emotion = EMOTION_NAMES[emotion], cards.get(Emotion(emotion), [])
    if not of_emotion:
        return HTML(f"<p>This speaker has no {name} utterance.</p>")
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    options = {"autoescape": True, "undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    template = jinja2.Environment(loader=loader, **options).get_template(TEMPLATE)
    return HTML(template.render(cards=of_emotion, emotion=name, width=round(WIDTH * DPI), height=round(HEIGHT * DPI)))
