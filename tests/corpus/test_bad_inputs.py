"""Bad inputs, each answered by one clear error that names the culprit and says what to do; nothing is half-written.

First what a user can do wrong at the command line, then what only a caller of the functions can.
"""

import io
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from command_line import run, snapshot
from mini_iemocap import make_release
from safetensors.torch import load_file, save_file
from stand_in import make_corpus, tone

from emotrace.analysis.metrics import MetricError, confusion, eer
from emotrace.anonymizer.selec_anon import Pool, SelecAnonError, load_pool, select
from emotrace.corpus.audio import AudioError, load_audio
from emotrace.corpus.datadir import CorpusError, DataDir, Emotion, Trial, Utterance
from emotrace.corpus.importers.iemocap import import_iemocap
from emotrace.corpus.importers.libritts import import_libritts
from emotrace.corpus.validate import require_usable_audio
from emotrace.evaluation.acoustics import AcousticsError, loudness, oracle_mask
from emotrace.evaluation.asr import AsrError, word_errors
from emotrace.evaluation.asv import AsvError, asv_scores
from emotrace.evaluation.ser import EgemapsSvm, SerError, cross_validated
from emotrace.pipeline.rows import select_rows
from emotrace.representation.ecapa import load_ecapa
from emotrace.representation.f0 import F0Error, yaapt_f0
from emotrace.study.profiles import get_profile
from emotrace.vocoder.acoustic import AcousticConfig, AcousticModel
from emotrace.weights import CheckpointError, ModelError, ModelFolder, load_model, save_model


def edit(name: str, old: str, new: str):
    """Change one Kaldi file of a data directory."""

    def apply(data: DataDir) -> None:
        text = (data.path / name).read_text()
        assert old in text
        (data.path / name).write_text(text.replace(old, new, 1))

    return apply


def sound(samples: np.ndarray, rate: int = 16_000, subtype: str = "PCM_16"):
    """Replace the audio of s1-hap."""
    return lambda data: soundfile.write(data["s1-hap"].path, samples, rate, subtype=subtype, format="WAV")


def shorten(data: DataDir) -> None:
    file = data["s1-hap"].path
    file.write_bytes(file.read_bytes()[:4_000])


def empty(data: DataDir) -> None:
    data["s1-hap"].path.write_bytes(b"")


AUDIO = {
    "truncated FLAC": (shorten, "unreadable audio: "),
    "empty file": (empty, "unreadable audio: "),
    "no samples": (sound(np.zeros(0)), "too short: 0.000 s, expected at least 0.4 s"),
    "NaN samples": (sound(np.full(16_000, np.nan), subtype="FLOAT"), "16000 NaN or infinite samples, first at 0"),
    "silence": (sound(np.zeros(16_000)), "silence: its peak is 0.000000, expected at least 0.001"),
    "20 ms": (sound(tone(0.02)), "too short: 0.020 s, expected at least 0.4 s"),
    "100 Hz": (sound(tone(rate=100), 100), "rate of 100 Hz: speech needs at least 8000 Hz"),
}


@pytest.mark.parametrize("bad", AUDIO)
def test_bad_audio_is_one_problem_at_its_line(tmp_path, bad):
    apply, reason = AUDIO[bad]
    data = make_corpus(tmp_path / "corpus", suffix=".flac")
    apply(data)
    before = snapshot(tmp_path)
    code, lines = run("validate", data.path)
    assert code == 1 and len(lines) == 2 and lines[1] == f"{data.path}: 1 problem"
    assert lines[0].startswith(f"{data.path}/wav.scp:2: audio of 's1-hap': ") and reason in lines[0]
    assert lines[0].endswith("(wav/s1-hap.flac)") and snapshot(tmp_path) == before


@pytest.mark.parametrize("bad", AUDIO)
def test_bad_audio_is_refused_before_any_work(tmp_path, bad):
    data = make_corpus(tmp_path / "corpus", suffix=".flac")
    require_usable_audio(data)
    AUDIO[bad][0](data)
    with pytest.raises(CorpusError) as caught:
        require_usable_audio(data)
    message = str(caught.value)
    assert f"{data.path}: audio of 's1-hap'" in message and "s1-hap.flac" in message and "\n" not in message
    assert "replace the file or leave the utterance out" in message and "more utterances" not in message


