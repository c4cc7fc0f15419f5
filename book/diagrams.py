"""Draw the book's diagrams as SVG, each in a light and a dark version: `python book/diagrams.py`.

They are 480 units wide, so that their text is still 11 pixels high on a phone, and drawn anew from the paper's words.
A test compares the files in book/_static/diagrams with what is drawn here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

FOLDER = Path(__file__).resolve().parent / "_static" / "diagrams"
WIDTH = 480
FONT = "'DejaVu Sans', 'Helvetica Neue', Arial, sans-serif"
LINE = 17  # units from one line of text to the next
# what a box is: fill and outline, light and dark; the hues are those of the figures (Okabe and Ito)
THEMES = {
    "light": {
        "ink": "#1b1f24", "soft": "#57606a", "mark": "#b23c00", "mark_ink": "#ffffff",
        "audio": ("#f1f3f5", "#57606a"), "words": ("#dcecf7", "#0072b2"), "prosody": ("#fdf0d0", "#9a6b00"),
        "speaker": ("#d6f0e6", "#00745a"), "model": ("#ece4f5", "#6a4c93"), "result": ("#ffffff", "#57606a"),
    },
    "dark": {
        "ink": "#e6e9ec", "soft": "#aeb6bf", "mark": "#ff9d5c", "mark_ink": "#14181e",
        "audio": ("#2a3038", "#9aa4af"), "words": ("#123048", "#6cb8ea"), "prosody": ("#3a2f10", "#e6b94a"),
        "speaker": ("#0f352a", "#5cc9a7"), "model": ("#2f2540", "#b79be0"), "result": ("#14181e", "#9aa4af"),
    },
}  # fmt: skip


@dataclass
class Canvas:
    """Collects the parts of one SVG; lengths in units of the drawing, the origin at the upper left."""

    theme: str
    height: int
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, line: str, *, size: int = 14, colour: str = "ink", bold: bool = False) -> None:
        """A line of text centred on x, its baseline at y."""
        weight = ' font-weight="bold"' if bold else ""
        style = f'font-size="{size}" fill="{self._colour(colour)}"{weight}'
        self.parts.append(f'<text x="{x:g}" y="{y:g}" text-anchor="middle" {style}>{escape(line)}</text>')

    def box(self, x: float, y: float, w: float, h: float, lines: Sequence[str], kind: str, size: int = 14) -> None:
        """A box with centred lines of text, the first of them bold."""
        fill, outline = THEMES[self.theme][kind]
        shape = f'x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="7"'
        self.parts.append(f'<rect {shape} fill="{fill}" stroke="{outline}" stroke-width="1.5"/>')
        top = y + h / 2 - LINE * (len(lines) - 1) / 2 + 5
        for number, line in enumerate(lines):
            self.text(x + w / 2, top + LINE * number, line, size=size, bold=number == 0)

    def arrow(self, *points: tuple[float, float]) -> None:
        """A line through the points, an arrow head at the last."""
        path = " L".join(f"{x:g} {y:g}" for x, y in points)
        style = f'fill="none" stroke="{self._colour("soft")}" stroke-width="1.6" marker-end="url(#head)"'
        self.parts.append(f'<path d="M{path}" {style}/>')

    def badge(self, x: float, y: float, line: str) -> None:
        """A disc with the name of a hypothesis."""
        self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="14" fill="{self._colour("mark")}"/>')
        self.text(x, y + 4.5, line, size=13, colour="mark_ink", bold=True)

    def svg(self, title: str) -> str:
        """The whole file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" '
            f'height="{self.height}" font-family="{FONT}">\n<title>{escape(title)}</title>\n'
            '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="{self._colour("soft")}"/></marker></defs>\n'
        )
        return head + "\n".join(self.parts) + "\n</svg>\n"

    def _colour(self, name: str) -> str:
        return THEMES[self.theme][name]


def signal_flow(canvas: Canvas) -> None:
    """The landing page's: where in the chain each hypothesis looks for the loss."""
    canvas.box(150, 6, 180, 36, ["speech"], "audio")
    for x in (80, 240, 400):
        canvas.arrow((240, 42), (240, 56), (x, 56), (x, 72))
    canvas.box(6, 74, 148, 56, ["HuBERT", "which words"], "words")
    canvas.box(166, 74, 148, 56, ["F0", "which melody"], "prosody")
    canvas.box(326, 74, 148, 56, ["ECAPA or GST", "which voice"], "speaker")
    canvas.arrow((80, 130), (80, 158))
    canvas.arrow((240, 130), (240, 248))
    canvas.arrow((400, 130), (400, 158))
    canvas.box(6, 160, 148, 56, ["layer T1, T6, T12", "soft units or none"], "words", 13)
    canvas.box(326, 160, 148, 56, ["another voice", "or own, or none"], "speaker", 13)
    canvas.arrow((80, 216), (80, 248))
    canvas.arrow((400, 216), (400, 248))
    canvas.box(6, 250, 468, 38, ["intermediate representation, 100 frames/s"], "audio")
    canvas.arrow((240, 288), (240, 314))
    canvas.box(120, 316, 240, 38, ["vocoder: HiFi-GAN"], "model")
    canvas.arrow((240, 354), (240, 380))
    canvas.box(120, 382, 240, 36, ["anonymised speech"], "audio")
    for x in (62, 181, 300, 418):
        canvas.arrow((240, 418), (240, 432), (x, 432), (x, 448))
    for x, lines in ((6, ["who?", "EER"]), (125, ["what?", "WER"]), (244, ["how?", "recalls"])):
        canvas.box(x, 450, 112, 56, lines, "result")
    canvas.box(363, 450, 111, 56, ["acoustics", "kurtosis, ..."], "result")
    for x, y, name in ((356, 316, "H1"), (326, 160, "H2"), (154, 160, "H3"), (456, 448, "H4")):
        canvas.badge(x, y, name)


