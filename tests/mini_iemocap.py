"""IEMOCAP's full release in miniature: its layout, annotators who disagree, and macOS's shadow files."""

from pathlib import Path

import soundfile
from stand_in import tone

TITLE = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
# Turn: header label, what the evaluators said, what the actor said of himself, the transcript.
TURNS = {
    "Ses01F_impro01": {
        "F000": ("neu", ["Neutral;", "Neutral;", "Neutral;"], "Frustration;", "Excuse me."),
        "M000": ("ang", ["Anger;", "Anger; Frustration;", "Frustration; Anger;"], "Anger;", "Do you have your forms?"),
        "F001": ("xxx", ["Anger;", "Frustration;", "Neutral;"], "Anger;", "Yeah."),
        "M001": ("fru", ["Frustration;", "Frustration;", "Anger;"], "Anger;", "Let me see them. [BREATHING]"),
        "F002": ("exc", ["Excited;", "Excited;", "Happiness;"], "Excited;", "That's great!"),
    },
    "Ses01M_script01_1": {
        "F000": ("sad", ["Sadness;", "Sadness;", "Neutral;"], "Sadness;", "I'm sorry."),
        "M000": ("hap", ["Happiness;", "Happiness; Excited;", "Excited;"], "Happiness;", "[LAUGHTER]"),
        "M001": ("oth", ["Other;", "Other;", "Other;"], "Other;", "Hm."),
    },
    "Ses03F_script02_2b": {
        "F000": ("sad", ["Sadness;", "Sadness;", "Sadness;"], "Sadness;", "It's no use."),
        "M005": ("neu", ["Neutral;", "Anger;", "Sadness;"], "Neutral;", "Well."),
    },
}


def label_file(dialog, turns):
    text = TITLE
    for number, (turn, (label, votes, own, _)) in enumerate(turns.items()):
        text += f"[{number}.2901 - {number}.9357]\t{dialog}_{turn}\t{label}\t[2.5000, 2.5000, 2.5000]\n"
        text += "".join(f"C-E{place}:\t{vote}\t()\n" for place, vote in enumerate(votes, start=2))
        actor = turn[0]
        text += f"C-{actor}1:\t{own}\t(a remark; with Anger;)\nA-E3:\tval 3; act 2; dom  2;\t()\n"
        text += f"A-{actor}1:\tval 2; act 2; dom  2;\t()\n\n"
    return text


def make_release(root: Path, dialogs=TURNS) -> Path:
    for dialog, turns in dialogs.items():
        session = root / f"Session{dialog[4]}"
        labels, texts = session / "dialog/EmoEvaluation", session / "dialog/transcriptions"
        audio = session / "sentences/wav" / dialog
        for folder in (labels / "Categorical", texts, audio):
            folder.mkdir(parents=True, exist_ok=True)
        (labels / f"{dialog}.txt").write_text(label_file(dialog, turns))
        (labels / f"._{dialog}.txt").write_bytes(b"\x00\x05\x16\x07macOS")
        (labels / "Categorical" / f"{dialog}_e2_cat.txt").write_text(f"{dialog}_F000 :Neutral state; ()\n")
        spoken = [f"{dialog}_{turn} [006.2901-008.2357]: {entry[3]}\n" for turn, entry in turns.items()]
        (texts / f"{dialog}.txt").write_text("".join([*spoken, f"{dialog}_MXX0 [9.0-9.5]: Psst.\n", "M: a remark\n"]))
        for number, turn in enumerate(turns):
            soundfile.write(audio / f"{dialog}_{turn}.wav", tone(0.5, f0=120 + 10 * number), 16_000)
    return root
