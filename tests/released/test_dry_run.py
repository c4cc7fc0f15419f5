"""The paper's profile from released files to results, shrunk: checkpoints, adoption, all rows, all evaluators."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from dry_run import IRS, dry_run, paper_profile
from stand_ins import SMALL, write_generator

from emotrace.corpus.datadir import Emotion
from emotrace.models import Models
from emotrace.released.adopt import SOURCES, adopt, adopt_all, channels_of
from emotrace.released.checkpoint import MissingCheckpointError
from emotrace.released.hubert import hubert_base
from emotrace.released.registry import find
from emotrace.released.vocoder import ssl_sas_generator
from emotrace.study.layout import Layout
from emotrace.released.paper_plan import missing_parts
from emotrace.pipeline.rows import Route
from emotrace.study.runner import row_state, run_rows
from emotrace.weights import CheckpointError


@pytest.fixture(scope="module")
def root(tmp_path_factory, inline_workers) -> Path:
    folder = tmp_path_factory.mktemp("paper")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOTRACE_CHECKPOINTS", str(folder / "work" / "checkpoints"))
        dry_run(folder, small=True)
        yield folder


@pytest.fixture(scope="module")
def layout(root) -> Layout:
    return Layout(paper_profile(root))


def read(layout: Layout, name: str) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(layout.results(row) / name) for row in layout.profile.rows])


def test_every_row_has_words_emotions_and_acoustics_of_every_utterance(layout):
    lines = read(layout, "utterances.parquet")
    assert lines.groupby(["row", "corpus"]).size().unstack().drop_duplicates().to_numpy().tolist() == [[2, 4]]
    assert set(lines["row"]) == {row.name for row in layout.profile.rows} and len(layout.profile.rows) == 9
    assert lines["hypothesis"].notna().all() and lines["words"].gt(0).all()
    emotional = lines[lines["corpus"] == "emotional"]
    assert set(emotional["ser"]) <= set(Emotion) and lines.loc[lines["corpus"] == "read", "ser"].isna().all()
    assert np.isfinite(lines[["centroid_hz", "kurtosis", "loudness_lufs"]]).all(axis=None)


def test_every_attacker_scores_every_trial(layout):
    trials = read(layout, "trials.parquet")
    counts = trials.groupby(["row", "attacker"]).size()
    assert counts.loc["original"].to_dict() == {"original": 4}
    assert counts.loc["ECAPA-anon-T6"].to_dict() == {"ignorant": 4, "lazy-informed": 4}
    assert np.isfinite(trials["score"]).all()


def test_the_seven_rows_are_vocoded_by_their_own_generators_and_differ(layout):
    unified = [row for row in layout.profile.rows if row.route is Route.UNIFIED]
    assert len(unified) == 7 and len({row.ir.name for row in unified}) == 5
    corpus = layout.profile.corpora[0]
    spoken = [soundfile.read(next(iter(layout.version(row, corpus).audio.values())))[0] for row in unified]
    assert all(len(one) == len(spoken[0]) and np.abs(one).max() == pytest.approx(0.95, abs=1e-3) for one in spoken)
    for first in range(7):
        assert all(np.abs(spoken[first] - other).max() > 1e-4 for other in spoken[first + 1 :])


def test_finished_rows_are_done_and_not_run_again(layout):
    assert {row_state(layout, row).state for row in layout.profile.rows} == {"done"}
    assert run_rows(layout, layout.profile.rows) == []


def test_provenance_says_which_recognisers_judged(layout):
    identity = layout.identity(layout.profile.rows[0])
    assert identity["backends"] == {"asr": "vpc", "asv": "vpc", "ser": "vpc", "ser_second": "ge2e", "device": "cpu"}


def test_adopted_models_compute_what_the_released_ones_do(root, layout):
    models = Models(layout.profile.models)
    waveform = torch.randn(4_000, generator=torch.Generator().manual_seed(0))
    ours, theirs = models.hubert.layers(waveform), hubert_base(find("hubert_base").path()).layers(waveform)
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
    generator = models.unified("unified-ECAPA-T12-soft")
    ir = torch.randn(1, generator.config.in_channels, 20)
    with torch.no_grad():
        expected = ssl_sas_generator(find("ssl_sas_generator").path()).eval()(ir)
        torch.testing.assert_close(generator(ir), expected, rtol=0, atol=0)


def test_a_generator_of_another_ir_is_refused_and_leaves_nothing(tmp_path, layout):
    own = Models(layout.profile.models)
    path = write_generator(tmp_path / "g_00000001", channels_of("none-T6", own) + 1, SMALL)
    with pytest.raises(CheckpointError, match=r"channels, the IR none-T1 has"):
        adopt("unified-none-T1", path, layout.profile.models)
    assert set(own.names()) == {*SOURCES, *(f"unified-{ir}" for ir in IRS), "pool"}


def test_what_is_adopted_is_not_adopted_again_and_what_is_missing_is_named(tmp_path, layout):
    assert adopt_all(layout.profile.models) == []
    with pytest.raises(MissingCheckpointError, match="hubert_base"):
        adopt_all(tmp_path / "models", tmp_path)


def test_the_plan_names_what_is_missing(root, layout, tmp_path):
    everything = missing_parts(paper_profile(tmp_path), tmp_path, tmp_path)
    assert {"IEMOCAP, full release", "hubert_base", "vpc_ser", "unified-none-T1", "pool"} <= set(everything["part"])
    assert everything[["from", "licence", "then"]].map(len).gt(0).all(axis=None)
    now = missing_parts(layout.profile, root / "work" / "corpora")
    assert not {"IEMOCAP, full release", "hubert_base", "vpc_ser", "unified-none-T1", "pool"} & set(now["part"])