def system(canvas: Canvas) -> None:
    """The paper's figure 1: SSL-SAS."""
    canvas.box(150, 6, 180, 36, ["input speech"], "audio")
    for x in (80, 240, 400):
        canvas.arrow((240, 42), (240, 56), (x, 56), (x, 72))
    canvas.box(6, 74, 148, 56, ["HuBERT", "T6, or T12 + soft"], "words", 13)
    canvas.box(166, 74, 148, 56, ["YAAPT", "F0"], "prosody")
    canvas.box(326, 74, 148, 56, ["ECAPA-TDNN", "192 dimensions"], "speaker", 13)
    canvas.arrow((80, 130), (80, 168))
    canvas.arrow((240, 130), (240, 260))
    canvas.arrow((400, 130), (400, 168))
    canvas.text(126, 153, "50 frames/s", size=12, colour="soft")
    canvas.box(6, 170, 148, 56, ["repeat twice", "to 100 frames/s"], "words", 13)
    canvas.box(326, 170, 148, 56, ["selec-anon", "pseudo-speaker"], "speaker", 13)
    canvas.arrow((80, 226), (80, 260))
    canvas.arrow((400, 226), (400, 260))
    canvas.text(352, 247, "every frame", size=12, colour="soft")
    canvas.box(6, 262, 468, 38, ["concatenated: the IR"], "audio")
    canvas.arrow((240, 300), (240, 326))
    canvas.box(120, 328, 240, 38, ["unified vocoder: HiFi-GAN"], "model")
    canvas.arrow((240, 366), (240, 392))
    canvas.box(150, 394, 180, 36, ["output speech"], "audio")


def privacy(canvas: Canvas) -> None:
    """The paper's figure 2: what the attacker compares, without protection and when lazy-informed."""
    canvas.text(240, 20, "unprotected", bold=True)
    _attack(canvas, 32, ("", ""))
    canvas.text(240, 192, "lazy-informed attacker", bold=True)
    _attack(canvas, 204, ("invocation 1", "invocation 2"))


def _attack(canvas: Canvas, y: float, invocations: tuple[str, str]) -> None:
    for name, invocation, top in zip(("enrolment", "trial"), invocations, (y, y + 70), strict=True):
        canvas.box(6, top, 98, 54, [name, "speech"], "audio")
        if invocation:
            canvas.arrow((104, top + 27), (128, top + 27))
            canvas.box(130, top, 116, 54, ["anonymizer", invocation], "speaker", 13)
        start = 246 if invocation else 104
        canvas.arrow((start, top + 27), (270, top + 27))
    canvas.box(272, y, 110, 124, ["ASV", "same speaker?", "pretrained"], "model", 13)
    canvas.arrow((382, y + 62), (408, y + 62))
    canvas.box(410, y + 35, 64, 54, ["EER"], "result")


def utility(canvas: Canvas) -> None:
    """The paper's figure 3: emotion recognition and intelligibility."""
    columns = (
        (6, "IEMOCAP", "SER", "sad, neutral, angry, happy", "recalls, UAR"),
        (246, "LibriSpeech, IEMOCAP", "ASR", "words", "WER"),
    )
    for x, corpus, model, what, result in columns:
        middle = x + 114
        canvas.box(x + 24, 6, 180, 54, ["speech", corpus], "audio", 13)
        canvas.arrow((middle, 60), (middle, 82))
        canvas.box(x + 24, 84, 180, 54, ["anonymizer", "or none, for reference"], "speaker", 13)
        canvas.arrow((middle, 138), (middle, 160))
        canvas.box(x, 162, 228, 54, [f"{model}, pretrained", what], "model", 13)
        canvas.arrow((middle, 216), (middle, 238))
        canvas.box(x + 24, 240, 180, 38, [result], "result")


DIAGRAMS: dict[str, tuple[Callable[[Canvas], None], int, str]] = {
    "signal_flow": (signal_flow, 514, "From speech to anonymised speech, and where the four hypotheses stand"),
    "system": (system, 436, "SSL-SAS, the system under test"),
    "privacy": (privacy, 334, "Privacy evaluation"),
    "utility": (utility, 284, "Utility evaluation"),
}


def draw(name: str, theme: str) -> str:
    """The SVG of a diagram by its name, in a theme of THEMES."""
    drawing, height, title = DIAGRAMS[name]
    canvas = Canvas(theme, height)
    drawing(canvas)
    return canvas.svg(title)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in DIAGRAMS:
        for theme in THEMES:
            (FOLDER / f"{name}_{theme}.svg").write_text(draw(name, theme))


if __name__ == "__main__":
    main()