@pytest.mark.parametrize("bad", AUDIO)
@pytest.mark.parametrize("command", ["anonymize", "evaluate"])
def test_bad_audio_stops_a_command_before_it_writes_anything(tmp_path, bad, command):
    data, copy = make_corpus(tmp_path / "corpus", suffix=".flac"), make_corpus(tmp_path / "copy")
    AUDIO[bad][0](data)
    before = snapshot(tmp_path)
    options = {
        "anonymize": (data.path, tmp_path / "new", "--row", "none-T6"),
        "evaluate": (data.path, copy.path, "--out", tmp_path / "new"),
    }
    code, lines = run(command, *options[command])
    assert code == 2 and len(lines) == 1, lines
    assert lines[0].startswith(f"emotrace: {data.path}: audio of 's1-hap': ") and "replace the file" in lines[0]
    assert snapshot(tmp_path) == before


def test_a_shell_command_in_wav_scp_is_not_run(tmp_path):
    data = make_corpus(tmp_path / "corpus")
    edit("wav.scp", "wav/s1-hap.wav", f"touch {tmp_path}/ran |")(data)
    code, lines = run("validate", data.path)
    assert code == 1 and "wav.scp:2: audio of 's1-hap' is a shell command: only files are read" in lines[0]
    assert not (tmp_path / "ran").exists()


# What is changed in the data directory, the command (DATA stands for it, NEW for a folder to be made), what the one
# line names, and what it says to do or expects.
COMMANDS = {
    "unknown emotion label": (
        edit("utt2emo", "s1-hap hap", "s1-hap joy"),
        ("evaluate", "DATA", "COPY", "--out", "NEW"),
        ("utt2emo:2", "'joy' of 's1-hap'", "expected one of sad, neu, ang, hap"),
    ),
    "speaker without gender": (
        edit("spk2gender", "s4 m\n", ""),
        ("anonymize", "DATA", "NEW", "--row", "none-T6"),
        ("utt2spk:13", "speaker 's4' has no gender in spk2gender"),
    ),
    "trial of an unknown utterance": (
        edit("trials", "s4 s4-sad", "s4 s4-joy"),
        ("evaluate", "DATA", "COPY", "--out", "NEW"),
        ("trials:8", "trial names unknown utterance 's4-joy'"),
    ),
    "duplicate id": (
        edit("utt2spk", "s1-hap s1\n", "s1-hap s1\ns1-hap s1\n"),
        ("anonymize", "DATA", "NEW", "--row", "none-T6"),
        ("utt2spk:3", "duplicate id 's1-hap'"),
    ),
    "id that leaves the folder": (
        edit("text", "s1-ang", "../s1"),
        ("anonymize", "DATA", "NEW", "--row", "none-T6"),
        ("text:1", "id '../s1' cannot be used as a file name"),
    ),
    "empty transcript": (
        edit("text", "s1-hap ONE TWO", "s1-hap ..."),
        ("evaluate", "DATA", "COPY", "--out", "NEW"),
        ("text:2", "empty transcript of utterance 's1-hap'"),
    ),
    "metadata that is no text": (
        lambda data: (data.path / "text").write_bytes(b"s1-ang \xff\n"),
        ("anonymize", "DATA", "NEW", "--row", "none-T6"),
        ("/text: is not UTF-8 text",),
    ),
    "missing audio": (
        lambda data: data["s1-hap"].path.unlink(),
        ("anonymize", "DATA", "NEW", "--row", "none-T6"),
        ("wav.scp:2", "missing audio of 's1-hap'", "wav/s1-hap.wav does not exist"),
    ),
    "utterance missing in the copy": (
        lambda data: None,
        ("evaluate", "DATA", "LESS", "--out", "NEW"),
        ("less: lacks 4 utterances of the other directory", "first 's4-ang'"),
    ),
    "unknown row": (
        lambda data: None,
        ("anonymize", "DATA", "NEW", "--row", "none-T7"),
        ("unknown row none-T7", "known rows: original, "),
    ),
    "row that makes no audio": (
        lambda data: None,
        ("anonymize", "DATA", "NEW", "--row", "original"),
        ("row original makes no audio", "choose another row"),
    ),
    "suffix with asr": (
        lambda data: None,
        ("anonymize", "DATA", "DATA_asr", "--row", "none-T6"),
        ("the suffix '_asr' contains 'asr', which VoicePrivacy's evaluation skips", "choose another name"),
    ),
    "target that is taken": (
        lambda data: None,
        ("anonymize", "DATA", "COPY", "--row", "none-T6"),
        ("copy: holds a data directory already", "remove it or choose another name"),
    ),
    "unknown model": (
        lambda data: None,
        ("train", "hubert-base", "--data", "DATA", "--out", "NEW"),
        ("no model 'hubert-base'", "there are: all, "),
    ),
}


