"""The command line: it teaches by its help, answers mistakes by one message, and takes corpora it has never seen."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from mini_iemocap import make_release
from stand_in import SPEAKERS, make_corpus
from typer.testing import CliRunner

from emotrace.cli import app
from emotrace.corpus.datadir import DataDir, write_datadir
from emotrace.released.checkpoints import CHECKPOINTS

COMMANDS = (
    *("import", "fetch", "labels", "validate", "plan", "train", "anonymize", "evaluate"),
    *("run", "reproduce", "status"),
)


def emotrace(*arguments: object, code: int = 0) -> str:
    """Output of a command, stdout and stderr together, which must end with the exit code."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_by_an_example(command):
    text = emotrace(command, "--help")
    assert "Example:" in text and f"emotrace {command}" in text


def test_the_commands_are_those_the_help_lists():
    text = emotrace("--help")
    assert all(f" {command} " in text for command in COMMANDS)


def test_import_makes_a_data_directory_of_iemocap_and_counts_what_it_leaves_out(tmp_path):
    text = emotrace("import", "iemocap", make_release(tmp_path / "release"), tmp_path / "iemocap")
    data = DataDir.read(tmp_path / "iemocap")
    assert f"{data.path}: {len(data)} utterances" in text and "left out: " in text and "xxx" in text
    assert {utterance.emotion for utterance in data} <= {"sad", "neu", "ang", "hap"}


def test_fetch_lists_checkpoints_with_their_licences_and_refuses_unknown_ones(tmp_path, monkeypatch):
    listed = emotrace("fetch")
    assert all(f"{entry.name}: " in listed and entry.licence in listed for entry in CHECKPOINTS.values())
    assert "no checkpoint 'gpt'; there are: " in emotrace("fetch", "gpt", code=2)
    monkeypatch.setenv("EMOTRACE_CHECKPOINTS", str(tmp_path))
    text = emotrace("fetch", "vpc_asr", code=2)
    assert "licence has to be accepted" in text and f"Put it at {tmp_path / 'asr.zip'}" in text
    assert list(tmp_path.iterdir()) == []


def test_a_scheduler_that_does_not_answer_is_one_message(tmp_path):
    corpus = make_corpus(tmp_path / "corpus")
    text = emotrace("evaluate", corpus.path, corpus.path, "--scheduler", "nowhere", code=2)
    assert "--scheduler nowhere: no such scheduler file" in text


