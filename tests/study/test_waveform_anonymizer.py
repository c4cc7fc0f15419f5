"""A row without an IR: its anonymizer changes the waveform, and the study judges it as every anonymised row."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tiny_study import make_tiny, tiny_profile

from emotrace.analysis.summary import summary_table
from emotrace.anonymizer.mcadams import McAdams
from emotrace.corpus.audio import load_audio
from emotrace.corpus.datadir import CorpusError, DataDir, write_datadir
from emotrace.engine.keys import Keys
from emotrace.pipeline.measures import Measure, Rendering
from emotrace.pipeline.rows import MCADAMS, ORIGINAL
from emotrace.show.figures import OTHER_COLOUR, row_colour
from emotrace.show.listening.page import describe
from emotrace.study import Study
from emotrace.study.groups import with_effect
from emotrace.study.plan import make_plan
from emotrace.study.profiles import ALL_MEASURES, Profile
from emotrace.study.run import RowWork, run_rows
from emotrace.study.study import StudyResults
from emotrace.study.verbs import anonymise, evaluate

QUIETER = with_effect(MCADAMS, "level-down")
ROWS = (ORIGINAL, MCADAMS, QUIETER)


@pytest.fixture(scope="module")
def profile(tmp_path_factory) -> Profile:
    """The tiny study without words and without any model."""
    folder = make_tiny(tmp_path_factory.mktemp("study"))
    tiny = tiny_profile(folder, folder)
    corpus = replace(tiny.corpora[0], measures=ALL_MEASURES - {Measure.WORDS, Measure.NATURALNESS})
    recognisers = replace(tiny.recognisers, ser=("egemaps",))
    return replace(tiny, corpora=(corpus,), rows=ROWS, groups={}, recognisers=recognisers, models=folder / "none")


@pytest.fixture(scope="module")
def results(profile, inline_workers) -> StudyResults:
    """The study of the recordings, the anonymised row, and the row with an effect."""
    assert list(make_plan(profile, ROWS).rows["state"]) == ["missing"] * 3
    return Study(profile, n_bootstrap=50)


def rendering(profile: Profile) -> Rendering:
    """Where the audio of the row lies."""
    [corpus] = profile.corpora
    return Keys(profile).rendering(MCADAMS, corpus.name, corpus.path, corpus.measures)


def test_the_row_is_a_line_of_the_table(results):
    assert list(summary_table(results)["version"].unique()) == [row.name for row in ROWS]
    assert [state.state for state in results.states] == ["done"] * 3
    assert len(results.lines("McAdams")) == 16 and results.lines("McAdams")["emotion_egemaps"].notna().all()


@pytest.mark.parametrize("row", [MCADAMS.name, QUIETER.name])
def test_both_attackers_try_it(results, row):
    trials = results.trials[results.trials["row"] == row]
    assert trials.groupby("attacker").size().to_dict() == {"ignorant": 8, "lazy-informed": 8}
    by_attacker = trials.set_index(["attacker", "speaker", "utterance"])["score"]
    assert (by_attacker["ignorant"] != by_attacker["lazy-informed"]).all()


def test_the_audio_is_the_anonymizers_and_the_enrolment_is_drawn_anew(results, profile):
    made, corpus = rendering(profile), Keys(profile).data(profile.corpora[0].path)
    drawn = {"audio": profile.drawn, "enrolment": profile.drawn.invocation("enrolment")}
    assert set(made.enrolment) == set(corpus.enrolment)
    for part, selection in drawn.items():
        for name, path in getattr(made, part).items():
            expected = McAdams(selection)(load_audio(corpus[name].path), corpus[name])
            np.testing.assert_allclose(load_audio(path), expected, rtol=0, atol=1 / 32768)


def test_only_the_anonymizer_and_the_measures_stand_in_the_identity(results):
    identity = results.works[1].identity()
    making = {name for name in identity["components"] if not name.startswith(("measure ", "emotion ", "attacker "))}
    assert making == {"anonymizer mcadams", "tables"}
    assert "weights" not in identity["components"]["anonymizer mcadams"]
    assert identity["selection"] == {"level": "utterance", "seed": "2020"}


def test_another_seed_has_a_folder_of_its_own(results, profile):
    again = replace(profile, seed=1)
    assert RowWork(again, MCADAMS).folder.name == "McAdams-seed1"
    assert rendering(again).folder != rendering(profile).folder


def test_what_is_done_is_not_made_again(results, profile):
    assert run_rows(profile, ROWS, jobs=1) == []


def test_the_verb_anonymises_with_it(results, profile, tmp_path):
    source = profile.corpora[0].path
    settings = {"models": profile.models, "selection": profile.selection, "work": tmp_path / "work"}
    copy = anonymise(source, "McAdams", target=tmp_path / "copy", **settings)
    for name, path in rendering(profile).audio.items():
        np.testing.assert_array_equal(load_audio(copy[name].path), load_audio(path))


def test_an_evaluation_of_its_audio_gives_the_row(profile, tmp_path, inline_workers):
    """With other speakers' speech to learn from, as recorded and as anonymised, and an enrolment of its own."""
    known = DataDir.read(profile.corpora[0].path)
    trials = {"enrolment": known.enrolment, "trials": known.trials}
    corpus = write_datadir(tmp_path / "corpus", [replace(each, text=None) for each in known], **trials)
    others = [replace(each, id=f"other-{each.id}", speaker=f"other-{each.speaker}", fold=None) for each in corpus]
    training = write_datadir(tmp_path / "training", others)
    places = {"results": tmp_path / "results", "work": tmp_path / "work"}
    corpora = (replace(profile.corpora[0], path=corpus.path),)
    taught = replace(profile, corpora=corpora, ser_training=training.path, rows=ROWS[:2], **places)
    study = Study(taught, n_bootstrap=50)
    again = profile.selection.invocation("enrolment")
    sources = {"mine": (corpus, None), "again": (corpus, again), "learnt": (training, None)}
    mine, enrolment, learnt = (
        anonymise(data, MCADAMS, profile.models, target=tmp_path / name, selection=drawn, work=tmp_path / "made")
        for name, (data, drawn) in sources.items()
    )
    given = {"training": training, "training_anonymised": learnt, "enrolment": enrolment}
    found = evaluate(corpus, {"McAdams": mine}, None, profile.recognisers, **given, work=tmp_path / "evaluated")
    assert "emotion_egemaps_matched" in found.utterances and "semi-informed" in set(found.trials["attacker"])
    orders = {"utterances": ["row", "utterance"], "trials": ["row", "attacker", "speaker", "utterance"]}
    for table, order in orders.items():
        lines = (getattr(each, table).dropna(axis=1, how="all") for each in (found, study))
        lines = (each.sort_values(order, ignore_index=True) for each in lines)
        pd.testing.assert_frame_equal(*lines, check_dtype=False)


def test_training_speech_goes_with_its_originals_one_for_each_system(profile, tmp_path):
    corpus = profile.corpora[0].path
    for given in ({"training_anonymised": corpus}, {"training": corpus, "training_anonymised": [corpus, corpus]}):
        with pytest.raises(CorpusError, match="one copy for each system"):
            evaluate(corpus, corpus, work=tmp_path, **given)


def test_pages_can_describe_the_row():
    assert describe(MCADAMS) == "the recording, changed by mcadams"
    assert describe(QUIETER) == "the recording, changed by mcadams; then level-down"
    assert row_colour(MCADAMS.name) == OTHER_COLOUR