@pytest.mark.parametrize("bad", COMMANDS)
def test_a_bad_data_directory_or_argument_is_one_line_and_leaves_nothing(tmp_path, bad):
    apply, command, expected = COMMANDS[bad]
    data = make_corpus(tmp_path / "data")
    make_corpus(tmp_path / "copy")
    less = make_corpus(tmp_path / "less")
    for name in ("trials", "enrolls"):
        (less.path / name).unlink()
    for name in ("wav.scp", "utt2spk", "text", "utt2emo", "spk2utt", "spk2gender", "spk2fold"):
        kept = [line for line in (less.path / name).read_text().splitlines() if not line.startswith("s4")]
        (less.path / name).write_text("".join(f"{line}\n" for line in kept))
    apply(data)
    before = snapshot(tmp_path)
    places = {"DATA": data.path, "COPY": tmp_path / "copy", "LESS": less.path, "NEW": tmp_path / "new"}
    places["DATA_asr"] = tmp_path / "data_asr"
    code, lines = run(*(places.get(argument, argument) for argument in command))
    assert code == 2 and len(lines) == 1 and lines[0].startswith("emotrace: "), lines
    assert all(part in lines[0] for part in expected), lines[0]
    assert snapshot(tmp_path) == before


def test_an_unknown_profile_is_refused_with_the_known_ones(tmp_path):
    code, lines = run("plan", "--profile", "huge")
    assert code == 2 and sum("huge" in line for line in lines) == 1 and "phantom" in "".join(lines)
    with pytest.raises(ValueError, match="unknown profile 'huge'; there are: phantom, scale"):
        get_profile("huge")


def recording() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, tone(rate=48_000), 48_000, format="WAV")
    return file.getvalue()


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def zip_slip(folder: Path) -> Path:
    good, bad = "Actor_13/03-01-01-01-01-01-13.wav", "../Actor_13/03-01-03-01-01-01-13.wav"
    return archive(folder / "Audio_Speech_Actors_01-24.zip", {good: recording(), bad: recording()})


def damaged_zip(folder: Path) -> Path:
    """A flipped byte in the samples of the second member: the checksum of the archive no longer fits."""
    names = ("Actor_13/03-01-01-01-01-01-13.wav", "Actor_13/03-01-03-01-01-01-13.wav")
    file = archive(folder / "Audio_Speech_Actors_01-24.zip", {name: recording() for name in names})
    content = bytearray(file.read_bytes())
    content[content.rindex(b"data") + 5_000] ^= 0xFF
    file.write_bytes(content)
    return file


def cut_zip(folder: Path) -> Path:
    file = archive(folder / "Audio_Speech_Actors_01-24.zip", {"Actor_13/03-01-01-01-01-01-13.wav": recording()})
    file.write_bytes(file.read_bytes()[:-200])
    return file


def foreign_tree(folder: Path) -> Path:
    (folder / "tree/Actor_13").mkdir(parents=True)
    (folder / "tree/Actor_13/03-01-09-01-01-01-13.wav").write_bytes(recording())
    return folder / "tree"


def broken_recording(folder: Path) -> Path:
    (folder / "tree/Actor_13").mkdir(parents=True)
    (folder / "tree/Actor_13/03-01-01-01-01-01-13.wav").write_bytes(recording())
    (folder / "tree/Actor_13/03-01-03-01-01-01-13.wav").write_text("no audio")
    return folder / "tree"


def nameless_readers(folder: Path) -> Path:
    (folder / "tree").mkdir()
    return folder / "tree"


