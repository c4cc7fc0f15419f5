"""The worked example of the book, on audio that is not in the repository: two folders of wavs, one table, a report.

Three "anonymizers" whose results are known before anything is measured: one that does nothing, one that turns the level
down, and one that gives every speaker the voice of the other speaker of the same gender.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import pandas as pd
import pytest
import soundfile
from command_line import run
from html_page import Page
from sklearn.metrics import recall_score
from voices import RATE, VOICES, say

from emotrace import evaluate

TAKES = (("one", "neu"), ("two", "neu"), ("two", "sad"), ("two", "ang"), ("two", "hap"))
TEXTS = {"one": "why you eat", "two": "you eat why"}
SWAPPED = {"ana": "bea", "bea": "ana", "cem": "dan", "dan": "cem"}
GAIN = 0.25  # a power of two: floats are scaled without rounding
UNITS = {"identity", "quieter", "swapped"}
REPORTED = ("identity", "swapped")


@dataclass(frozen=True)
class Evaluated:
    """What `emotrace evaluate --out --report` left of one system."""

    folder: Path

    @property
    def summary(self) -> pd.Series:
        """Estimate by version, metric, of."""
        return pd.read_csv(self.folder / "summary.csv", na_filter=False).set_index(["version", "metric", "of"])[
            "estimate"
        ]

    def difference(self, metric: str, of: str, before: str | None = None) -> float:
        """After minus before; `before` where the original's is of something else."""
        return self.summary[self.folder.name, metric, of] - self.summary["original", metric, before or of]

    def eer(self, attacker: str, gender: str) -> float:
        version = "original" if attacker == "original" else self.folder.name
        return self.summary[version, "EER [%]", f"{attacker}, {gender}"]

    @property
    def utterances(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "utterances.parquet").set_index(["row", "utterance"])

    @property
    def trials(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "trials.parquet")

    @property
    def report(self) -> str:
        return (self.folder / "report.html").read_text()


def emotrace(*arguments: object) -> str:
    """What a command prints, which succeeds."""
    code, lines = run(*arguments)
    assert code == 0, lines
    return "\n".join(lines)


