"""The registry of importers and its command; RAVDESS and LibriSpeech as small trees with the originals' names."""

import inspect
import io
import json
import sys
import zipfile
from dataclasses import replace

import librosa
import numpy as np
import pytest
import soundfile
from command_line import run, snapshot
from speech import SHARED, needs_real_speech
from stand_in import make_corpus, tone
from vpc_layout import lay_out

from emotrace.corpus.audio import AudioError
from emotrace.corpus.datadir import CorpusError, DataDir, Emotion, write_datadir
from emotrace.corpus.importers import IMPORTERS, Imported, import_corpus
from emotrace.corpus.importers.librispeech import import_librispeech, import_readers
from emotrace.corpus.importers.ravdess import import_ravdess
from emotrace.corpus.validate import validate


def ravdess_names(actors, codes=(1, 3)):
    return [
        f"Actor_{actor:02d}/03-01-{code:02d}-01-{statement:02d}-01-{actor:02d}"
        for actor in actors
        for code in codes
        for statement in (1, 2)
    ]


def padded(rate, seed):
    """A tone of 0.6 s between silences of 0.5 s."""
    silence = np.zeros(rate // 2)
    return np.concatenate([silence, tone(rate=rate, f0=120.0 + seed), silence])


def ravdess_tree(root, names, *, rate=48_000, suffix=".wav"):
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        # Integers: libsndfile rounds floats differently for FLAC and WAV.
        soundfile.write(root / f"{name}{suffix}", np.rint(padded(rate, seed) * 32767).astype(np.int16), rate)
    return root


def zipped(folder, file, prefix=""):
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*.wav")):
            archive.write(path, prefix + path.relative_to(folder).as_posix())
    return file


def test_actors_are_split_labelled_and_folded(tmp_path):
    tree = ravdess_tree(tmp_path / "tree", ravdess_names([1, *range(13, 25)], codes=(1, 2, 3, 4, 5)))
    corpora = import_ravdess(tree, tmp_path / "ravdess")
    train, test = corpora["train"], corpora["test"]
    assert (len(train), len(test)) == (10, 120)
    assert train.speakers == ("actor01",) and {u.fold for u in train} == {None} and train.trials == ()
    utterance = test["actor14-03-01-05-01-02-01-14"]
    assert (utterance.speaker, utterance.gender, utterance.emotion) == ("actor14", "f", Emotion.ANGRY)
    assert utterance.text == "DOGS ARE SITTING BY THE DOOR"
    assert [sum(u.emotion is emotion for u in test) for emotion in Emotion] == [24, 48, 24, 24]
    for fold in ("1", "2", "3"):
        members = {(u.speaker, u.gender) for u in test if u.fold == fold}
        assert sorted(gender for _, gender in members) == ["f", "f", "m", "m"]
    assert validate(train.path) == [] and validate(test.path) == []


def test_trials_are_same_gender_and_neutral_with_another_statement(tmp_path):
    tree = ravdess_tree(tmp_path / "tree", ravdess_names(range(13, 17), codes=(1, 2, 5)))
    test = import_ravdess(tree, tmp_path / "ravdess")["test"]
    assert test.enrolment == tuple(f"actor{a}-03-01-0{code}-01-01-01-{a}" for a in range(13, 17) for code in (1, 2))
    # Two speakers of each gender, each claimed for both speakers' two calm renderings of statement 02.
    assert len(test.trials) == 16 and sum(trial.target for trial in test.trials) == 8
    gender = {u.speaker: u.gender for u in test}
    for trial in test.trials:
        spoken = test[trial.utterance]
        assert spoken.gender == gender[trial.speaker] and spoken.emotion is Emotion.NEUTRAL
        assert "DOGS" in spoken.text and trial.target == (spoken.speaker == trial.speaker)


def test_other_emotions_are_left_out_and_counted(tmp_path):
    tree = ravdess_tree(tmp_path / "tree", ravdess_names([2, 13], codes=(1, 6, 8)))
    corpora = import_ravdess(tree, tmp_path / "ravdess")
    assert (len(corpora["train"]), len(corpora["test"])) == (2, 2)
    summary = json.loads((tmp_path / "ravdess/import.json").read_text())
    assert summary["skipped"] == {"fearful": 4, "disgust": 0, "surprised": 4}
    assert summary["imported"] == {"train": 2, "test": 2}


def test_folder_flac_and_zip_agree(tmp_path):
    names = ravdess_names([1, 13])
    wav = ravdess_tree(tmp_path / "wav", names)
    archive = zipped(wav, tmp_path / "Audio_Speech_Actors_01-24.zip", prefix="Audio_Speech_Actors_01-24/")
    flac = ravdess_tree(tmp_path / "flac", names, suffix=".flac")
    hashes = {
        kind: {data.path.name: data.content_hash() for data in import_ravdess(source, tmp_path / f"out-{kind}").data}
        for kind, source in (("wav", wav), ("flac", flac), ("zip", archive))
    }
    assert hashes["wav"] == hashes["zip"] == hashes["flac"]
    assert set(hashes["wav"]) == {"train", "train-first", "train-01", "test", "test-02"}


def test_resampling_and_trimming(tmp_path):
    tree = ravdess_tree(tmp_path / "tree", ravdess_names([13], codes=(1,)))
    cut = import_ravdess(tree, tmp_path / "cut")["test"].utterances[0]
    whole = import_ravdess(tree, tmp_path / "whole", trim=False)["test"].utterances[0]
    assert soundfile.info(cut.path).format == "FLAC" and soundfile.info(cut.path).samplerate == 16_000
    assert soundfile.info(whole.path).frames == 25_600
    samples = soundfile.read(cut.path)[0]
    # 0.6 s of tone with 0.1 s on both sides; librosa's frames of 2048 samples blur either edge.
    assert 0.8 * 16_000 <= len(samples) <= 0.8 * 16_000 + 2 * 2048
    expected, _ = librosa.effects.trim(soundfile.read(whole.path)[0], top_db=40)
    assert len(samples) == len(expected) + 2 * 1600


def test_a_full_scale_recording_does_not_overshoot(tmp_path):
    tree = tmp_path / "Actor_13"
    tree.mkdir()
    square = np.sign(np.sin(2 * np.pi * 150 * np.arange(48_000) / 48_000)) * 0.9999
    soundfile.write(tree / "03-01-05-02-01-01-13.wav", square, 48_000)
    test = import_ravdess(tmp_path, tmp_path / "out")["test"]
    assert np.abs(soundfile.read(test.utterances[0].path)[0]).max() <= 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Actor_13/notes.wav", "not a RAVDESS tree: 'Actor_13/notes.wav'"),
        ("Actor_13/03-02-01-01-01-01-13.wav", "not audio-only speech"),
        ("Actor_13/01-01-01-01-01-01-13.wav", "not audio-only speech"),
        ("Actor_13/03-01-09-01-01-01-13.wav", "unknown emotion code 09"),
        ("Actor_13/03-01-01-01-03-01-13.wav", "unknown statement 03"),
        ("Actor_25/03-01-01-01-01-01-25.wav", "actor 25"),
        ("copy/03-01-01-01-01-01-13.wav", "occurs 2 times"),
    ],
)
def test_a_foreign_file_stops_the_import(tmp_path, name, reason):
    tree = ravdess_tree(tmp_path / "tree", [*ravdess_names([13]), name.removesuffix(".wav")])
    with pytest.raises(CorpusError, match=reason):
        import_ravdess(tree, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_tree_at_all(tmp_path):
    with pytest.raises(CorpusError, match="no such folder or zip file"):
        import_ravdess(tmp_path / "nothing", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="not a RAVDESS tree: no audio named like"):
        import_ravdess(tmp_path / "empty", tmp_path / "out")
    (tmp_path / "file.zip").write_text("no zip")
    with pytest.raises(CorpusError, match="neither a folder nor a readable zip"):
        import_ravdess(tmp_path / "file.zip", tmp_path / "out")


def test_unreadable_audio_leaves_nothing_behind(tmp_path):
    tree = ravdess_tree(tmp_path / "tree", ravdess_names([13]))
    (tree / "Actor_13/03-01-03-01-02-01-13.wav").write_text("no audio")
    with pytest.raises(AudioError, match="03-01-03-01-02-01-13"):
        import_ravdess(tree, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tree"]


def test_an_occupied_target_is_refused_before_any_work(tmp_path):
    tree = ravdess_tree(tmp_path / "tree", ravdess_names([13]))
    import_ravdess(tree, tmp_path / "out")
    before = DataDir.read(tmp_path / "out/test").content_hash()
    with pytest.raises(FileExistsError, match="not empty"):
        import_ravdess(tree, tmp_path / "out")
    assert DataDir.read(tmp_path / "out/test").content_hash() == before


@pytest.mark.parametrize("name", ["../../03-01-01-01-01-01-13.wav", "/tmp/03-01-01-01-01-01-13.wav", "..\\a\\x.wav"])
def test_a_zip_that_points_outside_is_refused(tmp_path, name):
    sound = io.BytesIO()
    soundfile.write(sound, tone(), 48_000, format="WAV")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("Actor_13/03-01-01-01-01-02-13.wav", sound.getvalue())
        archive.writestr(name, sound.getvalue())
    with pytest.raises(CorpusError, match="points outside the archive"):
        import_ravdess(tmp_path / "a.zip", tmp_path / "deep" / "er" / "out")
    assert not list(tmp_path.rglob("*.wav")) and not list(tmp_path.rglob("*.flac"))


def test_macos_shadow_files_are_ignored(tmp_path):
    tree = ravdess_tree(tmp_path / "tree", ravdess_names([13]))
    (tree / "Actor_13/._03-01-01-01-01-01-13.wav").write_bytes(b"\x00")
    (tree / "Actor_13/.DS_Store").write_bytes(b"\x00")
    assert len(import_ravdess(tree, tmp_path / "out")["test"]) == 4


def librispeech_tree(root, chapters):
    """`chapters`: {(reader, chapter): number of utterances}; readers 19 (F), 26 and 27 (M)."""
    root.mkdir()
    (root / "SPEAKERS.TXT").write_text(
        ";ID |SEX| SUBSET | MINUTES | NAME\n"
        "19 | F | train-clean-100 | 25.19 | Kara\n"
        "26 | M | train-clean-100 | 25 | A | B\n"
        "27 | M | train-clean-100 | 25 | C\n"
    )
    for (reader, chapter), count in chapters.items():
        folder = root / "train-clean-100" / reader / chapter
        folder.mkdir(parents=True)
        ids = [f"{reader}-{chapter}-{number:04d}" for number in range(count)]
        for number, key in enumerate(ids):
            soundfile.write(folder / f"{key}.flac", tone(f0=100.0 + number), 16_000)
        (folder / f"{reader}-{chapter}.trans.txt").write_text("".join(f"{key} it's number {key[-1]}\n" for key in ids))
    return root


def test_readers_have_enrolment_and_trials_within_their_gender(tmp_path):
    tree = librispeech_tree(tmp_path / "tree", {("19", "198"): 5, ("26", "495"): 4, ("27", "1"): 8})
    test = import_corpus("librispeech-readers", tree, tmp_path / "out")["test"]
    assert len(test) == 17 and validate(test.path) == [] and test["19-198-0001"].text == "IT'S NUMBER 1"
    # Nobody is there to be tried against the only woman; of the men two utterances each are enrolled.
    assert test.enrolment == ("26-495-0000", "26-495-0001", "27-1-0000", "27-1-0001")
    assert len(test.trials) == 2 * (2 + 6) and sum(trial.target for trial in test.trials) == 8
    assert {trial.utterance for trial in test.trials}.isdisjoint(test.enrolment)
    summary = json.loads((tmp_path / "out/import.json").read_text())
    assert (summary["readers"], summary["enrolled"], summary["trials"]) == (3, 4, 16)


def test_readers_without_transcripts_are_found_wherever_they_lie(tmp_path):
    tree = librispeech_tree(tmp_path / "tree", {("26", "495"): 4, ("27", "1"): 4})
    with_words = import_readers(tree, tmp_path / "words")["test"]
    for audio in tree.rglob("*.flac"):
        (tmp_path / "flat" / audio.parts[-3]).mkdir(parents=True, exist_ok=True)
        audio.rename(tmp_path / "flat" / audio.parts[-3] / audio.name)
    code, lines = run(
        *("import", "librispeech-readers", tmp_path / "flat", tmp_path / "bare", "--speakers", tree / "SPEAKERS.TXT")
    )
    assert code == 0 and "8 utterances, 2 speakers" in lines[-1], lines
    bare = DataDir.read(tmp_path / "bare/test")
    assert (bare.enrolment, bare.trials) == (with_words.enrolment, with_words.trials)
    assert {u.text for u in bare} == {None} and {u.text for u in with_words} != {None}


def test_of_each_reader_some_utterances_evenly_spread(tmp_path):
    tree = librispeech_tree(tmp_path / "tree", {("19", "198"): 3, ("26", "495"): 9, ("27", "1"): 2})
    target = tmp_path / "out"
    code, lines = run("import", "librispeech-readers", tree, target, "--limit", 4, "--without", "19")
    assert code == 0, lines
    assert [u.id for u in DataDir.read(target / "test")] == [
        *(f"26-495-000{number}" for number in (0, 2, 4, 6)),
        *(f"27-1-000{number}" for number in (0, 1)),
    ]


def test_listed_utterances_alone_are_taken(tmp_path):
    tree = librispeech_tree(tmp_path / "tree", {("26", "495"): 5, ("27", "1"): 5})
    listed, target = tmp_path / "listed.txt", tmp_path / "out"
    wanted = [f"26-495-000{n}" for n in (0, 2, 4)] + [f"27-1-000{n}" for n in (1, 2, 3)]
    listed.write_text("\n".join(reversed(wanted)))
    code, lines = run("import", "librispeech-readers", tree, target, "--only", listed)
    assert code == 0, lines
    data = DataDir.read(target / "test")
    assert [u.id for u in data] == wanted and len(data.trials) == 4
    listed.write_text("26-495-0000 27-1-0007 27-1-0009")
    for file, said in ((listed, "lacks 2 of 3 utterances .* first 27-1-0007"), (tmp_path / "none", "no such file")):
        with pytest.raises(CorpusError, match=said):
            import_readers(tree, tmp_path / "again", only=file)


def test_a_reader_of_two_utterances_is_not_tried(tmp_path):
    tree = librispeech_tree(tmp_path / "tree", {("26", "495"): 2, ("27", "1"): 4})
    test = import_readers(tree, tmp_path / "out")["test"]
    assert len(test) == 6 and test.enrolment == () and test.trials == ()


def test_readers_that_are_not_a_librispeech_tree(tmp_path):
    tree = librispeech_tree(tmp_path / "tree", {("26", "495"): 2, ("27", "1"): 2})
    with pytest.raises(CorpusError, match="no SPEAKERS.TXT"):
        import_readers(tree / "train-clean-100", tmp_path / "out")
    (tree / "train-clean-100/27/1/27-1.trans.txt").unlink()
    with pytest.raises(CorpusError, match="27-1-0000.flac: its chapter has no transcript"):
        import_readers(tree, tmp_path / "out")
    for audio in tree.rglob("*.flac"):
        audio.unlink()
    (tree / "train-clean-100/26/495/26-495.trans.txt").unlink()
    with pytest.raises(CorpusError, match="holds no audio"):
        import_readers(tree, tmp_path / "out")
    soundfile.write(tree / "99-1-0000.flac", tone(), 16_000)
    with pytest.raises(CorpusError, match="of a reader in SPEAKERS.TXT"):
        import_readers(tree, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@needs_real_speech
def test_the_readers_of_dev_clean_and_test_other(tmp_path):
    speakers = SHARED / "librispeech_3spk" / "SPEAKERS.TXT"
    for name, readers, women, words in (
        ("librispeech_devclean20", 20, 9, True),
        ("librispeech_test_other", 10, 5, False),
    ):
        test = import_readers(SHARED / name, tmp_path / name, speakers=speakers)["test"]
        assert len(test.speakers) == readers and len({u.speaker for u in test if u.gender == "f"}) == women
        assert {u.text is not None for u in test} == {words}
        assert {test[trial.utterance].speaker for trial in test.trials} == set(test.speakers)


def test_librispeech_chapters_are_held_out(tmp_path):
    tree = librispeech_tree(tmp_path / "tree", {("19", "198"): 3, ("26", "495"): 2, ("26", "496"): 4})
    corpora = import_librispeech(tree, tmp_path / "libri", test_chapters=("496",), test_limit=3)
    assert [u.id for u in corpora["train"]] == [*(f"19-198-000{n}" for n in range(3)), "26-495-0000", "26-495-0001"]
    assert [u.id for u in corpora["test"]] == ["26-496-0000", "26-496-0001", "26-496-0002"]
    first = corpora["train"]["19-198-0001"]
    assert (first.speaker, first.gender, first.text, first.emotion) == ("19", "f", "IT'S NUMBER 1", None)
    original = soundfile.read(tree / "train-clean-100/19/198/19-198-0001.flac", dtype="int16")[0]
    np.testing.assert_array_equal(soundfile.read(first.path, dtype="int16")[0], original)
    assert validate(corpora["train"].path) == [] and validate(corpora["test"].path) == []


def break_transcript(old, new):
    def apply(tree):
        file = tree / "train-clean-100/19/198/19-198.trans.txt"
        file.write_text(file.read_text().replace(old, new))

    return apply


@pytest.mark.parametrize(
    ("apply", "reason"),
    [
        (lambda tree: (tree / "SPEAKERS.TXT").unlink(), "not a LibriSpeech tree: no SPEAKERS.TXT"),
        (lambda tree: (tree / "SPEAKERS.TXT").write_text("19 | X | a\n"), "SPEAKERS.TXT:1: expected"),
        (lambda tree: (tree / "SPEAKERS.TXT").write_text("26 | M | a\n"), "198.trans.txt:1: reader '19' is not in"),
        (
            lambda tree: (tree / "train-clean-100/19/198/19-198-0001.flac").unlink(),
            "trans.txt:2: audio 19-198-0001.flac",
        ),
        (break_transcript("19-198-0001 it's number 1\n", ""), "has no transcript of 19-198-0001.flac"),
        (break_transcript("19-198-0001 it's number 1", "19-198-0001 "), "trans.txt:2: expected 'READER"),
        (break_transcript("19-198-0001", "26-198-0001"), "trans.txt:2: expected 'READER"),
    ],
)
def test_a_tree_that_is_not_librispeech(tmp_path, apply, reason):
    tree = librispeech_tree(tmp_path / "tree", {("19", "198"): 2})
    apply(tree)
    with pytest.raises(CorpusError, match=reason):
        import_librispeech(tree, tmp_path / "out", test_chapters=())
    assert not (tmp_path / "out").exists()


def test_an_unknown_test_chapter_is_refused(tmp_path):
    tree = librispeech_tree(tmp_path / "tree", {("19", "198"): 2})
    with pytest.raises(CorpusError, match="holds no chapter 124992: it has 198"):
        import_librispeech(tree, tmp_path / "out")


TOY_IMPORTER = """
from emotrace.corpus.datadir import DataDir, Utterance, write_datadir
from emotrace.corpus.importers import Imported


def import_toy(source, target, *, labels=None, shout=False):
    files = sorted(source.glob("*.wav"))
    spoken = [Utterance(file.stem, file.stem[:2], "f", file, file.stem.upper() + "!" * shout) for file in files]
    return Imported((write_datadir(target, spoken),), (f"{len(files)} toys", f"labels {labels}"))
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A corpus of five files and its importer, registered from a module outside the package."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "toy_importer.py").write_text(TOY_IMPORTER)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setitem(IMPORTERS, "toy", "toy_importer:import_toy")
    (tmp_path / "toys").mkdir()
    for number in range(5):
        soundfile.write(tmp_path / "toys" / f"t{number}-hello.wav", tone(f0=150.0 + number), 16_000)
    yield tmp_path / "toys"
    sys.modules.pop("toy_importer", None)


def test_a_corpus_from_outside_the_package_is_a_file_and_a_registry_line(toy, tmp_path):
    code, lines = run("import", "toy", toy, tmp_path / "made", "--labels", "mine.csv")
    assert code == 0, lines
    assert lines == [f"{tmp_path / 'made'}: 5 utterances, 5 speakers", "5 toys", "labels mine.csv"]
    assert validate(tmp_path / "made") == []
    data = DataDir.read(tmp_path / "made")
    assert data.speakers == ("t0", "t1", "t2", "t3", "t4")
    assert data["t3-hello"].text == "T3-HELLO" and data["t3-hello"].path == toy / "t3-hello.wav"


def test_an_option_of_the_importer_reaches_it_by_its_name(toy, tmp_path):
    made = import_corpus("toy", toy, tmp_path / "made", shout=True)
    assert {utterance.text[-1] for utterance in made["made"]} == {"!"}
    with pytest.raises(KeyError):
        made["train"]


def test_an_option_of_another_corpus_is_one_error_that_names_the_corpora_that_take_it(toy, tmp_path):
    before = snapshot(tmp_path)
    for corpus, options, message in (
        ("toy", ["--no-trim"], "toy takes no option --trim: it is for ravdess"),
        ("ravdess", ["--labels", "labels.csv"], "ravdess takes no option --labels: it is for wavs, toy"),
        ("wavs", ["--check-majority"], "wavs takes no option --check-majority: it is for iemocap"),
        ("libri-test", ["--no-excited"], "libri-test takes no option --excited: it is for iemocap"),
    ):
        code, lines = run("import", corpus, toy, tmp_path / "made", *options)
        assert (code, lines) == (2, [f"emotrace: {message}"])
    with pytest.raises(ValueError, match="toy takes no option --loud: it is for no corpus"):
        import_corpus("toy", toy, tmp_path / "made", loud=True)
    assert snapshot(tmp_path) == before


def test_an_unknown_corpus_is_refused_with_the_known_ones(tmp_path):
    code, lines = run("import", "timit", tmp_path, tmp_path / "out")
    known = "wavs, ravdess, librispeech, librispeech-readers, libritts, iemocap, nemo, libri-test"
    assert (code, lines) == (2, [f"emotrace: unknown corpus 'timit'; there are: {known}"])
    assert known in " ".join(" ".join(run("import", "--help")[1]).split())


@pytest.mark.parametrize("corpus", list(IMPORTERS))
def test_every_importer_has_the_one_signature(corpus):
    source, target, *options = inspect.signature(IMPORTERS.find(corpus)).parameters.values()
    assert (source.name, target.name) == ("source", "target")
    assert all(option.kind is option.KEYWORD_ONLY and option.default is not option.empty for option in options)
    assert inspect.get_annotations(IMPORTERS.find(corpus), eval_str=True)["return"] is Imported


def test_options_reach_the_importers_through_the_command(tmp_path):
    tree = ravdess_tree(tmp_path / "tree", ravdess_names([13], codes=(1,)))
    assert run("import", "ravdess", tree, tmp_path / "whole", "--no-trim")[0] == 0
    assert run("import", "ravdess", tree, tmp_path / "cut")[0] == 0
    whole, cut = (DataDir.read(tmp_path / name / "test").utterances[0].path for name in ("whole", "cut"))
    assert soundfile.info(whole).frames == 25_600 > soundfile.info(cut).frames
    assert [json.loads((tmp_path / name / "import.json").read_text())["trim"] for name in ("whole", "cut")] == [
        False,
        True,
    ]


def test_libri_test_is_joined_by_its_name(tmp_path):
    corpus = make_corpus(tmp_path / "corpus")
    plain = [replace(u, emotion=None, fold=None) for u in corpus if u.id.endswith(("neu", "sad"))]
    joined = write_datadir(tmp_path / "joined", plain, enrolment=corpus.enrolment, trials=corpus.trials)
    lay_out(joined, tmp_path / "data", "libri_test")
    code, lines = run("import", "libri-test", tmp_path / "data", tmp_path / "again")
    assert (code, lines) == (0, [f"{tmp_path / 'again'}: 8 utterances, 4 speakers"])
    assert DataDir.read(tmp_path / "again").content_hash() == joined.content_hash()


@needs_real_speech
def test_the_real_ravdess_files_of_two_actors(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    for actor in (12, 13):
        (tree / f"Actor_{actor}").symlink_to(SHARED / "ravdess_16k" / f"Actor_{actor}", target_is_directory=True)
    corpora = import_ravdess(tree, tmp_path / "out")
    assert corpora["train"].speakers == ("actor12",) and len(corpora["train"]) == 36
    first = corpora["train-first"]
    assert {u.text for u in corpora["train-01"]} == {"KIDS ARE TALKING BY THE DOOR"} and len(corpora["train-01"]) == 18
    assert len(first) == 18 and all(u.id.split("-")[-2] == "01" for u in first)
    assert {(u.speaker, u.emotion) for u in first} == {(u.speaker, u.emotion) for u in corpora["train"]}
    test = corpora["test"]
    assert {u.id for u in corpora["test-02"]} == {u.id for u in test if u.text == "DOGS ARE SITTING BY THE DOOR"}
    assert [sum(u.emotion is emotion for u in test) for emotion in Emotion] == [8, 12, 8, 8]
    assert (len(test.enrolment), len(test.trials)) == (6, 6)
    assert validate(test.path) == []
