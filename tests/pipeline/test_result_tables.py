"""From measurements to tables: every recogniser and seed, words, acoustics, trials, and the same bytes every time."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from emotrace.corpus.datadir import DataDir, Emotion, Trial, Utterance
from emotrace.evaluation import ASV, SEEDS, SER
from emotrace.evaluation.asv import asv_scores
from emotrace.evaluation.attackers import Wccn, semi_informed_scores, semi_informed_scores_by_fold
from emotrace.evaluation.ser import EgemapsSvm, Ge2eSvm, cross_validated, trained_on
from emotrace.pipeline.measures import Measure, Measurement, Recognisers, Rendering
from emotrace.pipeline.results import (
    TRIALS,
    Training,
    emotion_column,
    emotion_columns,
    joined,
    recognised_emotions,
    trial_lines,
    utterance_lines,
    utterance_schema,
    vectors_of,
    write_parquet,
)

RECOGNISERS = Recognisers(ser=("egemaps", "ge2e"), naturalness="", matched=False)
MATCHING = replace(RECOGNISERS, matched=True)
SPEAKER = RECOGNISERS.speaker
EMOTION = RECOGNISERS.emotion("egemaps")


class Trained:
    """Comes trained, one model per fold."""

    label, embedding = "trained", ""

    @classmethod
    def make(cls, device):
        return cls()

    def posteriors(self, waveform, fold):
        raise AssertionError("posteriors are measured, not asked for again")


def spoken(speakers: str) -> tuple[Utterance, ...]:
    """Five utterances of each emotion and speaker; a fold for every two speakers."""
    return tuple(
        Utterance(f"{speaker}-{emotion}-{n}", speaker, "f", Path("none"), None, emotion, str(place // 2))
        for place, speaker in enumerate(speakers)
        for emotion in Emotion
        for n in range(5)
    )


def make_rendering(
    folder: Path, utterances: tuple[Utterance, ...], measures: frozenset[Measure], **options
) -> Rendering:
    """A rendering without audio; its measurements are to be written with `write`."""
    taken = RECOGNISERS.measurements(measures)
    keys = {measurement: "key" for measurement in (*taken, Measurement(Measure.EMOTION, "trained"))}
    data = DataDir(Path("none"), utterances, **options)
    return Rendering(
        "row", "emotional", data, {}, folder, keys, measures, frozenset(u.id for u in utterances if u.text)
    )


def write(rendering: Rendering, taken: Measurement, values: dict, *, enrolment: bool = False) -> None:
    for name, value in values.items():
        file = rendering.enrolment_file(taken, name) if enrolment else rendering.file(taken, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value))


def scattered(utterances: tuple[Utterance, ...], *, size: int = 6, seed: int = 0) -> dict[str, list[float]]:
    """Features (size,) of emotions that overlap."""
    rng = np.random.default_rng(seed)
    centres = {emotion: np.eye(size)[place] for place, emotion in enumerate(Emotion)}
    return {u.id: list(rng.normal(size=size) + centres[u.emotion]) for u in utterances}


def with_features(folder: Path, speakers: str, *taken: Measurement) -> Rendering:
    measures = frozenset({Measure.EMOTION, *(one.measure for one in taken)})
    rendering = make_rendering(folder, spoken(speakers), measures)
    for number, one in enumerate(taken):
        write(rendering, one, scattered(rendering.data.utterances, seed=number))
    return rendering


def test_every_recogniser_and_seed_has_a_column_of_the_results():
    assert emotion_columns(Recognisers(ser=("functionals", "ge2e"))) == (
        "emotion_functionals",
        "emotion_functionals_seed1",
        "emotion_functionals_seed2",
        "emotion_ge2e",
        "emotion_ge2e_seed1",
        "emotion_ge2e_seed2",
        "emotion_functionals_matched",
        "emotion_ge2e_matched",
    )
    for recognisers in (Recognisers(), RECOGNISERS, Recognisers(ser=("egemaps",)), Recognisers(ser=(), acoustics=())):
        columns = emotion_columns(recognisers)
        assert len(columns) == (len(SEEDS) + recognisers.matched) * len(recognisers.ser)
        names = utterance_schema(recognisers).names
        assert set(columns) == {name for name in names if name.startswith("emotion_")}
        assert len(names) == len(set(names)) and set(recognisers.acoustics) <= set(names)


def test_seeds_of_recognisers_that_learn_from_other_speakers(tmp_path):
    test = with_features(tmp_path / "test", "ab", EMOTION, SPEAKER)
    train = with_features(tmp_path / "train", "cde", EMOTION, SPEAKER)
    predicted = recognised_emotions(test, Training(train), RECOGNISERS)
    assert tuple(predicted) == emotion_columns(RECOGNISERS)
    for name, taken, backend in (("egemaps", EMOTION, EgemapsSvm), ("ge2e", SPEAKER, Ge2eSvm)):
        known, tested = vectors_of(train.read(taken)), vectors_of(test.read(taken))
        plain = trained_on(backend(), train.data.utterances, known, test.data.utterances, tested)
        assert predicted[emotion_column(name)] == plain
        assert len({tuple(predicted[emotion_column(name, seed)].items()) for seed in SEEDS}) == 3
    assert recognised_emotions(test, Training(train), RECOGNISERS) == predicted


def test_seeds_of_recognisers_that_learn_from_the_other_folds_of_the_originals(tmp_path):
    original = with_features(tmp_path / "original", "abcd", EMOTION)
    version = make_rendering(tmp_path / "version", spoken("abcd"), frozenset({Measure.EMOTION}))
    write(version, EMOTION, scattered(version.data.utterances, seed=7))
    predicted = recognised_emotions(version, Training(original), replace(RECOGNISERS, ser=("egemaps",)))
    known, tested = vectors_of(original.read(EMOTION)), vectors_of(version.read(EMOTION))
    assert list(predicted) == ["emotion_egemaps", "emotion_egemaps_seed1", "emotion_egemaps_seed2"]
    for seed in SEEDS:
        expected = cross_validated(EgemapsSvm(), version.data.utterances, known, tested, seed=seed)
        assert predicted[emotion_column("egemaps", seed)] == expected


def test_a_matched_recogniser_learns_from_the_other_folds_of_the_rendering(tmp_path):
    original = with_features(tmp_path / "original", "abcd", EMOTION)
    version = make_rendering(tmp_path / "version", spoken("abcd"), frozenset({Measure.EMOTION}))
    turned = {name: values[::-1] for name, values in scattered(version.data.utterances, seed=7).items()}
    write(version, EMOTION, turned)  # as unfamiliar as can be, and nothing is lost
    recognisers = replace(MATCHING, ser=("egemaps",))
    predicted = recognised_emotions(version, Training(original, version), recognisers)
    assert tuple(predicted) == emotion_columns(recognisers)
    tested = vectors_of(version.read(EMOTION))
    expected = cross_validated(EgemapsSvm(), version.data.utterances, tested, tested)
    assert predicted["emotion_egemaps_matched"] == expected
    right = {column: np.mean([predicted[column][u.id] == u.emotion for u in version.data]) for column in predicted}
    assert right["emotion_egemaps"] < 0.3 < 0.4 < right["emotion_egemaps_matched"]
    assert "emotion_egemaps_matched" not in recognised_emotions(version, Training(original), recognisers)


def test_a_matched_recogniser_learns_from_other_speakers_as_the_row_renders_them(tmp_path):
    test, train = (with_features(tmp_path / name, name, EMOTION) for name in ("ab", "cde"))
    rendered = make_rendering(tmp_path / "rendered", spoken("cde"), frozenset({Measure.EMOTION}))
    write(rendered, EMOTION, scattered(rendered.data.utterances, seed=5))
    recognisers = replace(MATCHING, ser=("egemaps",))
    predicted = recognised_emotions(test, Training(train, rendered), recognisers)
    features = (vectors_of(each.read(EMOTION)) for each in (rendered, test))
    learned, tested = features
    expected = trained_on(EgemapsSvm(), rendered.data.utterances, learned, test.data.utterances, tested)
    assert predicted["emotion_egemaps_matched"] == expected != predicted["emotion_egemaps"]


def test_a_recogniser_that_comes_trained_has_no_further_seeds(tmp_path, monkeypatch):
    monkeypatch.setitem(SER, "trained", Trained)
    recognisers = replace(MATCHING, ser=("trained",))
    rendering = make_rendering(tmp_path, spoken("abcd"), frozenset({Measure.EMOTION}))
    posteriors = scattered(rendering.data.utterances, size=4)
    write(rendering, recognisers.emotion("trained"), posteriors)
    expected = {name: list(Emotion)[int(np.argmax(four))] for name, four in posteriors.items()}
    assert recognised_emotions(rendering, Training(rendering, rendering), recognisers) == {"emotion_trained": expected}


def test_emotions_are_not_predicted_where_nothing_can_be_learned_from(tmp_path):
    without_folds = tuple(replace(utterance, fold=None) for utterance in spoken("ab"))
    without_labels = tuple(replace(utterance, emotion=None) for utterance in spoken("ab"))
    for utterances, measures in (
        (without_folds, {Measure.EMOTION}),
        (without_labels, {Measure.EMOTION}),
        (spoken("ab"), {Measure.WORDS}),
    ):
        rendering = make_rendering(tmp_path, utterances, frozenset(measures))
        assert recognised_emotions(rendering, Training(rendering), RECOGNISERS) == {}


@pytest.fixture
def measured(tmp_path) -> Rendering:
    """Two utterances, one of them transcribed, with words and acoustics but no emotions."""
    utterances = tuple(
        Utterance(name, "s1", "f", tmp_path / f"{name}.wav", text, None)
        for name, text in (("u1", "ONE two"), ("u2", None))
    )
    rendering = make_rendering(tmp_path / "work", utterances, frozenset({Measure.WORDS, Measure.ACOUSTICS}))
    for seconds, utterance in enumerate(utterances, 1):
        soundfile.write(utterance.path, np.zeros(8_000 * seconds), 16_000)
    write(rendering, RECOGNISERS.words, {"u1": {"text": "one, three", "guard": "loop"}})
    acoustics = {
        "centroid_hz": 1000.0,
        "f0_mean_hz": None,
        "speech_frames": 7,
        "centroid_histogram": [3, 4],
        "kurtosis_histogram": [7],
    }
    write(rendering, RECOGNISERS.acoustic, {"u1": acoustics, "u2": acoustics | {"speech_frames": 8}})
    return replace(rendering, audio={utterance.id: utterance.path for utterance in utterances})


def test_a_line_holds_what_was_measured_and_nothing_for_what_was_not(measured, tmp_path):
    lines = utterance_lines(measured, Training(measured), RECOGNISERS)
    assert list(lines.columns) == utterance_schema(RECOGNISERS).names
    first, second = (lines.iloc[place] for place in (0, 1))
    assert (first["row"], first["corpus"], first["utterance"], first["seconds"]) == ("row", "emotional", "u1", 0.5)
    assert (first["text"], first["hypothesis"], first["words"], first["word_errors"]) == ("ONE two", "ONE THREE", 2, 1)
    assert first["guard"] == "loop"
    assert first["centroid_histogram"] == [3, 4] and first["speech_frames"] == 7 and second["speech_frames"] == 8
    assert second[["text", "hypothesis", "words", "word_errors"]].isna().all()
    assert lines[["emotion", "f0_mean_hz", "kurtosis", *emotion_columns(RECOGNISERS)]].isna().all(axis=None)


def test_what_was_not_measured_is_empty_in_the_file(measured, tmp_path):
    without = replace(measured, measures=frozenset({Measure.WORDS}))
    for number, rendering in enumerate((measured, without)):
        lines = utterance_lines(rendering, Training(rendering), RECOGNISERS)
        write_parquet(tmp_path / f"{number}.parquet", lines, utterance_schema(RECOGNISERS))
        read = pd.read_parquet(tmp_path / f"{number}.parquet")
        assert list(read.columns) == utterance_schema(RECOGNISERS).names
        assert read["words"].isna().tolist() == [False, True]
        assert read["centroid_histogram"].isna().tolist() == [rendering is without] * 2


def test_attackers_score_every_trial(tmp_path):
    people = {"s1": "f", "s2": "f"}
    utterances = tuple(Utterance(f"{s}-{n}", s, g, Path("none")) for s, g in people.items() for n in "et")
    trials = tuple(Trial(one, f"{other}-t", one == other) for one in people for other in people)
    options = {"enrolment": ("s1-e", "s2-e"), "trials": trials}
    original, version = (
        make_rendering(tmp_path / name, utterances, frozenset({Measure.SPEAKER}), **options) for name in ("o", "v")
    )
    original = replace(original, name="original")
    version = replace(version, enrolment={name: Path("none") for name in options["enrolment"]})
    rng = np.random.default_rng(0)
    for rendering in (original, version):
        write(rendering, SPEAKER, {u.id: list(rng.normal(size=4)) for u in utterances})
    write(version, SPEAKER, {name: list(rng.normal(size=4)) for name in options["enrolment"]}, enrolment=True)

    lines = trial_lines(version, original, Training(original, version), RECOGNISERS)
    tested, known, again = (
        vectors_of(of) for of in (version.read(SPEAKER), original.read(SPEAKER), version.read_enrolment(SPEAKER))
    )
    assert list(lines.columns) == TRIALS.names and set(lines["row"]) == {"row"}
    for attacker, enrolled in (("ignorant", known), ("lazy-informed", again)):
        own = lines[lines["attacker"] == attacker].reset_index(drop=True)
        expected = asv_scores(version.data, enrolled, tested)
        pd.testing.assert_frame_equal(own[expected.columns], expected)
    recorded = trial_lines(original, original, Training(original, original), RECOGNISERS)
    assert set(recorded["attacker"]) == {"original"} and len(recorded) == len(trials)
    assert list(recorded["score"]) == list(asv_scores(original.data, known, known)["score"])


def test_the_semi_informed_attacker_is_trained_on_what_the_row_makes_of_other_speakers(tmp_path):
    people = "abcdef"
    utterances = tuple(
        Utterance(f"{s}-{n}", s, "f", Path("none"), None, None, str(place // 2))
        for place, s in enumerate(people)
        for n in range(4)
    )
    trials = tuple(Trial(one, f"{other}-1", one == other) for one in people for other in people)
    options = {"enrolment": tuple(f"{s}-0" for s in people), "trials": trials}
    original, version = (
        make_rendering(tmp_path / name, utterances, frozenset({Measure.SPEAKER}), **options) for name in ("o", "v")
    )
    original, rng = replace(original, name="original"), np.random.default_rng(0)
    for rendering in (original, version):
        write(rendering, SPEAKER, {u.id: list(rng.normal(size=4)) for u in utterances})
    others = tuple(replace(u, id=f"t{u.id}", speaker=f"t{u.speaker}") for u in utterances)
    others = make_rendering(tmp_path / "t", others, frozenset({Measure.SPEAKER}))
    write(others, SPEAKER, {u.id: list(rng.normal(size=4)) for u in others.data})
    tested = vectors_of(version.read(SPEAKER))

    def scores(rendered):
        lines = trial_lines(version, original, Training(original, rendered), RECOGNISERS)
        own = lines[lines["attacker"] == "semi-informed"]
        return list(own["score"])

    by_fold = semi_informed_scores_by_fold(version.data, tested, tested, tested, Wccn())
    assert scores(version) == list(by_fold["score"])
    learned = vectors_of(others.read(SPEAKER))
    speakers = [others.data[name].speaker for name in learned]
    matrix = np.stack(list(learned.values()))
    expected = semi_informed_scores(version.data, matrix, speakers, tested, tested, Wccn())
    assert scores(others) == list(expected["score"]) != scores(version)
    assert scores(None) == []


def test_without_trials_or_without_embeddings_there_are_no_scores(tmp_path):
    unmeasured = make_rendering(
        tmp_path, spoken("ab"), frozenset({Measure.WORDS}), trials=(Trial("a", "a-sad-0", True),)
    )
    untried = make_rendering(tmp_path, spoken("ab"), frozenset({Measure.SPEAKER}))
    for rendering in (unmeasured, untried):
        lines = trial_lines(rendering, rendering, Training(rendering), RECOGNISERS)
        assert len(lines) == 0 and list(lines.columns) == TRIALS.names


def test_the_verifier_is_the_one_that_the_recognisers_name(tmp_path, monkeypatch):
    class Other:
        @classmethod
        def make(cls, device):
            return cls()

    monkeypatch.setitem(ASV, "other", Other)
    recognisers = replace(RECOGNISERS, asv="other")
    assert recognisers.speaker == Measurement(Measure.SPEAKER, "other") != SPEAKER
    assert SPEAKER in recognisers.measurements() and recognisers.speaker in recognisers.measurements()


def test_tables_below_each_other_keep_the_types_of_those_that_have_lines():
    some = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    empty = pd.DataFrame(columns=["a", "b"])
    pd.testing.assert_frame_equal(joined([empty, some, empty]), some)
    assert list(joined([empty, empty]).columns) == ["a", "b"] and len(joined([empty, empty])) == 0


def test_the_same_lines_make_the_same_bytes_whatever_their_order(tmp_path):
    schema = pa.schema({"corpus": pa.string(), "utterance": pa.string(), "value": pa.float64()})
    lines = pd.DataFrame({"corpus": list("aabb"), "utterance": list("1212"), "value": [1.0, None, 3.0, 4.0]})
    write_parquet(tmp_path / "once", lines, schema)
    write_parquet(tmp_path / "again", lines.sample(frac=1, random_state=1), schema)
    assert (tmp_path / "once").read_bytes() == (tmp_path / "again").read_bytes()
    assert pq.read_schema(tmp_path / "once").metadata is None
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "once"), lines, check_dtype=False)
