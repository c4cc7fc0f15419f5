"""A clip from frame to frame, and its picture: spectrogram with F0, then the tracks of centroid, kurtosis and loudness.

All clips of an utterance have the same axes and the same frame, so that they compare at a glance; the recording's own
tracks are drawn behind those of every other row. Spectra, moments and F0 are those of hypothesis 4
(`evaluation.acoustics`), as tracks instead of medians. T samples at 16 kHz, L frames of 10 ms.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter
from PIL import Image
from pyloudnorm import IIRfilter

from emotrace.corpus.audio import SAMPLE_RATE, level_normalise
from emotrace.evaluation.acoustics import fit_mask
from emotrace.evaluation.pitch import world_f0
from emotrace.evaluation.spectrum import HOP, spectra, spectral_moments
from emotrace.show.figures import DPI, EMOTION_NAMES, TEXT, WIDTH, row_colour
from emotrace.show.listening.clips import Clip

MOMENT = SAMPLE_RATE * 2 // 5  # samples: the 400 ms of momentary loudness
SILENCE = -70.0  # LUFS, below which BS.1770 counts nothing
# ITU-R BS.1770-4: the head's high shelf, then the high pass; gain in dB, Q, frequency in Hz
K_WEIGHTING = (
    IIRfilter(4.0, 1 / np.sqrt(2), 1500.0, SAMPLE_RATE, "high_shelf"),
    IIRfilter(0.0, 0.5, 38.0, SAMPLE_RATE, "high_pass"),
)
HEIGHT = 4.6  # inches
HEIGHTS = (2.5, 1, 1, 1)  # of spectrogram, centroid, kurtosis, loudness
FRAME = {"left": 0.17, "right": 0.865, "top": 0.985, "bottom": 0.105, "hspace": 0.11}
RANGE = 60  # dB of the spectrogram, below its own maximum
COLOURS = 64  # of the picture file: grey and a few hues
F0_COLOUR, PAUSE_COLOUR, RECORDING_COLOUR = "#0072B2", "#E4E4E4", "#4D4D4D"
TRACKS = {"centroid": "centroid\n[kHz]", "kurtosis": "kurtosis", "loudness": "loudness\n[LUFS]"}
KURTOSIS_TICKS = (1, 3, 10, 30, 100, 300)
Limits = Mapping[str, tuple[float, float]]
"""Ends of the axes: "seconds", "f0" in Hz, and each of TRACKS in its own unit."""


@dataclass(frozen=True)
class Tracks:
    """One clip, frame by frame.

    Attributes:
        magnitudes: (L, 201), from 0 to 8 kHz.
        f0: (L,) Hz, NaN where unvoiced.
        centroid, kurtosis: (L,) Hz and without unit, weighted by magnitude; NaN in digital silence.
        loudness: (L,) momentary loudness in LUFS, NaN below -70.
        speech: (L,) bool, the frames that are speech in the recording.
    """

    magnitudes: np.ndarray
    f0: np.ndarray
    centroid: np.ndarray
    kurtosis: np.ndarray
    loudness: np.ndarray
    speech: np.ndarray

    @property
    def seconds(self) -> np.ndarray:
        """Centres of the frames (L,)."""
        return (np.arange(len(self.speech)) + 0.5) * HOP / SAMPLE_RATE

    def median(self, name: str) -> float:
        """Median of a track over the speech frames where it has a value; NaN where there is none."""
        values = getattr(self, name)[self.speech]
        values = values[np.isfinite(values)]
        return float(np.median(values)) if values.size else np.nan


def measure_tracks(waveform: np.ndarray, speech: np.ndarray) -> Tracks:
    """The tracks of a waveform (T,); ``speech`` is the recording's `evaluation.acoustics.oracle_mask`.

    Raises AcousticsError where the lengths differ by more than 0.1 s, and as `world_f0` does.
    """
    magnitudes = spectra(waveform)
    n_frames = len(magnitudes)
    moments = spectral_moments(magnitudes)
    f0 = world_f0(level_normalise(waveform))[:n_frames]
    return Tracks(
        magnitudes,
        np.where(f0 > 0, f0, np.nan),
        moments.centroid,
        moments.kurtosis,
        momentary_loudness(waveform)[:n_frames],
        fit_mask(speech, n_frames),
    )


def momentary_loudness(waveform: np.ndarray) -> np.ndarray:
    """Momentary loudness in LUFS (T // 160,) of a waveform (T,): BS.1770's K-weighted power over 400 ms about a frame.

    Before its beginning and after its end a waveform counts as silent. NaN below -70 LUFS, as the standard's gate.
    """
    weighted = np.asarray(waveform, dtype=np.float64)
    for stage in K_WEIGHTING:
        weighted = stage.apply_filter(weighted)
    energy = np.concatenate([[0.0], np.cumsum(weighted**2)])
    centres = HOP * np.arange(len(weighted) // HOP) + HOP // 2
    first, last = (np.clip(centres + side, 0, len(weighted)) for side in (-MOMENT // 2, MOMENT // 2))
    with np.errstate(divide="ignore"):
        loudness = -0.691 + 10 * np.log10((energy[last] - energy[first]) / MOMENT)
    return np.where(loudness > SILENCE, loudness, np.nan)


def common_limits(every: Sequence[Tracks]) -> Limits:
    """Axes that hold the speech frames of all clips; of the loudness all but the quietest of fifty."""
    low, high = _ends(every, "f0", 10.0)
    flattest, sharpest = _ends(every, "kurtosis", 0.1)
    return {
        "seconds": (0.0, max(len(tracks.speech) for tracks in every) * HOP / SAMPLE_RATE),
        "f0": (max(0.0, low - 20.0), high + 20.0),
        "centroid": _ends(every, "centroid", 100.0),
        "kurtosis": (max(1.0, flattest) / 1.1, sharpest * 1.1),
        "loudness": _ends(every, "loudness", 5.0, quietest=0.02),
    }


def _ends(every: Sequence[Tracks], name: str, step: float, quietest: float = 0.0) -> tuple[float, float]:
    """Smallest and largest value of a track over the speech frames of all clips, rounded outwards to a step."""
    values = np.concatenate([getattr(tracks, name)[tracks.speech] for tracks in every])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, step
    return step * np.floor(np.quantile(values, quietest) / step), step * (np.floor(values.max() / step) + 1)


def clip_figure(row: str, tracks: Tracks, limits: Limits, recording: Tracks | None = None) -> Figure:
    """The picture of a clip; ``recording`` is drawn behind its tracks where given."""
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="none")  # the axes are where FRAME says
    panels = figure.subplots(4, 1, sharex=True, gridspec_kw={"height_ratios": HEIGHTS} | FRAME)
    _draw_spectrogram(panels[0], tracks, limits["f0"])
    for axes, (name, label) in zip(panels[1:], TRACKS.items(), strict=True):
        _draw_track(axes, name, row_colour(row), tracks, recording)
        axes.set(ylabel=label, ylim=limits[name])
    panels[1].yaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
    panels[2].set_yscale("log")
    panels[2].yaxis.set_major_locator(FixedLocator(KURTOSIS_TICKS))
    panels[2].yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panels[2].yaxis.set_minor_locator(NullLocator())
    panels[3].yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    panels[3].set(xlabel="time [s]", xlim=limits["seconds"])
    figure.align_ylabels(panels)
    for axes in figure.axes:
        axes.tick_params(labelsize=TEXT - 1, pad=1)
        axes.yaxis.label.set_size(TEXT - 1)
    return figure


def _draw_spectrogram(axes: Axes, tracks: Tracks, f0_limits: tuple[float, float]) -> None:
    with np.errstate(divide="ignore"):
        decibels = 20 * np.log10(tracks.magnitudes.T / max(tracks.magnitudes.max(), 1e-12))
    axes.imshow(decibels, cmap="Greys", vmin=-RANGE, vmax=0, origin="lower", aspect="auto",
                extent=(0, len(tracks.speech) * HOP / SAMPLE_RATE, 0, 8), interpolation="bilinear")  # fmt: skip
    axes.set(ylabel="frequency\n[kHz]", ylim=(0, 8.3), yticks=(0, 2, 4, 6, 8))
    axes.grid(False)
    axes.fill_between(tracks.seconds, 8.05, 8.3, where=tracks.speech, color="black", step="mid", linewidth=0)
    right = axes.twinx()
    right.plot(tracks.seconds, tracks.f0, color="white", linewidth=4.5)
    right.plot(tracks.seconds, tracks.f0, color=F0_COLOUR, linewidth=2.2)
    right.set_ylabel("F0 [Hz]", color=F0_COLOUR)
    right.set_ylim(f0_limits)
    right.tick_params(axis="y", colors=F0_COLOUR)
    right.grid(False)


def _draw_track(axes: Axes, name: str, colour: str, tracks: Tracks, recording: Tracks | None) -> None:
    """A track as a thin line, and as a thick one on the frames that are speech, whose gaps stay open."""
    axes.fill_between(tracks.seconds, 0, 1, where=~tracks.speech, transform=axes.get_xaxis_transform(),
                      color=PAUSE_COLOUR, step="mid", linewidth=0)  # fmt: skip
    if recording is not None:
        axes.plot(recording.seconds, np.where(recording.speech, getattr(recording, name), np.nan),
                  color=RECORDING_COLOUR, linewidth=1.1, linestyle=(0, (2.5, 1.2)))  # fmt: skip
    values = getattr(tracks, name)
    axes.plot(tracks.seconds, values, color=colour, linewidth=0.5, alpha=0.5)
    axes.plot(tracks.seconds, np.where(tracks.speech, values, np.nan), color=colour, linewidth=1.8)
    axes.grid(False, axis="x")


def alt_text(clip: Clip, tracks: Tracks) -> str:
    """What a picture shows, in numbers: medians over the frames that are speech in the recording."""
    f0, centroid, kurtosis, loudness = (tracks.median(name) for name in ("f0", *TRACKS))
    voiced = "no voiced frame" if np.isnan(f0) else f"F0 {f0:.0f} Hz"
    seconds = len(tracks.speech) * HOP / SAMPLE_RATE
    return (
        f"{clip.row.name}, {EMOTION_NAMES[clip.utterance.emotion]}: spectrogram with F0, and tracks of centroid, "
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