IMPORTS = {
    "zip slip": ("ravdess", zip_slip, "member '../Actor_13/03-01-03-01-01-01-13.wav' points outside the archive"),
    "damaged zip": ("ravdess", damaged_zip, "member 'Actor_13/03-01-03-01-01-01-13.wav' cannot be read: Bad CRC-32"),
    "cut zip": ("ravdess", cut_zip, "Audio_Speech_Actors_01-24.zip: neither a folder nor a readable zip file"),
    "unknown emotion code": ("ravdess", foreign_tree, "'Actor_13/03-01-09-01-01-01-13.wav' has the unknown emotion"),
    "broken recording": ("ravdess", broken_recording, "03-01-03-01-01-01-13: unreadable audio"),
    "LibriSpeech without SPEAKERS.TXT": ("librispeech", nameless_readers, "not a LibriSpeech tree: no SPEAKERS.TXT"),
}


@pytest.mark.parametrize("bad", IMPORTS)
def test_a_bad_corpus_is_one_line_and_leaves_nothing(tmp_path, bad):
    corpus, make, expected = IMPORTS[bad]
    source = make(tmp_path)
    before = snapshot(tmp_path)
    code, lines = run("import", corpus, source, tmp_path / "out")
    assert code == 2 and len(lines) == 1 and lines[0].startswith("emotrace: ") and expected in lines[0], lines
    assert snapshot(tmp_path) == before and not (tmp_path.parent / "Actor_13").exists()


def test_a_corpus_is_not_imported_over_another(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    tree = foreign_tree(tmp_path)
    (tree / "Actor_13/03-01-09-01-01-01-13.wav").rename(tree / "Actor_13/03-01-01-01-01-01-13.wav")
    before = snapshot(tmp_path)
    code, lines = run("import", "ravdess", tree, tmp_path / "out")
    assert code == 2 and lines[-1] == (
        f"emotrace: {tmp_path / 'out'} already exists and is not empty: remove it, or choose another folder"
    )
    assert snapshot(tmp_path) == before


def test_iemocap_without_its_label_files(tmp_path):
    release = make_release(tmp_path / "IEMOCAP_full_release")
    for file in (release / "Session1/dialog/EmoEvaluation").glob("*.txt"):
        file.unlink()
    before = snapshot(tmp_path)
    with pytest.raises(CorpusError, match="Session1/dialog/EmoEvaluation: no label files DIALOG.txt: unpack the full"):
        import_iemocap(release, tmp_path / "out")
    assert snapshot(tmp_path) == before


def test_libritts_without_its_readers(tmp_path):
    (tmp_path / "LibriTTS/train-clean-100/103/1240").mkdir(parents=True)
    before = snapshot(tmp_path)
    with pytest.raises(CorpusError, match="LibriTTS: not a LibriTTS tree: no speakers.tsv; give the folder that holds"):
        import_libritts(tmp_path / "LibriTTS", tmp_path / "out")
    assert snapshot(tmp_path) == before


def pool(count: int) -> Pool:
    return Pool(tuple(f"p{i}" for i in range(count)), ("f",) * count, torch.randn(count, 4))


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(16_000 * seconds), dtype=np.float32)


def nan_embedding() -> None:
    people = (Utterance("a-1", "a", "f", Path("a")), Utterance("a-2", "a", "f", Path("b")))
    data = DataDir(Path("lists"), people, ("a-1",), (Trial("a", "a-2", True),))
    asv_scores(data, {"a-1": np.ones(4)}, {"a-2": np.full(4, np.nan)})


def leaking_folds() -> None:
    leak = [Utterance(f"a-{fold}", "a", "f", Path("a"), emotion=Emotion.SAD, fold=fold) for fold in "12"]
    cross_validated(EgemapsSvm(), leak, {}, {})


