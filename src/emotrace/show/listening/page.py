"""The page of the listening room: audio and pictures as files that it references, cards in HTML, and their numbers.

A card's picture is measured on the very audio that plays. The numbers beside it are those of the recorded results;
where those are stale, the card says so.
"""

from collections.abc import Iterator
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
from emotrace.evaluation.acoustics import oracle_mask
from emotrace.show.figures import DPI, EMOTION_NAMES, WIDTH
from emotrace.show.listening.clips import EMOTIONAL, Room, Take
from emotrace.show.listening.pictures import HEIGHT, alt_text, common_limits, png, take_figure
from emotrace.show.listening.tracks import measure_tracks
from emotrace.show.notebook import RECOGNISER_NAMES, readable
from emotrace.study.layout import ORIGINAL
from emotrace.engine.provenance import ROOT, digest
from emotrace.pipeline.rows import BASELINE_ROWS, Route, Row

TEMPLATE = "listening.html.j2"
BOOK = ROOT / "book"
STATIC = Path("_static") / "listening"  # of the book; its pages that are notebooks lie one folder deep
SPEAKERS = {"none": "no speaker embedding", "ecapa": "ECAPA embedding", "gst": "GST embedding"}
NOT_MEASURED = "not measured"


class Html(str):
    """A part of a page, which notebooks show as what it is."""

    def _repr_html_(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Card:
    """A take as the page shows it: names, addresses relative to the page, numbers as text, sizes of both files."""

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


def make_cards(room: Room) -> Cards:
    """Write audio (FLAC, 16 kHz) and picture of every take for the book, and make its card; rows as in table II.

    What was written before for the same rows, utterances and seed is replaced.

    Raises:
        AudioError, AcousticsError: audio that cannot be read or measured.
    """
    heard = [sorted({take.row.name for take in room.takes}), sorted(u.id for u in room.utterances.values())]
    name = f"{room.layout.profile.name}-{digest([*heard, room.layout.seed])[:8]}"
    results = _results(room)
    return {emotion: list(_cards(room, emotion, STATIC / name, results)) for emotion in room.utterances}


def _cards(room: Room, emotion: Emotion, folder: Path, results: pd.DataFrame) -> Iterator[Card]:
    takes = room.of(emotion)
    speech = oracle_mask(load_audio(room.utterances[emotion].path))
    waveforms = {take: np.clip(load_audio(take.audio), -1, 1) for take in takes}  # resampling may overshoot
    tracks = {take: measure_tracks(waveform, speech) for take, waveform in waveforms.items()}
    limits = common_limits(list(tracks.values()))
    recording = next((tracks[take] for take in takes if take.row == ORIGINAL), None)
    for take in takes:
        audio, picture = (BOOK / folder / f"{emotion}-{take.row.name}.{kind}" for kind in ("flac", "png"))
        save_audio(audio, waveforms[take])
        behind = None if take.row == ORIGINAL else recording
        _write(picture, png(take_figure(take.row.name, tracks[take], limits, behind)))
        yield Card(
            take.row.name,
            describe(take.row),
            f"{len(waveforms[take]) / SAMPLE_RATE:.1f}",
            quote(f"../{folder}/{audio.name}"),
            quote(f"../{folder}/{picture.name}"),
            alt_text(take, tracks[take]),
            numbers(take, results),
            audio.stat().st_size,
            picture.stat().st_size,
        )


def _write(path: Path, content: bytes) -> None:
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def _results(room: Room) -> pd.DataFrame:
    """Recorded results of the emotional corpus by row and utterance, and whether they are stale."""
    if room.study is None:
        return pd.DataFrame()
    stale = {state.row for state in room.study.states if state.state == "stale"}
    lines = room.study.utterances
    lines = lines[lines["corpus"] == EMOTIONAL]
    return lines.assign(stale=lines["row"].isin(stale)).set_index(["row", "utterance"])


def numbers(take: Take, results: pd.DataFrame) -> dict[str, str]:
    """What the recorded results say about a take: as what it was heard, its words, its acoustics."""
    if (take.row.name, take.utterance.id) not in results.index:
        return {"results": "none recorded"}
    line = results.loc[(take.row.name, take.utterance.id)]
    found = {f"heard as, {name}": _heard(line[column], take) for column, name in RECOGNISER_NAMES.items()}
    found["words"] = _words(line)
    found["F0, mean"] = _value(line["f0_mean_hz"], ".0f", "Hz")
    found["centroid, median"] = _value(line["centroid_hz"], ".0f", "Hz")
    found["kurtosis, median"] = _value(line["kurtosis"], ".1f", "")
    found["loudness"] = _value(line["loudness_lufs"], ".1f", "LUFS")
    return found | ({"state": "stale: of an earlier version"} if line["stale"] else {})


def _heard(emotion: object, take: Take) -> str:
    if pd.isna(emotion):
        return NOT_MEASURED
    return f"{EMOTION_NAMES[str(emotion)]}: {'right' if emotion == take.utterance.emotion else 'wrong'}"


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
    if row.route is Route.ORIGINAL:
        return "the recording itself"
    if row.route is Route.COPY:
        return "the recording's log-mel through the official HiFi-GAN"
    vocoder = "our small vocoder" if row.route is Route.UNIFIED else "our acoustic model and the official HiFi-GAN"
    if row.ir.linguistic == "log-mel":
        return f"the recording's log-mel through {vocoder}"
    if row in BASELINE_ROWS:
        return f"an equivalent of the representation of VoicePrivacy's {row.name.removesuffix('-IR')}"
    content = f"HuBERT layer {row.ir.layer}" + (" as soft units" if row.ir.post == "soft" else "")
    speaker = SPEAKERS[row.ir.speaker]
    if row.ir.speaker != "none":
        speaker = f"{speaker} {'of a pseudo-speaker' if row.anonymise else 'of the speaker'}"
    return f"{content}, F0, {speaker}" + (" (unified vocoder)" if row.route is Route.UNIFIED else "")


def show_utterances(room: Room) -> Styler:
    """Which utterances are heard."""
    lines = [
        {"emotion": EMOTION_NAMES[emotion], "speaker": u.speaker, "sentence": u.text or "(unknown)", "utterance": u.id}
        for emotion, u in room.utterances.items()
    ]
    return readable(pd.DataFrame(lines))


def show_rows(room: Room) -> Styler:
    """Which rows are heard, what each does, and why one has no audio."""
    audio = {take.row: "below" for take in room.takes}
    audio |= {
        row: f"none: no model {', '.join(models)} (emotrace train {models[0]})" for row, models in room.lacking.items()
    }
    lines = [{"row": row.name, "what is done": describe(row), "audio": where} for row, where in audio.items()]
    return readable(pd.DataFrame(lines))


def show_cards(cards: Cards, emotion: str) -> Html:
    """The players of one emotion, with captions, numbers and pictures."""
    own = cards.get(Emotion(emotion), [])
    if not own:
        return Html(f"<p>This speaker has no {EMOTION_NAMES[emotion]} utterance.</p>")
    size = {"width": round(WIDTH * DPI), "height": round(HEIGHT * DPI)}
    return Html(_template().render(cards=own, emotion=EMOTION_NAMES[emotion], **size))


def show_weight(cards: Cards) -> Html:
    """How many files the page refers to, and how large they are."""
    every = [card for own in cards.values() for card in own]
    audio, pictures = (sum(getattr(card, f"{kind}_bytes") for card in every) / 1e6 for kind in ("audio", "picture"))
    files = f"{len(every)} audio files ({audio:.1f} MB) and as many pictures ({pictures:.1f} MB)"
    return Html(f"<p>This page refers to {files}. Each is loaded when it is played or scrolled to.</p>")


@cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    options = {"autoescape": True, "undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    return jinja2.Environment(loader=loader, **options).get_template(TEMPLATE)
