"""nEMO as a small tree with the original's table."""

import json
from collections import Counter

import pytest
import soundfile
from speech import SHARED, needs_real_speech
from stand_in import tone

from emotrace.corpus.datadir import CorpusError, Emotion
from emotrace.corpus.importers import import_corpus
from emotrace.corpus.validate import validate

HEADING = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
SPEAKERS = {"EB0": "female", "IC0": "female", "KS0": "male", "MP0": "male"}
NAMES = {"sadness": Emotion.SAD, "neutral": Emotion.NEUTRAL, "anger": Emotion.ANGRY, "happiness": Emotion.HAPPY}


def nemo_tree(root, folder="samples", emotions=(*NAMES, "fear"), rate=24_000):
    (root / folder).mkdir(parents=True)
    lines = []
    for place, (speaker, gender) in enumerate(SPEAKERS.items()):
        for emotion in emotions:
            for sentence in (1, 8):
                name = f"{speaker}_{emotion}_{sentence}.wav"
                soundfile.write(root / folder / name, tone(rate=rate, f0=110.0 + 10 * place), rate)
                # padded with spaces as in the release
                lines.append(f"{name}\t{emotion}\tLubię czytać.\tlubię czytać   \t   {speaker}\t{gender}\t27\n")
    (root / "data.tsv").write_text(HEADING + "".join(lines), encoding="utf-8")
    return root


@pytest.mark.parametrize("folder", [".", "samples"])
def test_four_emotions_are_imported_and_the_others_counted(tmp_path, folder):
    if folder == ".":
        nemo_tree(tmp_path / "tree")
        for path in (tmp_path / "tree" / "samples").iterdir():
            path.rename(tmp_path / "tree" / path.name)
    else:
        nemo_tree(tmp_path / "tree")
    (data,) = import_corpus("nemo", tmp_path / "tree", tmp_path / "nemo").data
    assert len(data) == 32 and Counter(u.emotion for u in data) == dict.fromkeys(Emotion, 8)
    assert {u.speaker: u.gender for u in data} == {name: gender[0] for name, gender in SPEAKERS.items()}
    assert {u.text for u in data} == {"LUBIĘ CZYTAĆ"}
    assert {soundfile.info(u.path).samplerate for u in data} == {16_000}
    summary = json.loads((tmp_path / "nemo" / "import.json").read_text())
    assert summary["imported"] == {"sad": 8, "neu": 8, "ang": 8, "hap": 8}
    assert summary["skipped"] == {"fear": 8, "surprise": 0}
    assert not validate(tmp_path / "nemo")


def test_no_speaker_is_in_two_folds_and_enrolment_is_neutral(tmp_path):
    (data,) = import_corpus("nemo", nemo_tree(tmp_path / "tree"), tmp_path / "nemo").data
    folds = {(u.speaker, u.fold) for u in data}
    assert len(folds) == 4 and len({fold for _, fold in folds}) == 2
    for fold in ("1", "2"):
        assert {u.gender for u in data if u.fold == fold} == {"f", "m"}
    assert {data[name].emotion for name in data.enrolment} == {Emotion.NEUTRAL}
    tried = {trial.utterance for trial in data.trials}
    assert tried and not tried & set(data.enrolment)
    assert all(data[trial.utterance].gender == SPEAKERS[trial.speaker][0] for trial in data.trials)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("normalized_text", "text", "no column normalized_text"),
        ("\tanger\t", "\trage\t", r"data.tsv:6: unknown emotion 'rage'"),
        ("\tmale\t", "\tnone\t", "no recording of a speaker 'KS0', 'none'"),
        ("EB0_anger_1.wav", "EB0_anger_9.wav", "EB0_anger_9.wav does not exist: unpack"),
        ("EB0_anger_1.wav", "../EB0_anger_1.wav", "no recording of a speaker"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, old, new, words):
    tree = nemo_tree(tmp_path / "tree", emotions=("sadness", "neutral", "anger"))
    table = tree / "data.tsv"
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(CorpusError, match=words):
        import_corpus("nemo", tree, tmp_path / "nemo")
    assert not (tmp_path / "nemo").exists()


def test_a_folder_without_the_table_or_without_the_four_emotions(tmp_path):
    with pytest.raises(CorpusError, match=r"data.tsv: does not exist"):
        import_corpus("nemo", tmp_path, tmp_path / "nemo")
    with pytest.raises(CorpusError, match="names no recording of sadness"):
        import_corpus("nemo", nemo_tree(tmp_path / "tree", emotions=("fear",)), tmp_path / "nemo")


@needs_real_speech
def test_the_part_at_hand(tmp_path):
    (data,) = import_corpus("nemo", SHARED / "nemo_16k", tmp_path / "nemo").data
    assert len(data) == 432 and Counter(u.emotion for u in data) == dict.fromkeys(Emotion, 108)
    assert Counter({u.speaker: u.gender for u in data}.values()) == {"f": 4, "m": 5}
    assert {len({u.speaker for u in data if u.fold == fold}) for fold in {u.fold for u in data}} == {2, 3}
