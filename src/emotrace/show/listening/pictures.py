"""One picture of a take: spectrogram with F0, below it the tracks of centroid, kurtosis and loudness.

All takes of an utterance have the same axes and the same frame, so that they compare at a glance; the recording's own
tracks are drawn behind those of every other row.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator, StrMethodFormatter
from PIL import Image

from emotrace.corpus.audio import SAMPLE_RATE
from emotrace.evaluation.spectrum import HOP
from emotrace.show.figures import DPI, EMOTION_NAMES, TEXT, WIDTH, row_colour
from emotrace.show.listening.clips import Take
from emotrace.show.listening.tracks import Tracks

HEIGHT = 4.6  # inches
HEIGHTS = (2.5, 1, 1, 1)  # of spectrogram, centroid, kurtosis, loudness
FRAME = {"left": 0.135, "right": 0.875, "top": 0.985, "bottom": 0.105, "hspace": 0.11}
RANGE = 60  # dB of the spectrogram, below its own maximum
COLOURS = 64  # of the picture file: grey and a few hues
F0_COLOUR, PAUSE_COLOUR, RECORDING_COLOUR = "#0072B2", "#E4E4E4", "#4D4D4D"
TRACKS = {"centroid": "centroid\n[kHz]", "kurtosis": "kurtosis", "loudness": "loudness\n[LUFS]"}
KURTOSIS_TICKS = (1, 3, 10, 30, 100, 300)


@dataclass(frozen=True)
class Limits:
    """Ends of the axes: seconds, F0 in Hz, and of each track in its own unit."""

    seconds: float
    f0: tuple[float, float]
    centroid: tuple[float, float]
    kurtosis: tuple[float, float]
    loudness: tuple[float, float]


def common_limits(takes: Sequence[Tracks]) -> Limits:
    """Axes that hold the speech frames of all takes; of the loudness all but the quietest of fifty."""
    low, high = _ends(takes, "f0", 10.0)
    kurtosis = _ends(takes, "kurtosis", 0.1)
    return Limits(
        max(len(take.speech) for take in takes) * HOP / SAMPLE_RATE,
        (max(0.0, low - 20.0), high + 20.0),
        _ends(takes, "centroid", 100.0),
        (max(1.0, kurtosis[0]) / 1.1, kurtosis[1] * 1.1),
        _ends(takes, "loudness", 5.0, quietest=0.02),
    )


def _ends(takes: Sequence[Tracks], name: str, step: float, quietest: float = 0.0) -> tuple[float, float]:
    """Smallest and largest value of a track over the speech frames of all takes, rounded outwards to a step."""
    values = np.concatenate([getattr(take, name)[take.speech] for take in takes])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, step
    return step * np.floor(np.quantile(values, quietest) / step), step * (np.floor(values.max() / step) + 1)


def take_figure(row: str, take: Tracks, limits: Limits, recording: Tracks | None = None) -> Figure:
    """The picture of a take; ``recording`` is drawn behind its tracks where given."""
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    panels = figure.subplots(4, 1, sharex=True, gridspec_kw={"height_ratios": HEIGHTS} | FRAME)
    _draw_spectrogram(panels[0], take, limits)
    for axes, (name, label) in zip(panels[1:], TRACKS.items(), strict=True):
        _draw_track(axes, name, row, take, recording)
        axes.set(ylabel=label, ylim=getattr(limits, name))
    panels[1].yaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
    _kurtosis_axis(panels[2])
    panels[3].yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    panels[-1].set(xlabel="time [s]", xlim=(0, limits.seconds))
    figure.align_ylabels(panels)
    for axes in figure.axes:
        axes.tick_params(labelsize=TEXT - 1, pad=1)
        axes.yaxis.label.set_size(TEXT - 1)
    return figure


def _draw_spectrogram(axes: Axes, take: Tracks, limits: Limits) -> None:
    with np.errstate(divide="ignore"):
        decibels = 20 * np.log10(take.magnitudes.T / max(take.magnitudes.max(), 1e-12))
    axes.imshow(decibels, cmap="Greys", vmin=-RANGE, vmax=0, origin="lower", aspect="auto",
                extent=(0, len(take.speech) * HOP / SAMPLE_RATE, 0, 8), interpolation="bilinear")  # fmt: skip
    axes.set(ylabel="frequency\n[kHz]", ylim=(0, 8.3), yticks=(0, 2, 4, 6, 8))
    axes.grid(False)
    axes.fill_between(take.seconds, 8.05, 8.3, where=take.speech, color="black", step="mid", linewidth=0)
    right = axes.twinx()
    right.plot(take.seconds, take.f0, color="white", linewidth=4.5)
    right.plot(take.seconds, take.f0, color=F0_COLOUR, linewidth=2.2)
    right.set_ylabel("F0 [Hz]", color=F0_COLOUR)
    right.set_ylim(limits.f0)
    right.tick_params(axis="y", colors=F0_COLOUR)
    right.grid(False)


def _draw_track(axes: Axes, name: str, row: str, take: Tracks, recording: Tracks | None) -> None:
    axes.fill_between(take.seconds, 0, 1, where=~take.speech, transform=axes.get_xaxis_transform(),
                      color=PAUSE_COLOUR, step="mid", linewidth=0)  # fmt: skip
    if recording is not None:
        _line(axes, recording, name, color=RECORDING_COLOUR, linewidth=1.1, linestyle=(0, (2.5, 1.2)))
    colour = row_colour(row)
    axes.plot(take.seconds, getattr(take, name), color=colour, linewidth=0.5, alpha=0.5)
    _line(axes, take, name, color=colour, linewidth=1.8)
    axes.grid(False, axis="x")


def _line(axes: Axes, take: Tracks, name: str, **style: object) -> None:
    """A track on the frames that are speech; its gaps stay open."""
    axes.plot(take.seconds, np.where(take.speech, getattr(take, name), np.nan), **style)


def _kurtosis_axis(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator(KURTOSIS_TICKS))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def alt_text(take: Take, tracks: Tracks) -> str:
    """What a picture shows, in numbers: medians over the frames that are speech in the recording."""
    f0, centroid, kurtosis, loudness = (tracks.median(name) for name in ("f0", *TRACKS))
    voiced = "no voiced frame" if np.isnan(f0) else f"F0 {f0:.0f} Hz"
    seconds = len(tracks.speech) * HOP / SAMPLE_RATE
    return (
        f"{take.row.name}, {EMOTION_NAMES[take.utterance.emotion]}: spectrogram with F0, and tracks of centroid, "
        f"kurtosis and loudness over {seconds:.1f} seconds. Medians over speech: {voiced}, centroid {centroid:.0f} Hz, "
        f"kurtosis {kurtosis:.1f}, momentary loudness {loudness:.1f} LUFS."
    )


def png(figure: Figure) -> bytes:
    """A figure as a small PNG: 64 colours."""
    picture, small = io.BytesIO(), io.BytesIO()
    figure.savefig(picture, format="png", dpi=DPI)
    colours = Image.open(picture).convert("RGB").quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=0)
    colours.save(small, format="png", optimize=True)
    return small.getvalue()