def test_validate_names_problems_with_file_and_line(tmp_path):
    corpus = make_corpus(tmp_path / "corpus")
    assert "no problems" in emotrace("validate", corpus.path)
    lines = (corpus.path / "utt2emo").read_text().splitlines()
    lines[2] = lines[2].split()[0] + " bored"
    (corpus.path / "utt2emo").write_text("\n".join(lines) + "\n")
    assert f"{corpus.path / 'utt2emo'}:3:" in emotrace("validate", corpus.path, code=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--rows", "none-T7"), "unknown row none-T7; known rows: original"),
        (("status", "--rows", ","), "unknown row (none given)"),
        (("plan", "--rows", "B3"), "unknown row B3"),
        (("import", "ravdess", "nowhere", "target"), "no such folder or zip file"),
        (("evaluate", "nowhere", "neither"), "nowhere"),
        (("anonymize", "nowhere", "target", "--row", "none-T1"), "nowhere"),
        (("anonymize", "nowhere", "target", "--row", "original"), "row original makes no audio"),
        (("train", "hubert-base"), "no model 'hubert-base'; there are: all, hubert"),
    ],
)
def test_a_mistake_is_answered_by_one_message_and_code_2(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = emotrace(*arguments, code=2)
    assert message in text and "Traceback" not in text
    assert len(text.strip().splitlines()) == 1


def test_a_defect_keeps_its_traceback(monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a defect of ours")

    monkeypatch.setattr("emotrace.study.profiles.select_rows", broken)
    assert isinstance(CliRunner().invoke(app, ["status"]).exception, KeyError)


def test_status_says_where_each_row_stands():
    text = emotrace("status", "--rows", "original,none-T6")
    assert [line.split()[0] for line in text.splitlines()[:2]] == ["original", "none-T6"]


@pytest.fixture(scope="module")
def unseen(tmp_path_factory, inline_workers) -> Path:
    """A corpus that nobody has prepared: half of it 44.1 kHz stereo WAV, the other half 22.05 kHz FLAC."""
    path = tmp_path_factory.mktemp("unseen") / "corpus"
    wav = make_corpus(path / "raw", rate=44_100)
    utterances = []
    for number, utterance in enumerate(wav):
        samples, rate = soundfile.read(utterance.path)
        target = path / "audio" / f"{utterance.id}.{'wav' if number % 2 else 'flac'}"
        target.parent.mkdir(exist_ok=True)
        if number % 2:
            soundfile.write(target, np.stack([samples, samples], axis=1), rate)
        else:
            soundfile.write(target, samples[::2], rate // 2)
        utterances.append(type(utterance)(**{**vars(utterance), "path": target}))
    return write_datadir(path, utterances, enrolment=wav.enrolment, trials=wav.trials).path


@pytest.fixture(scope="module")
def anonymised(unseen, tmp_path_factory) -> Path:
    target = unseen.with_name("corpus_anon")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emotrace.study.verbs.WORK", tmp_path_factory.mktemp("root"))
        assert "16 utterances" in emotrace("anonymize", unseen, target, "--row", "official-control", "--jobs", 1)
    return target


def test_anonymize_takes_any_rate_and_keeps_all_metadata(unseen, anonymised):
    before, after = DataDir.read(unseen), DataDir.read(anonymised)
    for old, new in zip(before, after, strict=True):
        assert (old.id, old.speaker, old.text, old.emotion, old.fold) == (
            new.id,
            new.speaker,
            new.text,
            new.emotion,
            new.fold,
        )
        info = soundfile.info(new.path)
        assert info.samplerate == 16_000 and info.duration == pytest.approx(0.6, abs=0.001)
        assert new.path.parent == anonymised / "wav"
    assert (before.enrolment, before.trials) == (after.enrolment, after.trials)


def test_evaluate_measures_everything_the_files_allow(unseen, anonymised, tmp_path, monkeypatch):
    monkeypatch.setattr("emotrace.study.verbs.WORK", tmp_path)
    elsewhere = tmp_path / "elsewhere.html"
    places = ("--out", tmp_path / "out", "--report", elsewhere, "--vpc", tmp_path / "vpc")
    text = emotrace("evaluate", unseen, anonymised, *places, "--jobs", 1)
    assert "note:" not in text
    reports = [re.sub(r"(\.\./)+", "", path.read_text()) for path in (elsewhere, tmp_path / "out" / "report.html")]
    assert reports[0] == reports[1]  # but for where the audio lies from there
    assert "corpus_anon: what anonymization left" in elsewhere.read_text()
    assert "Other corpus: the recorded rows" in elsewhere.read_text()
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert set(summary["version"]) == {"original", "corpus_anon"}
    assert {"EER [%]", "WER [%]", "UAR [%]", "recall sad [%]", "kurtosis"} <= set(summary["metric"])
    attackers = summary.loc[summary["metric"] == "EER [%]", ["version", "of"]].itertuples(index=False, name=None)
    assert set(attackers) == {
        *(("original", f"original, {gender}") for gender in ("female", "male")),
        *(("corpus_anon", f"{a}, {g}") for a in ("ignorant", "lazy-informed") for g in ("female", "male")),
    }
    assert len(pd.read_parquet(tmp_path / "out" / "utterances.parquet")) == 32
    recognised = pd.read_csv(tmp_path / "vpc/ser/results_anon.csv", header=[0, 1]).droplevel(1, axis=1).set_index("ser")
    uar = summary[summary["metric"] == "UAR [%]"].groupby("version")["estimate"].first()
    assert recognised["UAR"].to_dict() == pytest.approx(
        {"original": uar["original"], "anon": uar["corpus_anon"]}, abs=1e-3
    )


def test_evaluate_says_what_it_cannot_measure(unseen, anonymised, tmp_path, monkeypatch):
    monkeypatch.setattr("emotrace.study.verbs.WORK", tmp_path)
    bare = [_bare(path, tmp_path / path.name) for path in (unseen, anonymised)]
    text = emotrace("evaluate", *bare, "--jobs", 1)
    for thing in ("no EER", "no WER", "no emotion recognition"):
        assert f"note: {thing}" in text
    assert "kurtosis" in text and "WER [%]" not in text and "EER [%]" not in text and "UAR" not in text


def test_directories_with_other_utterances_are_refused(unseen, anonymised, tmp_path):
    fewer = [utterance for utterance in DataDir.read(anonymised) if utterance.speaker in list(SPEAKERS)[:3]]
    write_datadir(tmp_path / "fewer", fewer)
    assert "lacks 4 utterances" in emotrace("evaluate", unseen, tmp_path / "fewer", code=2)


def test_targets_that_would_be_skipped_or_overwritten_are_refused(unseen, anonymised):
    skipped = emotrace("anonymize", unseen, unseen.with_name("corpus_asr"), "--row", "official-control", code=2)
    assert "'_asr' contains 'asr', which VoicePrivacy's evaluation skips" in skipped
    assert "holds a data directory already" in emotrace(
        "anonymize", unseen, anonymised, "--row", "official-control", code=2
    )


def _bare(source: Path, target: Path) -> Path:
    """A copy of a data directory without transcripts, emotions, folds and trials."""
    plain = [
        type(utterance)(utterance.id, utterance.speaker, utterance.gender, utterance.path)
        for utterance in DataDir.read(source)
    ]
    return write_datadir(target, plain).path


def test_probe_prints_the_best_of_every_probe(monkeypatch):
    names = ["target", "probe", "representation", "score", "estimate", "low", "high", "baseline"]
    lines = [
        ("F0", "frame by frame", "T1", "R2", 0.5, 0.4, 0.6, 0.0),
        ("F0", "frame by frame", "T12", "R2", 0.4, 0.3, 0.5, 0.0),
        ("F0", "utterance mean", "T12", "R2", 0.9, 0.8, 1.0, 0.0),
    ]
    monkeypatch.setattr("emotrace.experiments.probing.run_probing", lambda *_, **__: True)
    monkeypatch.setattr("emotrace.experiments.probing.read_probing", lambda _: pd.DataFrame(lines, columns=names))
    shown = emotrace("probe").splitlines()
    assert "recorded" in shown[0] and len(shown) == 4
    assert "frame by frame" in shown[2] and " T1 " in shown[2]
    assert "utterance mean" in shown[3] and "0.90" in shown[3]
