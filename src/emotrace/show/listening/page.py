"""The listening page: audio and pictures as files that it references, cards in HTML, and their numbers.

A card's picture is measured on the very audio that plays. The numbers beside it are those of the recorded results;
where those are stale, the card says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

import jinja2
import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

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
from emotrace.show.tables import readable
from emotrace.study.results import label_of

TEMPLATE = "listening.html.j2"
BOOK = ROOT / "book"
STATIC = Path("_static") / "listening"  # of the book; its pages that are notebooks lie one folder deep
VOCODERS = {
    "universal": "the universal HiFi-GAN",
    "two-stage": "our acoustic model and the universal HiFi-GAN",
    "unified": "our small vocoder",
}
NOT_MEASURED = "not measured"


class Html(str):
    """A part of a page, which notebooks show as what it is."""

    def _repr_html_(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Card:
    """A clip as the page shows it: names, addresses relative to the page, numbers as text, sizes of both files."""

    row: str
    what: str
    seconds: str
    audio: str
    picture: str
    alt: str
    numbers: dict[str, str]
    audio_bytes: int
    picture_bytes: int


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
        audio, picture = (BOOK / folder / f"{emotion}-{clip.row.name}.{kind}" for kind in ("flac", "png"))
        save_audio(audio, waveforms[clip])
        behind = None if clip.row == ORIGINAL else recording
        with atomic_file(picture) as temporary:
            temporary.write_bytes(png(clip_figure(clip.row.name, tracks[clip], limits, behind)))
        yield Card(
            clip.row.name,
            describe(clip.row),
            f"{len(waveforms[clip]) / SAMPLE_RATE:.1f}",
            quote(f"../{folder}/{audio.name}"),
            quote(f"../{folder}/{picture.name}"),
            alt_text(clip, tracks[clip]),
            numbers(clip, lines, recognisers),
            audio.stat().st_size,
            picture.stat().st_size,
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
    line = lines.loc[(clip.row.name, clip.utterance.id)]
    shown = {f"recognised as, {label_of(name)}": _emotion(line[emotion_column(name)], clip) for name in recognisers}
    shown["words"] = _words(line)
    shown["F0, mean"] = _value(line["f0_mean_hz"], ".0f", "Hz")
    shown["centroid, median"] = _value(line["centroid_hz"], ".0f", "Hz")
    shown["kurtosis, median"] = _value(line["kurtosis"], ".1f", "")
    shown["loudness"] = _value(line["loudness_lufs"], ".1f", "LUFS")
    return shown | ({"state": "stale: of an earlier version"} if line["stale"] else {})


def _emotion(recognised: object, clip: Clip) -> str:
    if pd.isna(recognised):
        return NOT_MEASURED
    return f"{EMOTION_NAMES[str(recognised)]}: {'right' if recognised == clip.utterance.emotion else 'wrong'}"


def _words(line: pd.Series) -> str:
    if pd.isna(line["words"]):
        return NOT_MEASURED
    return f"“{line['hypothesis'].lower()}”, {line['word_errors']:.0f} of {line['words']:.0f} wrong"


def _value(value: float, form: str, unit: str) -> str:
    return NOT_MEASURED if pd.isna(value) else f"{value:{form}} {unit}".strip().replace("-", "\N{MINUS SIGN}")


def describe(row: Row) -> str:
    """What a row does, in a few words."""
    if row.effect:
        return f"{describe(row.before)}; then {row.effect}"
    if row.ir is None:
        return "the recording itself"
    if row.ir.is_spectrogram:
        return f"the recording's log-mel through {VOCODERS.get(row.vocoder, row.vocoder)}"
    if row in BASELINE_ROWS:
        return f"an equivalent of the representation of VoicePrivacy's {row.name.removesuffix('-IR')}"
    encoder = "HuBERT" if row.ir.linguistic == "hubert" else row.ir.linguistic
    content = f"{encoder} layer {row.ir.layer}" + (" as soft units" if row.ir.post == "soft" else "")
    speaker = "no speaker embedding"
    if row.ir.speaker != "none":
        speaker = f"{row.ir.speaker.upper()} embedding of {'a pseudo-speaker' if row.anonymizer else 'the speaker'}"
    return f"{content}, F0, {speaker}" + (" (unified vocoder)" if row.vocoder == "unified" else "")


def show_utterances(page: ListeningPage) -> Styler:
    """Which utterances are played."""
    lines = [
        {"emotion": EMOTION_NAMES[emotion], "speaker": u.speaker, "sentence": u.text or "(unknown)", "utterance": u.id}
        for emotion, u in page.utterances.items()
    ]
    return readable(pd.DataFrame(lines))


def show_rows(page: ListeningPage) -> Styler:
    """Which rows are played, what each does, and why one has no audio."""
    audio = {clip.row: "below" for clip in page.clips}
    for row, models in page.missing_models.items():
        audio[row] = f"none: no model {', '.join(models)} (emotrace train {models[0]})"
    lines = [{"row": row.name, "what is done": describe(row), "audio": where} for row, where in audio.items()]
    return readable(pd.DataFrame(lines))


def show_cards(cards: Cards, emotion: str) -> Html:
    """The players of one emotion, with captions, numbers and pictures."""
    of_emotion = cards.get(Emotion(emotion), [])
    if not of_emotion:
        return Html(f"<p>This speaker has no {EMOTION_NAMES[emotion]} utterance.</p>")
    size = {"width": round(WIDTH * DPI), "height": round(HEIGHT * DPI)}
    return Html(_template().render(cards=of_emotion, emotion=EMOTION_NAMES[emotion], **size))


def show_weight(cards: Cards) -> Html:
    """How many files the page refers to, and how large they are."""
    every = [card for of_emotion in cards.values() for card in of_emotion]
    audio, pictures = (sum(getattr(card, f"{kind}_bytes") for card in every) / 1e6 for kind in ("audio", "picture"))
    files = f"{len(every)} audio files ({audio:.1f} MB) and as many pictures ({pictures:.1f} MB)"
    return Html(f"<p>This page refers to {files}. Each is loaded when it is played or scrolled to.</p>")


@cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    options = {"autoescape": True, "undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    return jinja2.Environment(loader=loader, **options).get_template(TEMPLATE)
