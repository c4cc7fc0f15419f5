"""VoicePrivacy's result files: its own published text, ours there and back, the same numbers by a second route."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluated import evaluation
from frames import results as results_of
from speechbrain.utils.metric_stats import EER
from torch import tensor

from emotrace.analysis.contrasts import COLUMNS
from emotrace.corpus.datadir import CorpusError, Emotion
from emotrace.show.pages import recorded_study
from emotrace.show.tables import table2_display
from emotrace.show.vpc_results import (
    PAPER_DATASETS,
    VpcResultsError,
    VpcTables,
    baseline_results,
    read_rank,
    read_vpc_results,
    vpc_tables,
    write_vpc_results,
)
from emotrace.study.results import Results

ROOT = Path(__file__).parents[2]
WHEN = datetime(2024, 3, 28, 19, 0)
EMOTIONS = [emotion.value for emotion in Emotion]
# What VoicePrivacy publishes as results/result_for_rank_asrbn_hifigan_bn_tdnnf_wav2vec2_vq_48_v1: its baseline B5.
PUBLISHED_B5 = """\
---- Time: 28-03-24_23:14 ----

---- SER results ----
   dataset split       ser      UAR  ACC_sad  ACC_neu  ACC_ang  ACC_hap
                               mean     mean     mean     mean     mean
0  IEMOCAP   dev      anon  38.0806   7.5442  49.1112  62.0502  33.6172
1  IEMOCAP   dev  original  69.0796  63.6292  65.9652  79.7770  66.9476
2  IEMOCAP  test      anon  38.1660   5.0686  55.3002  56.1994  36.0962
3  IEMOCAP  test  original  71.0618  72.5706  71.6618  72.8246  67.1912

---- ASV_eval results ----
  dataset split gender enrollment     trial     EER
0   libri   dev      f   original  original  10.511
3   libri   dev      m   original  original   0.931
6   libri  test      f   original  original   8.761
9   libri  test      m   original  original   0.418

---- ASR results ----
  dataset split       asr    WER
0   libri   dev  original  1.807
4   libri   dev      anon  4.731
1   libri  test  original  1.844
5   libri  test      anon  4.369

---- Time: 29-03-24_01:11 ----

---- ASV_eval^anon results ----
   dataset split gender enrollment trial     EER
