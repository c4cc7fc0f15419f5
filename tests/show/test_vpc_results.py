"""VoicePrivacy's result files: its own published text, ours beside it, the same numbers by a second route."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluated import evaluation
from frames import results as results_of
from speechbrain.utils.metric_stats import EER
from torch import tensor

from emotrace.corpus.datadir import CorpusError, Emotion
from emotrace.show.pages import recorded_study
from emotrace.show.vpc_results import VpcResultsError, vpc_tables, write_vpc_results
from emotrace.study.results import Results

PAPER = Path(__file__).parents[2] / "data" / "paper"
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


def sections(text: str) -> dict[str, pd.DataFrame]:
    """The tables of a result_for_rank text by heading, as pandas printed them; SER has a second header line."""
    tables = {}
    for heading, body in re.findall(r"^---- (\S+) results ----\n((?:.+\n?)+)", text, re.MULTILINE):
        header, *lines = (line.split() for line in body.splitlines())
        table = pd.DataFrame([line[1:] for line in lines if line[0].isdigit()], columns=header)
        tables[heading] = table.astype({name: float for name in header if name[0].isupper()})  # UAR, ACC_sad, EER, WER
    return tables


def random_results() -> Results:
    """Two rows: five folds, one corpus, random results."""
    rng = np.random.default_rng(0)
    utterances, trials = [], []
    for row in ("original", "mine"):
        for number in range(200):
            emotion = EMOTIONS[number % 4]
            recognised = emotion if rng.random() < 0.6 else rng.choice(EMOTIONS)
            line = {"row": row, "corpus": "emotional", "utterance": f"e{number}", "emotion": emotion}
            line |= {"fold": str(number // 40 + 1), "emotion_functionals": recognised, "emotion_ge2e": "neu"}
            utterances.append(line | {"words": 5 + number % 3, "word_errors": int(rng.integers(0, 4))})
        for attacker in ("original",) if row == "original" else ("ignorant", "lazy-informed"):
            for gender in "fm":
                for number in range(40):
                    target = number % 4 == 0
                    line = {
                        "row": row,
                        "corpus": "emotional",
                        "attacker": attacker,
                        "gender": gender,
                        "utterance": f"e{number}",
                    }
                    trials.append(line | {"target": target, "score": rng.normal(1.5 * target)})
    return results_of(utterances, trials)


@pytest.fixture(scope="module")
def results() -> Results:
    return random_results()


@pytest.fixture(scope="module")
def tables(results) -> dict[str, pd.DataFrame]:
    return vpc_tables(results)


def test_the_published_text_agrees_with_the_published_baselines():
    published, tables = pd.read_csv(PAPER / "vpc2024_baselines.csv"), sections(PUBLISHED_B5)
    assert set(tables) == {"SER", "ASV_eval", "ASR", "ASV_eval^anon"}
    recalls = ["recall_sad", "recall_neutral", "recall_angry", "recall_happy", "uar"]
    for split in ("dev", "test"):
        baselines = published[published["split"] == split].set_index("system")
        ser = tables["SER"][tables["SER"]["split"] == split].set_index("ser")
        asr = tables["ASR"].set_index(["split", "asr"])
        for kind, system in (("anon", "B5"), ("original", "Original")):
            expected = baselines.loc[system, recalls].astype(float)
            assert ser.loc[kind, [*(f"ACC_{e}" for e in EMOTIONS), "UAR"]].tolist() == expected.tolist()
            assert asr.at[(split, kind), "WER"] == baselines.at[system, "wer_libri"]
        for section, system in (("ASV_eval^anon", "B5"), ("ASV_eval", "Original")):
            eers = tables[section].set_index(["split", "gender"])["EER"]
            expected = baselines.loc[system, ["eer_f_semi_informed", "eer_m_semi_informed"]].tolist()
            assert [eers[split, "f"], eers[split, "m"]] == expected


def test_our_text_has_the_published_layout(results, tmp_path):
    text = write_vpc_results(results, tmp_path, "_mine")["rank"].read_text()
    ours, theirs = text.splitlines(), PUBLISHED_B5.splitlines()
    stamp = r"---- Time: \d\d-\d\d-\d\d_\d\d:\d\d ----"
    assert re.fullmatch(stamp, ours[0]) and re.fullmatch(stamp, theirs[0]) and ours[1] == theirs[1] == ""
    for heading, below in (("SER", 2), ("ASV_eval", 1), ("ASR", 1)):
        place, there = (lines.index(f"---- {heading} results ----") for lines in (ours, theirs))
        assert [line.split() for line in ours[place : place + 1 + below]] == [
            line.split() for line in theirs[there : there + 1 + below]
        ]
    assert "ASV_eval^anon" not in text  # of the semi-informed attacker, whom we do not have


def test_text_and_tables_agree(results, tables, tmp_path):
    read = sections(write_vpc_results(results, tmp_path, "_mine")["rank"].read_text())
    pd.testing.assert_frame_equal(read["SER"], tables["ser"], atol=1e-4)
    pd.testing.assert_frame_equal(read["ASR"].sort_index(), tables["asr"], atol=1e-4)
    assert read["ASV_eval"][["enrollment", "trial"]].to_numpy().tolist() == [["original", "original"]] * 2


def test_files_have_the_tables_and_voiceprivacys_names(results, tables, tmp_path):
    files = write_vpc_results(results, tmp_path, "_mine")
    names = {name: file.relative_to(tmp_path).as_posix() for name, file in files.items()}
    assert names == {
        "asv": "asv_orig/results_mine.csv",
        "asr": "asr/results_mine.csv",
        "ser": "ser/results_mine.csv",
        "ser_folds": "ser/results_folds_mine.csv",
        "rank": "results_summary/result_for_rank_mine",
    }
    for name in ("asv", "asr", "ser_folds"):
        pd.testing.assert_frame_equal(pd.read_csv(files[name], index_col=0, dtype={"fold": str}), tables[name])
    means = pd.read_csv(files["ser"], index_col=0, header=[0, 1]).droplevel(1, axis=1)
    pd.testing.assert_frame_equal(means, tables["ser"])


def test_an_evaluation_of_two_folders_is_written_under_the_name_of_its_corpus(tmp_path):
    evaluated = evaluation()
    files, tables = write_vpc_results(evaluated, tmp_path, "_mine"), vpc_tables(evaluated)
    assert set(files) == {"asv", "asr", "ser", "ser_folds", "rank"}
    for table in tables.values():
        assert set(zip(table["dataset"], table["split"], strict=True)) == {("emotional", "test")}
    assert tables["asr"].set_index("asr")["WER"].to_dict() == {"original": 10.0, "anon": 30.0}
    assert tables["ser"].set_index("ser").loc["anon", ["UAR", "ACC_sad", "ACC_hap"]].tolist() == [95.0, 80.0, 100.0]
    assert tables["asv"][["enrollment", "trial"]].drop_duplicates().to_numpy().tolist() == [
        ["original", "original"],
        ["original", "anon"],
        ["anon", "anon"],
    ]
    assert "ASR results" in files["rank"].read_text()


def test_columns_of_the_csv_files(results, tmp_path):
    files = write_vpc_results(results, tmp_path, "_mine")
    heads = {name: file.read_text().splitlines()[:2] for name, file in files.items()}
    assert heads["asv"][0] == ",dataset,split,gender,enrollment,trial,EER"
    assert heads["asr"][0] == ",dataset,split,asr,WER"
    assert heads["ser"] == [",dataset,split,ser,UAR,ACC_sad,ACC_neu,ACC_ang,ACC_hap", ",,,,mean,mean,mean,mean,mean"]
    assert heads["ser_folds"][0] == ",dataset,split,fold,ser,UAR,ACC_sad,ACC_neu,ACC_ang,ACC_hap"


def test_scenarios_are_named_by_whose_speech_is_enrolled_and_tried(results, tables, oracle):
    asv = tables["asv"].set_index(["gender", "enrollment", "trial"])["EER"]
    assert len(asv) == 6
    scenarios = {
        "original": ("original", "original"),
        "ignorant": ("original", "anon"),
        "lazy-informed": ("anon", "anon"),
    }
    for (attacker, gender), own in results.trials.groupby(["attacker", "gender"]):
        target, other = (tensor(own.loc[own["target"] == kind, "score"].to_numpy()) for kind in (True, False))
        written = float(asv[(gender, *scenarios[attacker])])
        oracle("EER in VoicePrivacy's files", "SpeechBrain's EER", written, 100 * EER(target, other)[0], 1e-3, "%")


def test_rates_by_another_route(results, tables, oracle):
    own = results.utterances[results.utterances["row"] == "mine"]
    asr = tables["asr"].set_index("asr")["WER"]
    assert asr["anon"] == round(100 * own["word_errors"].sum() / own["words"].sum(), 3)
    folds = tables["ser_folds"][tables["ser_folds"]["ser"] == "anon"]
    assert folds["fold"].tolist() == list("12345")
    hits = own["emotion"] == own["emotion_functionals"]
    expected = hits.groupby([own["fold"], own["emotion"]]).mean().unstack()[EMOTIONS]
    written = folds[[f"ACC_{e}" for e in EMOTIONS]].to_numpy()
    oracle("recalls in VoicePrivacy's files", "counted with pandas", written, 100 * expected.to_numpy(), 5e-4, "%")
    theirs = 100 * expected.mean(axis=1).to_numpy()
    oracle("UAR in VoicePrivacy's files", "counted with pandas", folds["UAR"].to_numpy(), theirs, 5e-4, "%")
    mean = tables["ser"].set_index("ser").loc["anon"]
    assert mean["UAR"] == pytest.approx(folds["UAR"].mean()) and mean["dataset"] == "emotional"


def test_a_recorded_row_of_this_repository(tmp_path):
    study = recorded_study("scale", ["original", "official-control"])
    tables = vpc_tables(study)
    spoken = {"emotional", "read", "read-other", "acted"}
    assert len(tables["asv"]) == 6 * len(spoken) and set(tables["asv"]["dataset"]) == spoken
    assert sorted(tables["asr"]["dataset"]) == ["emotional", "emotional", "read", "read"]
    assert set(write_vpc_results(study, tmp_path, "_control")) == {*tables, "rank"}


def test_what_was_not_measured_has_no_file(results, tmp_path):
    utterances = results.utterances.assign(word_errors=np.nan)
    bare = replace(results, utterances=utterances, trials=results.trials.iloc[:0])
    assert set(write_vpc_results(bare, tmp_path, "_mine")) == {"ser", "ser_folds", "rank"}
    assert not (tmp_path / "asv_orig").exists()
    with pytest.raises(VpcResultsError, match="nothing was measured"):
        write_vpc_results(replace(bare, utterances=utterances.assign(emotion=None)), tmp_path / "none", "_mine")
    assert not (tmp_path / "none").exists()


def test_suffixes_that_voiceprivacy_mistakes_are_refused(results, tmp_path):
    for suffix in ("", "_asr", "_test"):
        with pytest.raises(CorpusError):
            write_vpc_results(results, tmp_path / "out", suffix)
    assert not (tmp_path / "out").exists()


def test_published_recalls_average_to_the_published_uar_also_for_b4():
    published = pd.read_csv(PAPER / "vpc2024_baselines.csv")
    recalls = published.filter(like="recall_")
    assert (recalls.mean(axis=1) - published["uar"]).abs().max() < 5e-4
    published = pd.read_csv(PAPER / "vpc2026_baselines.csv").dropna(subset=["uar"])
    assert (published.filter(like="recall_").mean(axis=1) - published["uar"]).abs().max() < 1e-3
    paper = pd.read_csv(PAPER / "table2.csv", index_col="row").loc["B4"]
    assert paper["hap"] == 54.64 and paper[EMOTIONS].mean() - paper["uar"] == pytest.approx(0.75, abs=5e-3)


def test_ssl_sas_of_2026_turns_neither_angry_nor_is_it_private():
    """Track 2's BM1 as published: recall of angry falls most, and trained attackers hardly err."""
    table = pd.read_csv(PAPER / "vpc2026_baselines.csv").query("system == 'BM1' and split == 'test'")
    emotion = table.query("dataset == 'emodata'").set_index("version").filter(like="recall_")
    assert (emotion.loc["anon"] - emotion.loc["original"]).idxmin() == "recall_angry"
    english = table.query("dataset == 'en' and version == 'anon'").iloc[0]
    assert (english["eer_lazy_informed"], english["eer_semi_informed"]) == (5.259, 3.734)
