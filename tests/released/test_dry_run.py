"""The paper's profile from released files to results, shrunk: checkpoints, conversion, all rows, all recognisers."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from dry_run import TRAINED, dry_run, paper_profile, read_tables
from stand_ins import SMALL, write_generator

from emotrace.corpus.datadir import Emotion
from emotrace.released.checkpoints import CHECKPOINTS, SOURCES, VOCODERS, MissingCheckpointError
from emotrace.released.loaders import channels, convert, convert_all, hubert_base, ssl_sas_generator
from emotrace.released.paper_plan import missing_parts
from emotrace.representation.hubert import load_hubert
from emotrace.study.profiles import Profile
from emotrace.study.run import RowWork, row_states, run_rows
from emotrace.vocoder.unified import Unified
from emotrace.weights import CheckpointError, ModelError, ModelFolder


@pytest.fixture(scope="module")
def root(tmp_path_factory, inline_workers) -> Path:
    folder = tmp_path_factory.mktemp("paper")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOTRACE_CHECKPOINTS", str(folder / "work" / "checkpoints"))
        dry_run(folder, small=True)
        yield folder


@pytest.fixture(scope="module")
def profile(root) -> Profile:
    return paper_profile(root)


def test_every_row_has_words_emotions_and_acoustics_of_every_utterance(profile):
    lines = read_tables(profile, "utterances.parquet")
    assert lines.groupby(["row", "corpus"]).size().unstack().drop_duplicates().to_numpy().tolist() == [[2, 4]]
    assert set(lines["row"]) == {row.name for row in profile.rows} and len(profile.rows) == 9
    assert lines["hypothesis"].notna().all() and lines["words"].gt(0).all()
    emotional = lines[lines["corpus"] == "emotional"]
    assert set(emotional["emotion_vpc"]) <= set(Emotion)
    assert lines.loc[lines["corpus"] == "read", "emotion_vpc"].isna().all()
    assert np.isfinite(lines[["centroid_hz", "kurtosis", "loudness_lufs"]]).all(axis=None)


def test_every_attacker_scores_every_trial(profile):
    trials = read_tables(profile, "trials.parquet")
    counts = trials.groupby(["row", "attacker"]).size()
    assert counts.loc["original"].to_dict() == {"original": 4}
    assert counts.loc["ECAPA-anon-T6"].to_dict() == {"ignorant": 4, "lazy-informed": 4}
    assert np.isfinite(trials["score"]).all()


def test_the_seven_rows_are_vocoded_by_their_own_generators_and_differ(profile):
    unified = [row for row in profile.rows if row.vocoder == "unified"]
    assert len(unified) == 7 and len({row.ir.name for row in unified}) == 5
    renderings = [RowWork(profile, row).rendering(profile.corpora[0]) for row in unified]
    waveforms = [soundfile.read(next(iter(rendering.audio.values())))[0] for rendering in renderings]
    assert all(len(one) == len(waveforms[0]) for one in waveforms)
    assert all(np.abs(one).max() == pytest.approx(0.95, abs=1e-3) for one in waveforms)
    for first in range(7):
        assert all(np.abs(waveforms[first] - other).max() > 1e-4 for other in waveforms[first + 1 :])


def test_finished_rows_are_done_and_not_run_again(profile):
    assert {state.state for state in row_states(profile, profile.rows)} == {"done"}
    assert run_rows(profile, profile.rows) == []


def test_provenance_says_which_recognisers_measured_and_with_which_weights(profile):
    components = RowWork(profile, profile.rows[0]).identity()["components"]
    assert {"measure words-vpc", "measure speaker-vpc", "measure emotion-vpc"} <= set(components)
    assert "emotion recogniser vpc" in components and not any("ge2e" in name for name in components)
    for name, file in (("words", "asr.ckpt"), ("speaker", "embedding_model.ckpt"), ("emotion", "wav2vec2.ckpt")):
        assert any(path.endswith(file) for path in components[f"measure {name}-vpc"]["weights"])


def test_converted_models_compute_what_the_released_ones_do(profile):
    models = ModelFolder(profile.models)
    waveform = torch.randn(4_000, generator=torch.Generator().manual_seed(0))
    released = hubert_base(CHECKPOINTS.find("hubert_base").path())
    ours, theirs = load_hubert(models, "hubert", "cpu").layers(waveform), released.layers(waveform)
    assert len(ours) == 13 and all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
    generator = Unified.load(models, "ECAPA-T12-soft").generator
    ir = torch.randn(1, generator.config.in_channels, 20)
    with torch.no_grad():
        expected = ssl_sas_generator(CHECKPOINTS.find("ssl_sas_generator").path())(ir)
        torch.testing.assert_close(generator(ir), expected, rtol=0, atol=0)


def test_a_generator_of_another_ir_is_refused_and_leaves_nothing(tmp_path, profile):
    models = ModelFolder(profile.models)
    path = write_generator(tmp_path / "g_00000001", channels(TRAINED["none-T6"], models) + 1, SMALL)
    with pytest.raises(CheckpointError, match=r"channels, the IR none-T1 has"):
        convert("unified-none-T1", path, profile.models)
    assert set(models.names()) == {*SOURCES, *VOCODERS, "pool"}


def test_a_vocoder_needs_its_front_ends_and_a_name_that_the_profile_has(tmp_path):
    path = write_generator(tmp_path / "g_00000001", 49, SMALL)
    with pytest.raises(ModelError, match="no model 'hubert'"):
        convert("unified-none-T1", path, tmp_path / "models")
    with pytest.raises(ValueError, match="no model 'unified-none-T3' to convert; there are: hubert.*unified-none-T1"):
        convert("unified-none-T3", path, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_what_is_converted_is_not_converted_again_and_what_is_missing_is_named(tmp_path, profile):
    assert convert_all(profile.models) == []
    with pytest.raises(MissingCheckpointError, match="hubert_base"):
        convert_all(tmp_path / "models", tmp_path)


def test_the_plan_names_what_is_missing(root, profile, tmp_path):
    everything = missing_parts(tmp_path, tmp_path / "models", tmp_path)
    assert {"IEMOCAP, full release", "hubert_base", "vpc_ser", "unified-none-T1", "pool"} <= set(everything["part"])
    assert everything[["from", "licence", "then"]].map(len).gt(0).all(axis=None)
    assert everything.loc[everything["part"] == "LibriTTS train-clean-100", "gb"].item() == 7.7
    now = missing_parts(root / "work" / "corpora", profile.models)
    assert not {"IEMOCAP, full release", "hubert_base", "vpc_ser", "unified-none-T1", "pool"} & set(now["part"])