def write_folders(root: Path) -> Path:
    """original/ and one folder for each system, with the same names below; and labels.csv."""
    lines = ["file,speaker,gender,emotion,text"]
    for speaker, voice in VOICES.items():
        for sentence, emotion in TAKES:
            name, wave = f"{speaker}/{emotion} {sentence}", say(voice, sentence, emotion)
            other = say(VOICES[SWAPPED[speaker]], sentence, emotion)
            for system in ("original", *UNITS):
                (root / system / speaker).mkdir(parents=True, exist_ok=True)
            soundfile.write(root / "original" / f"{name}.WAV", wave, RATE, subtype="FLOAT")
            soundfile.write(root / "identity" / f"{name}.wav", wave, RATE, subtype="FLOAT")
            soundfile.write(root / "quieter" / f"{name}.wav", GAIN * wave, RATE, subtype="FLOAT")
            soundfile.write(root / "swapped" / f"{name}.wav", other, RATE, subtype="FLOAT")
            lines.append(f"{name}.wav,{speaker},{voice.gender},{emotion},{TEXTS[sentence]}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, inline_workers) -> dict[str, Evaluated]:
    """Every system after the commands of the page: import, import, evaluate."""
    root = write_folders(tmp_path_factory.mktemp("my speech"))
    labels = ("--labels", root / "labels.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emotrace.study.verbs.WORK", root / "work")
        emotrace("import", "wavs", root / "original", root / "data" / "original", *labels)
        for system in sorted(UNITS):
            data, out = root / "data" / system, root / "results" / system
            emotrace("import", "wavs", root / system, data, *labels)
            options = ("--out", out, "--jobs", 1, *(("--report", out / "report.html") if system in REPORTED else ()))
            text = emotrace("evaluate", root / "data" / "original", data, *options)
            assert "note:" not in text and system in text
    return {system: Evaluated(root / "results" / system) for system in UNITS}


@pytest.mark.parametrize("gender", ["female", "male"])
def test_a_system_that_does_nothing_hides_nobody(evaluated, gender):
    identity = evaluated["identity"]
    ignorant, informed, original = (identity.eer(name, gender) for name in ("ignorant", "lazy-informed", "original"))
    assert ignorant == informed == original < 40


def test_a_system_that_does_nothing_changes_nothing(evaluated):
    identity = evaluated["identity"]
    before, after = (identity.summary[version] for version in ("original", "identity"))
    same = [key for key in before.index if key[0] != "EER [%]"]
    assert len(same) >= 19
    pd.testing.assert_series_equal(before[same], after[same], check_exact=True)
    changes = re.findall(r"difference (\S+)", identity.report)
    assert (
        set(changes) == {"+0.00"} and len(changes) == 9
    )  # UAR of three recognisers and of matched ones, WER, EER twice


def test_every_rate_is_that_of_a_second_route(evaluated):
    """jiwer on all words at once, scikit-learn fold by fold, and an EER by trying every threshold."""
    for system, found in evaluated.items():
        for version in ("original", system):
            lines = found.utterances.loc[version]
            wer = jiwer.wer(list(lines["text"].str.upper()), list(lines["hypothesis"]))
            assert found.summary[version, "WER [%]", ""] == pytest.approx(100 * wer)
            for name in ("functionals", "ge2e"):
                predicted = f"emotion_{name}"
                folds = [recall_score(f["emotion"], f[predicted], average="macro") for _, f in lines.groupby("fold")]
                assert found.summary[version, "UAR [%]", name] == pytest.approx(100 * np.mean(folds))
                assert len(folds) == 2
        for (attacker, gender), trials in found.trials.groupby(["attacker", "gender"]):
            expected = 100 * brute_eer(trials["score"].to_numpy(), trials["target"].to_numpy())
            assert found.eer(attacker, {"f": "female", "m": "male"}[gender]) == pytest.approx(expected)


def test_the_function_is_the_command(evaluated, inline_workers):
    """`emotrace.evaluate` takes over what the command measured and arrives at the same lines."""
    for system, written in evaluated.items():
        root = written.folder.parents[1]
        results = evaluate(root / "data" / "original", root / "data" / system, work=root / "work" / "evaluate")
        assert results.rows == ("original", system) and results.notes == ()
        again = results.utterances.set_index(["row", "utterance"])
        lines = written.utterances
        columns = ["hypothesis", "word_errors", "emotion_functionals", "emotion_ge2e_seed2", "kurtosis", "f0_mean_hz"]
        pd.testing.assert_frame_equal(again.loc[lines.index, columns], lines[columns], check_dtype=False)
        scores = results.trials.set_index(["row", "attacker", "speaker", "utterance"])["score"]
        kept = written.trials.set_index(["row", "attacker", "speaker", "utterance"])["score"]
        pd.testing.assert_series_equal(scores.loc[kept.index], kept)


def test_one_call_on_plain_folders_finds_the_same(evaluated, inline_workers):
    """All systems at once, without data directories: the lines of each are those that it had alone."""
    root = evaluated["identity"].folder.parents[1]
    systems = [root / system for system in evaluated]
    results = evaluate(root / "original", systems, root / "labels.csv", work=root / "work" / "evaluate")
    assert results.rows == ("original", *evaluated) and results.notes == ()
    lines = results.utterances.set_index(["row", "utterance"])
    columns = ["hypothesis", "word_errors", "emotion_functionals", "emotion_ge2e_matched", "kurtosis", "f0_mean_hz"]
    for system, alone in evaluated.items():
        pd.testing.assert_frame_equal(
            lines.loc[[system], columns], alone.utterances.loc[[system], columns], check_dtype=False
        )


def brute_eer(scores: np.ndarray, target: np.ndarray) -> float:
    """(FAR + FRR) / 2 at the first observed score, from below, where the two are closest."""
    rates = [((scores[~target] > bound).mean(), (scores[target] <= bound).mean()) for bound in np.sort(scores)]
    return float(np.mean(min(rates, key=lambda both: round(abs(both[0] - both[1]), 9))))


def test_turning_the_level_down_moves_the_loudness_and_nothing_else(evaluated):
    found = evaluated["quieter"]
    assert found.difference("loudness_lufs", "mean") == pytest.approx(20 * np.log10(GAIN), abs=0.01)
    for name in ("loudness_peak_matched_lufs", "centroid_hz", "kurtosis"):
        assert found.difference(name, "mean") == pytest.approx(0, abs=1e-3)
    for metric, of in (("UAR [%]", "functionals"), ("UAR [%]", "ge2e"), ("recall sad [%]", "functionals")):
        assert found.difference(metric, of) == 0
    assert found.difference("WER [%]", "") == 0
    scores = found.trials.set_index(["attacker", "speaker", "utterance"])["score"]
    for attacker in ("ignorant", "lazy-informed"):
        np.testing.assert_allclose(scores[attacker], scores["original"], atol=1e-5)


@pytest.mark.parametrize("gender", ["female", "male"])
def test_swapped_voices_fool_who_enrols_originals_only(evaluated, gender):
    """Who anonymises the enrolment as well meets the same pairs under other names."""
    found = evaluated["swapped"]
    assert found.eer("ignorant", gender) > 50 > found.eer("original", gender)
    assert found.eer("lazy-informed", gender) == found.eer("original", gender)


def test_swapped_voices_say_the_same_words(evaluated):
    """The same recordings in another order, and texts that go with the sentence: the words of all are the same."""
    found = evaluated["swapped"]
    assert found.difference("WER [%]", "") == 0
    before, after = (found.utterances.loc[version] for version in ("original", "swapped"))
    assert before.at["ana-neu_one", "hypothesis"] == after.at["bea-neu_one", "hypothesis"]


def test_the_report_holds_the_numbers(evaluated):
    for system in REPORTED:
        found = evaluated[system]
        summary = pd.read_csv(found.folder / "summary.csv")
        shown = np.array([[float(value[f"data-{name}"]) for name in ("sort", "low", "high")]
                          for value in Page(found.report).values])  # fmt: skip
        np.testing.assert_allclose(shown[: len(summary)], summary[["estimate", "low", "high"]], rtol=1e-12)
        after = summary[summary["version"] == system]
        assert len(shown) == len(summary) + len(after)  # the differences come last
        differences = pd.Series(shown[-len(after) :, 0], [*zip(after["metric"], after["of"].fillna(""), strict=True)])
        assert differences["WER [%]", ""] == pytest.approx(found.difference("WER [%]", ""))
        for attacker in ("ignorant", "lazy-informed"):
            key = f"{attacker}, female"
            expected = found.difference("EER [%]", key, "original, female")
            assert differences["EER [%]", key] == pytest.approx(expected)
        assert f"{system}: what anonymization left" in found.report
        assert "What could not be measured" not in found.report
        assert "Beside the recorded rows" in found.report


def test_the_report_says_it_in_words(evaluated):
    """A sentence for each attacker: of the swapped voices, that only the lazy-informed one is not fooled."""
    sentences = re.findall(r"<li>(EER .*?)</li>", evaluated["swapped"].report)
    assert [sentence.split(" ")[1] for sentence in sentences] == ["(lazy-informed,"] * 2
    assert all("difference +0.00" in sentence for sentence in sentences)