2    libri   dev      f       anon  anon  35.816
5    libri   dev      m       anon  anon  32.918
8    libri  test      f       anon  anon  33.946
11   libri  test      m       anon  anon  34.729
"""


def random_results() -> Results:
    """Two rows: five folds, two corpora, random results."""
    rng = np.random.default_rng(0)
    utterances, trials = [], []
    for row in ("original", "mine"):
        for number in range(200):
            emotion = EMOTIONS[number % 4]
            recognised = emotion if rng.random() < 0.6 else rng.choice(EMOTIONS)
            line = {"row": row, "corpus": "emotional", "utterance": f"e{number}", "emotion": emotion}
            line |= {"fold": str(number // 40 + 1), "emotion_functionals": recognised, "emotion_ge2e": "neu"}
            utterances.append(line | {"words": 5, "word_errors": int(rng.integers(0, 4))})
        for number in range(40):
            line = {"row": row, "corpus": "read", "utterance": f"r{number}"}
            utterances.append(line | {"words": 10 + number % 3, "word_errors": int(rng.integers(0, 3))})
        for attacker in ("original",) if row == "original" else ("ignorant", "lazy-informed"):
            for gender in "fm":
                for number in range(40):
                    target = number % 4 == 0
                    line = {"row": row, "attacker": attacker, "gender": gender, "utterance": f"r{number}"}
                    trials.append(line | {"target": target, "score": rng.normal(1.5 * target)})
    return results_of(utterances, trials)


@pytest.fixture(scope="module")
def results() -> Results:
    return random_results()


@pytest.fixture(scope="module")
def tables(results) -> VpcTables:
    return vpc_tables(results, "mine", datasets=PAPER_DATASETS)


def write(results: Results, folder: Path, suffix: str = "_mine") -> dict[str, Path]:
    return write_vpc_results(results, folder, suffix, datasets=PAPER_DATASETS, when=WHEN)


def test_the_published_text_is_read_and_agrees_with_the_published_baselines():
    tables = read_rank(PUBLISHED_B5)
    assert set(tables) == {"ser", "asv", "asr", "asv_anon"}
    for split in ("dev", "test"):
        baselines = baseline_results(split).set_index("row")
        ser = tables["ser"][tables["ser"]["split"] == split].set_index("ser")
        for kind, row in (("anon", "B5"), ("original", "original")):
            expected = baselines.loc[row, [*EMOTIONS, "uar"]].astype(float)
            assert ser.loc[kind, [*(f"ACC_{e}" for e in EMOTIONS), "UAR"]].tolist() == expected.tolist()
            asr = tables["asr"].set_index(["split", "asr"])
            assert asr.at[(split, kind), "WER"] == baselines.at[row, "wer_read"]
        for section, row in (("asv_anon", "B5"), ("asv", "original")):
            eers = tables[section].set_index(["split", "gender"])["EER"]
            assert [eers[split, "f"], eers[split, "m"]] == baselines.loc[row, ["eer_f", "eer_m"]].tolist()


def test_our_text_has_the_published_layout(results, tmp_path):
    text = write(results, tmp_path)["rank"].read_text()
    ours, theirs = text.splitlines(), PUBLISHED_B5.splitlines()
    assert ours[0] == "---- Time: 28-03-24_19:00 ----" and ours[1] == ""
    for heading, below in (("SER", 2), ("ASV_eval", 1), ("ASR", 1)):
        place, there = (lines.index(f"---- {heading} results ----") for lines in (ours, theirs))
        assert [line.split() for line in ours[place : place + 1 + below]] == [
            line.split() for line in theirs[there : there + 1 + below]
        ]
    assert "ASV_eval^anon" not in text  # of the semi-informed attacker, whom we do not have


def test_text_and_tables_agree(results, tables, tmp_path):
    read = read_rank(write(results, tmp_path)["rank"].read_text())
    pd.testing.assert_frame_equal(read["ser"], tables.ser, atol=1e-4)
    assert read["asr"]["dataset"].tolist() == ["libri", "libri"]
    assert read["asv"][["enrollment", "trial"]].to_numpy().tolist() == [["original", "original"]] * 2


def test_files_there_and_back(results, tables, tmp_path):
    files = write(results, tmp_path)
    names = {name: file.relative_to(tmp_path).as_posix() for name, file in files.items()}
    assert names == {
        "asv": "asv_orig/results_mine.csv",
        "asr": "asr/results_mine.csv",
        "ser": "ser/results_mine.csv",
        "ser_folds": "ser/results_folds_mine.csv",
        "rank": "results_summary/result_for_rank_mine",
    }
    read = read_vpc_results(tmp_path, "_mine")
    for name in ("asv", "asr", "ser_folds", "ser"):
        pd.testing.assert_frame_equal(getattr(read, name), getattr(tables, name))


def test_an_evaluation_of_two_folders_is_written_under_the_names_of_its_corpora(tmp_path):
    evaluated = evaluation()
    files = write_vpc_results(evaluated, tmp_path, "_mine")
    assert set(files) == {"asv", "asr", "ser", "ser_folds", "rank"}
    read = read_vpc_results(tmp_path, "_mine")
    for table in (read.asv, read.asr, read.ser_folds):
        assert set(zip(table["dataset"], table["split"], strict=True)) == {("emotional", "test")}
    assert read.asr.set_index("asr")["WER"].to_dict() == {"original": 10.0, "anon": 30.0}
    assert read.ser.set_index("ser").loc["anon", ["UAR", "ACC_sad", "ACC_hap"]].tolist() == [95.0, 80.0, 100.0]
    assert read.asv[["enrollment", "trial"]].drop_duplicates().to_numpy().tolist() == [
        ["original", "original"],
        ["original", "anon"],
        ["anon", "anon"],
    ]
    assert "ASR results" in files["rank"].read_text()


def test_columns_of_the_csv_files(results, tmp_path):
    files = write(results, tmp_path)
    heads = {name: file.read_text().splitlines()[:2] for name, file in files.items()}
    assert heads["asv"][0] == ",dataset,split,gender,enrollment,trial,EER"
    assert heads["asr"][0] == ",dataset,split,asr,WER"
    assert heads["ser"] == [",dataset,split,ser,UAR,ACC_sad,ACC_neu,ACC_ang,ACC_hap", ",,,,mean,mean,mean,mean,mean"]
    assert heads["ser_folds"][0] == ",dataset,split,fold,ser,UAR,ACC_sad,ACC_neu,ACC_ang,ACC_hap"


def test_scenarios_are_named_by_whose_speech_is_enrolled_and_tried(results, tables):
    asv = tables.asv.set_index(["gender", "enrollment", "trial"])["EER"]
    assert len(asv) == 6
    scenarios = {
        "original": ("original", "original"),
        "ignorant": ("original", "anon"),
        "lazy-informed": ("anon", "anon"),
    }
    for (attacker, gender), own in results.trials.groupby(["attacker", "gender"]):
        target, other = (tensor(own.loc[own["target"] == kind, "score"].to_numpy()) for kind in (True, False))
        assert asv[(gender, *scenarios[attacker])] == pytest.approx(100 * EER(target, other)[0], abs=1e-3)


def test_rates_by_another_route(results, tables):
    utterances = results.utterances
    asr = tables.asr.set_index(["dataset", "asr"])["WER"]
    for corpus, dataset in (("read", "libri"), ("emotional", "IEMOCAP")):
        own = utterances[(utterances["row"] == "mine") & (utterances["corpus"] == corpus)]
        assert asr[dataset, "anon"] == round(100 * own["word_errors"].sum() / own["words"].sum(), 3)
    folds = tables.ser_folds[tables.ser_folds["ser"] == "anon"]
    assert folds["fold"].tolist() == list("12345")
    own = utterances[(utterances["row"] == "mine") & (utterances["corpus"] == "emotional")]
    hits = own["emotion"] == own["emotion_functionals"]
    expected = hits.groupby([own["fold"], own["emotion"]]).mean().unstack()[EMOTIONS]
    np.testing.assert_allclose(folds[[f"ACC_{e}" for e in EMOTIONS]], 100 * expected, atol=5e-4)
    np.testing.assert_allclose(folds["UAR"], 100 * expected.mean(axis=1), atol=5e-4)
    mean = tables.ser.set_index("ser").loc["anon"]
    assert mean["UAR"] == pytest.approx(folds["UAR"].mean()) and mean["dataset"] == "IEMOCAP"


def test_a_recorded_row_of_this_repository(tmp_path):
    study = recorded_study("scale", ["original", "official-control"])
    datasets = {"read": ("librispeech", "ours"), "emotional": ("RAVDESS", "ours")}
    found = vpc_tables(study, datasets=datasets)
    assert len(found.asv) == 6 and set(found.asv["dataset"]) == {"RAVDESS"}
    assert sorted(found.asr["dataset"]) == ["RAVDESS", "RAVDESS", "librispeech", "librispeech"]
    write_vpc_results(study, tmp_path, "_control", datasets=datasets)
    assert "IEMOCAP" not in (tmp_path / "results_summary/result_for_rank_control").read_text()


def test_what_was_not_measured_has_no_file(results, tmp_path):
    utterances = results.utterances.assign(word_errors=np.nan)
    bare = replace(results, utterances=utterances, trials=results.trials.iloc[:0])
    assert set(write(bare, tmp_path)) == {"ser", "ser_folds", "rank"}
    assert len(read_vpc_results(tmp_path, "_mine").asv) == 0
    with pytest.raises(VpcResultsError, match="nothing was measured"):
        write(replace(bare, utterances=utterances.assign(emotion=None)), tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"row": "theirs"}, "no results of row 'theirs'; there are mine, original"),
        ({"recogniser": "ser_human"}, "unknown recogniser 'ser_human'"),
        ({"datasets": {"sung": ("a", "b")}}, "no corpus 'sung' in the results: emotional, read"),
        ({"datasets": {"read": ("libri_speech", "test")}}, "VoicePrivacy splits names at '_'"),
    ],
)
def test_results_that_do_not_fit(results, change, reason):
    with pytest.raises(VpcResultsError, match=reason):
        vpc_tables(results, **({"row": "mine", "datasets": PAPER_DATASETS} | change))


def test_an_utterance_of_two_corpora_has_no_data_set(results):
    doubled = replace(results, utterances=results.utterances.replace({"utterance": {"e1": "r1"}}))
    with pytest.raises(VpcResultsError, match="utterance 'r1' is in two corpora"):
        vpc_tables(doubled, datasets=PAPER_DATASETS)


def test_suffixes_that_voiceprivacy_mistakes_are_refused(results, tmp_path):
    for suffix in ("", "_asr", "_test"):
        with pytest.raises(CorpusError):
            write(results, tmp_path / "out", suffix)
    assert not (tmp_path / "out").exists()


def test_files_of_another_kind_are_refused(tmp_path):
    with pytest.raises(VpcResultsError, match="no asv_orig, asr or ser/results_mine.csv"):
        read_vpc_results(tmp_path, "_mine")
    (tmp_path / "asr").mkdir()
    (tmp_path / "asr/results_mine.csv").write_text(",dataset,split,CER\n0,libri,test,1.0\n")
    with pytest.raises(
        VpcResultsError, match="asr/results_mine.csv: has no column asr: expected dataset, split, asr, WER"
    ):
        read_vpc_results(tmp_path, "_mine")
    with pytest.raises(VpcResultsError, match="no section"):
        read_rank("an essay")
    with pytest.raises(VpcResultsError, match="section ASR: expected columns dataset, split, asr, WER"):
        read_rank("---- ASR results ----\n  dataset split WER\n0 libri test 1.0\n")


def test_baselines_stand_beside_our_table():
    baselines = baseline_results()
    assert baselines["row"].tolist() == ["original", "B1", "B2", "B3", "B4", "B5", "B6"]
    assert baselines.set_index("row")["attacker"].to_dict()["B3"] == "semi-informed"
    ours = pd.DataFrame(
        [{"row": "mine", "source": "measured", "attacker": "lazy-informed"} | dict.fromkeys(COLUMNS, 50.0)]
    )
    shown = table2_display(pd.concat([ours, baselines], ignore_index=True))
    assert shown.loc[shown["row"] == "B4", "hap [%]"].item() == "51.64"
    assert shown.loc[shown["row"] == "B4", "WER emotional [%]"].item() == ""


def test_published_recalls_average_to_the_published_uar_also_for_b4():
    for split in ("dev", "test"):
        baselines = baseline_results(split)
        assert (baselines[EMOTIONS].mean(axis=1) - baselines["uar"]).abs().max() < 5e-4
    note = baseline_results().set_index("row").at["B4", "note"]
    assert "54.64" in note and "51.639" in note
    assert [row for row, text in zip(baseline_results()["row"], baseline_results()["note"], strict=True) if text] == [
        "B4"
    ]
    paper = pd.read_csv(ROOT / "data/paper/table2.csv", index_col="row").loc["B4"]
    assert paper["hap"] == 54.64 and paper[EMOTIONS].mean() - paper["uar"] == pytest.approx(0.75, abs=5e-3)


def test_an_unknown_split_is_refused():
    with pytest.raises(VpcResultsError, match="unknown split 'train': dev or test"):
        baseline_results("train")