# What is called, the error, and what its message says.
CALLS = {
    "pool smaller than asked": (
        lambda: select(pool(50), torch.ones(4), "f", rng=random.Random(0)),
        SelecAnonError,
        "needs 200 candidates of gender f, the pool has 50: enlarge the pool or state smaller numbers",
    ),
    "pool without the gender": (
        lambda: select(pool(300), torch.ones(4), "m", rng=random.Random(0)),
        SelecAnonError,
        "needs 200 candidates of gender m, the pool has 0: enlarge the pool",
    ),
    "unknown row": (lambda: select_rows(["B3"]), ValueError, "unknown row B3; known rows: original, "),
    "NaN score": (lambda: eer([0.1, np.nan], [0.0]), MetricError, "1 of 2 target scores are NaN or infinite"),
    "no scores": (lambda: eer([], [0.0]), MetricError, "the EER needs target scores, got none"),
    "NaN embedding": (nan_embedding, AsvError, "the embedding of 'a-2' is zero or NaN"),
    "empty reference": (lambda: word_errors("...", "A B"), AsrError, "need a reference with at least one word"),
    "label of no class": (
        lambda: confusion(["calm"], ["sad"]),
        MetricError,
        "unknown emotions ['calm']; known are sad,",
    ),
    "speaker in two folds": (leaking_folds, SerError, "speakers ['a'] are in training and in test"),
    "int16-scaled floats to loudness": (
        lambda: loudness(tone(1.0) * 32_767),
        AcousticsError,
        "loudness needs samples in [-1, 1], got a peak of 16384: scaled as integers?",
    ),
    "silence to loudness": (lambda: loudness(silence(1.0)), AcousticsError, "loudness of silence"),
    "0.3 s to loudness": (lambda: loudness(tone(0.3)), AcousticsError, "loudness needs at least 0.4 s, got 0.300 s"),
    "silence to the voice activity detector": (
        lambda: oracle_mask(silence(1.0)),
        AudioError,
        "cannot normalise silence",
    ),
    "20 ms to YAAPT": (
        lambda: yaapt_f0(tone(0.02)),
        F0Error,
        "F0 needs at least 481 samples (30 ms at 16 kHz), got 320",
    ),
    "NaN to YAAPT": (lambda: yaapt_f0(np.full(16_000, np.nan)), F0Error, "F0 got NaN or infinite samples"),
}


@pytest.mark.parametrize("bad", CALLS)
def test_a_bad_value_is_one_error_that_says_why(bad):
    call, kind, expected = CALLS[bad]
    with pytest.raises(kind) as caught:
        call()
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_float_bytes_do_not_reach_the_voice_activity_detector():
    """webrtcvad takes the bytes of floats for twice as many samples without a word; ours takes samples only."""
    with pytest.raises((TypeError, ValueError)):
        oracle_mask(tone(1.0).tobytes())


@pytest.fixture
def model(tmp_path) -> Path:
    save_model(AcousticModel(AcousticConfig(4, dim=8, blocks=1)), tmp_path / "acoustic-log-mel")
    return tmp_path / "acoustic-log-mel"


def damage(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def poison(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] = float("nan")
    save_file(weights, folder / "model.safetensors")


def misspell(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"blocks"', '"blokcs"'))


@pytest.mark.parametrize(
    ("apply", "expected"),
    [
        (damage, "acoustic-log-mel/model.safetensors: "),
        (poison, "acoustic-log-mel/model.safetensors: NaN or infinite weights"),
        (misspell, "acoustic-log-mel/config.json: unknown keys blokcs"),
    ],
)
def test_a_damaged_model_is_refused_by_file(model, apply, expected):
    apply(model)
    before = snapshot(model)
    with pytest.raises(CheckpointError) as caught:
        load_model(AcousticModel, AcousticConfig, model)
    assert expected in str(caught.value) and "\n" not in str(caught.value)
    assert snapshot(model) == before


def test_a_damaged_or_missing_model_is_refused_with_what_to_do(tmp_path):
    folder = tmp_path / "pool"
    folder.mkdir()
    (folder / "config.json").write_text('{"speakers": ["a"], "genders": ["f"]}')
    save_file({"embeddings": torch.ones(1, 192)}, folder / "model.safetensors")
    assert load_pool(ModelFolder(tmp_path)).speakers == ("a",)
    damage(folder)
    with pytest.raises(ModelError, match=r"pool/model.safetensors: damaged weights .*; restore or retrain the model"):
        load_pool(ModelFolder(tmp_path))
    with pytest.raises(ModelError, match=r"no model 'ecapa' in .* \(there: pool\); train it: emotrace train ecapa"):
        load_ecapa(ModelFolder(tmp_path))


def test_audio_that_is_damaged_is_named_when_it_is_read(tmp_path):
    data = make_corpus(tmp_path / "corpus", suffix=".flac")
    shorten(data)
    with pytest.raises(AudioError, match=r"s1-hap.flac: unreadable audio: "):
        load_audio(data["s1-hap"].path)
