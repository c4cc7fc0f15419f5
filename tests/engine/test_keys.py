"""Keys: what changes makes exactly the rows stale that use it, and what is added makes none stale."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_study import make_tiny, tiny_profile
from traced import executed, import_everything

from emotrace.anonymizer import ANONYMIZERS, WAVEFORM_ANONYMIZERS
from emotrace.engine.code import reached
from emotrace.engine.keys import Keys
from emotrace.engine.runner import state_of
from emotrace.evaluation import ASR, ASV, NATURALNESS, SER
from emotrace.paths import RESULTS
from emotrace.pipeline import measures, pipeline, waveforms
from emotrace.pipeline.effects import EFFECTS
from emotrace.pipeline.measures import Measure, Recognisers, write_measurement
from emotrace.pipeline.rows import ALL_ROWS, MCADAMS, ORIGINAL, select_rows
from emotrace.pipeline.waveforms import write_effect
from emotrace.representation import STREAMS, features, hubert
from emotrace.representation.features import FeatureCache
from emotrace.representation.spec import StreamSpec
from emotrace.study.groups import GROUPS, with_effect
from emotrace.study.profiles import Profile, phantom
from emotrace.study.run import RowWork, works
from emotrace.study.tasks import anonymising
from emotrace.vocoder import VOCODERS, universal

PEAK = with_effect(ORIGINAL, "peak")
QUIETER = with_effect(select_rows(["none-T6"])[0], "level-down")
ROWS = (*ALL_ROWS, MCADAMS, PEAK, QUIETER)
NAMES = frozenset(row.name for row in ROWS)
WITHOUT_IR = frozenset({"original", "original~peak", "McAdams"})
"""Rows without synthesis."""
EFFECT_ROWS = frozenset({PEAK.name, QUIETER.name})
ANONYMISED = frozenset({"ECAPA-anon-T6", "ECAPA-anon-T12-soft"})
"""By selec-anon."""
BASELINES = frozenset({"B3-IR", "B4-IR", "B5-IR"})
SOFT = frozenset({"ECAPA-orig-T12-soft", "ECAPA-anon-T12-soft", "GST-orig-T12-soft"})
SPECTROGRAMS = frozenset({"log-mel", "unified-log-mel"})
HUBERT = frozenset({"none-T1", "none-T6", QUIETER.name, "ECAPA-orig-T6", "ECAPA-anon-T6"}) | BASELINES
ECAPA = frozenset({"ECAPA-orig-T6", "ECAPA-orig-T12-soft"}) | ANONYMISED

USED_BY = {
    "rendering": NAMES - WITHOUT_IR,
    "stream hubert": HUBERT,
    "stream soft": SOFT,
    "stream f0": (HUBERT | SOFT) - {"B4-IR"},
    "stream ecapa": ECAPA,
    "stream gst": {"GST-orig-T12-soft"},
    "stream log-mel": SPECTROGRAMS | {"B3-IR"},
    "stream universal-mel": {"official-control"},
    "codes kmeans": {"B3-IR", "B4-IR"},
    "codes vq": {"B5-IR"},
    "anonymizer selec-anon": ANONYMISED,
    "anonymizer sampled-styles": {"B3-IR"},
    "anonymizer target-prompts": {"B4-IR"},
    "anonymizer target-numbers": {"B5-IR"},
    "anonymizer mcadams": {"McAdams"},
    "vocoder universal": {"official-control"},
    "vocoder joint": {"unified-log-mel"},
    "vocoder two-stage": NAMES - WITHOUT_IR - {"official-control", "unified-log-mel"},
    "effect peak": {PEAK.name},
    "effect level-down": {QUIETER.name},
    "measure words-whisper-tiny.en": NAMES - EFFECT_ROWS,
    "measure speaker-ge2e": NAMES,
    "measure emotion-functionals": NAMES,
    "measure emotion-whisper": NAMES,
    "measure naturalness-distillmos": NAMES,
    "measure acoustics": NAMES,
    "emotion recogniser functionals": NAMES,
    "emotion recogniser ge2e": NAMES,
    "emotion recogniser whisper": NAMES,
    "attacker wccn": NAMES,
    "tables": NAMES,
}
"""Every component of the rows, and the rows that use it."""
MODELS_USED_BY = {
    "hubert": HUBERT,
    "soft": SOFT,
    "ecapa": ECAPA,
    "gst": {"GST-orig-T12-soft"},
    "units": {"B3-IR", "B4-IR"},
    "vq": {"B5-IR"},
    "pool": ANONYMISED,
    "styles": {"B3-IR"},
    "targets": {"B4-IR", "B5-IR"},
    "joint-log-mel": {"unified-log-mel"},
    "acoustic-log-mel": {"log-mel"},
    "acoustic-none-T1": {"none-T1"},
    "acoustic-none-T6": {"none-T6", QUIETER.name},
    "acoustic-ECAPA-T6": {"ECAPA-orig-T6", "ECAPA-anon-T6"},
    "acoustic-ECAPA-T12-soft": {"ECAPA-orig-T12-soft", "ECAPA-anon-T12-soft"},
    "acoustic-GST-T12-soft": {"GST-orig-T12-soft"},
    "acoustic-B3-IR": {"B3-IR"},
    "acoustic-B4-IR": {"B4-IR"},
    "acoustic-B5-IR": {"B5-IR"},
}
"""Every folder of models, and the rows that use it."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def profile(shared, tmp_path_factory) -> Profile:
    """The tiny study with a record of every row: its identity, and tables that nobody reads here."""
    profile = tiny_profile(shared, tmp_path_factory.mktemp("study"), recognisers=Recognisers())
    for work in works(profile, ROWS):
        work.folder.mkdir(parents=True)
        work.record.provenance.write_text(json.dumps({"identity": work.identity()}))
        for table in work.record.tables:
            table.touch()
    assert stale(profile) == {}
    return profile


def stale(profile: Profile) -> dict[str, tuple[str, ...]]:
    """The rows that are not current, and why."""
    states = [state_of(work) for work in works(profile, ROWS)]
    assert {state.state for state in states} <= {"done", "stale"}
    return {state.name: state.reasons for state in states if state.state == "stale"}


@pytest.fixture(scope="module")
def components(profile) -> dict[str, dict]:
    """Every component of the rows by its name."""
    return {name: part for work in works(profile, ROWS) for name, part in work.identity()["components"].items()}


@pytest.fixture
def edit_code(components, monkeypatch):
    """Has the code of a component give another digest."""

    def edit(name: str) -> None:
        before, look = components[name]["code"], Keys.code
        assert [other for other, part in components.items() if part.get("code") == before] == [name]

        def edited(keys, *things):
            found = look(keys, *things)
            return "edited" if found == before else found

        monkeypatch.setattr(Keys, "code", edited)

    return edit


def test_the_tables_above_name_every_component_and_every_model(components, profile):
    assert set(USED_BY) == set(components)
    assert {name for work in works(profile, ROWS) for name in work.keys.models_of(work.row)} == set(MODELS_USED_BY)


@pytest.mark.parametrize("name", [name for name in USED_BY if not name.startswith("codes ")])
def test_edited_code_of_a_component_makes_the_rows_stale_that_use_it(profile, edit_code, name):
    edit_code(name)
    assert stale(profile) == dict.fromkeys(USED_BY[name], (f"components: {name}: code",))


@pytest.mark.parametrize("name", MODELS_USED_BY)
def test_other_weights_make_the_rows_stale_that_use_them(profile, tmp_path, name):
    for model in profile.models.iterdir():
        if model.name == name:
            shutil.copytree(model, tmp_path / name)
        else:
            (tmp_path / model.name).symlink_to(model)
    weights = tmp_path / name / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    found = stale(replace(profile, models=tmp_path))
    assert set(found) == MODELS_USED_BY[name]
    assert all(reason.endswith(f": weights: {name}") for reasons in found.values() for reason in reasons)


@pytest.mark.parametrize(
    ("registry", "name", "component"),
    [
        (ASR, "whisper-tiny.en", "measure words-whisper-tiny.en"),
        (ASV, "ge2e", "measure speaker-ge2e"),
        (SER, "functionals", "measure emotion-functionals"),
        (NATURALNESS, "distillmos", "measure naturalness-distillmos"),
        (VOCODERS, "two-stage", "vocoder two-stage"),
    ],
)
def test_a_changed_weight_file_outside_the_models_makes_its_rows_stale(
    profile, monkeypatch, tmp_path, registry, name, component
):
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_text("other weights")
    monkeypatch.setattr(registry.find(name), "files", staticmethod(lambda: (checkpoint,)))
    found = stale(profile)
    assert set(found) == USED_BY[component]
    assert all(reason.startswith(f"components: {component}") for reasons in found.values() for reason in reasons)


def test_a_checkpoint_that_changes_in_place_is_noticed(shared, tmp_path, monkeypatch):
    checkpoint = tmp_path / "checkpoint.pt"
    monkeypatch.setattr(ASV.find("ge2e"), "files", staticmethod(lambda: (checkpoint,)))
    keys = []
    for content in ("one", "others", "one"):
        checkpoint.write_text(content)
        keys.append(Keys(tiny_profile(shared, tmp_path)).measuring({Measure.SPEAKER})["measure speaker-ge2e"])
    assert keys[0] == keys[2] != keys[1]


def test_checkpoints_of_one_name_in_two_folders_are_told_apart(shared, tmp_path, monkeypatch):
    files = tuple(tmp_path / fold / "checkpoint.pt" for fold in ("fold1", "fold2"))
    for file in files:
        file.parent.mkdir()
        file.write_text("one")
    monkeypatch.setattr(ASV.find("ge2e"), "files", staticmethod(lambda: files))
    keys = []
    for file in (None, *files):
        if file is not None:
            file.write_text(f"another {file.parent.name}")
        keys.append(Keys(tiny_profile(shared, tmp_path)).measuring({Measure.SPEAKER})["measure speaker-ge2e"])
    assert keys[0] != keys[1] and keys[1] != keys[2]


def test_another_choice_of_transcribed_utterances_makes_the_rows_stale_whose_words_are_measured(profile):
    emotional, cues = profile.corpora
    changed = replace(profile, corpora=(replace(emotional, transcribed_per_cell=1), cues))
    reason = ("corpora: emotional: transcribed",)
    assert stale(changed) == dict.fromkeys(USED_BY["measure words-whisper-tiny.en"], reason)
    same = replace(profile, corpora=(replace(emotional, transcribed_per_cell=0, further_per_cell=0), cues))
    assert stale(same) == {}, "other words for the same choice"


def test_another_selection_makes_the_rows_stale_that_it_changes(profile):
    for setting, rows in {
        "n_random": ANONYMISED,
        "n_farthest": ANONYMISED,
        "level": ANONYMISED | BASELINES | {"McAdams"},
        "seed": ANONYMISED | BASELINES | {"McAdams"},
    }.items():
        value = {"n_random": 4, "n_farthest": 11, "level": "speaker", "seed": "2021"}[setting]
        found = stale(replace(profile, selection=replace(profile.selection, **{setting: value})))
        assert found == dict.fromkeys(rows, (f"selection: {setting}",))


def test_another_corpus_makes_the_rows_stale_that_run_on_it(profile, tmp_path):
    emotional, cues = profile.corpora
    copy = tmp_path / "corpus"
    shutil.copytree(cues.path, copy)
    text = (copy / "text").read_text()
    (copy / "text").write_text(text.replace("ONE TWO", "ONE THREE", 1))
    assert stale(replace(profile, corpora=(emotional, replace(cues, path=copy)))) == {
        "original": ("corpora: f0: data",),
    }


def test_another_recogniser_makes_the_rows_stale_that_it_measures(profile):
    recognisers = profile.recognisers
    another = stale(replace(profile, recognisers=replace(recognisers, ser=(*recognisers.ser, "egemaps"))))
    reasons = ("components: emotion recogniser egemaps", "components: measure emotion-egemaps")
    assert another == dict.fromkeys(NAMES, reasons)


class Toy:
    """A stream, anonymizer, vocoder and recogniser at once."""

    models, streams, settings = ("toy",), ("toy",), ("seed",)
    dimension, rate = 1, 0.0
    label, embedding = "toy", ""

    @classmethod
    def load(cls, *_):
        return cls()

    make = load

    @staticmethod
    def files():
        return ()

    def __call__(self, waveform):
        return torch.zeros(1)


def test_what_is_added_to_the_registries_leaves_every_recorded_row_as_it_is(monkeypatch):
    profile = phantom()
    recorded = [path.parent.name for path in (RESULTS / "phantom").glob("*/provenance.json")]
    rows = tuple(
        dict.fromkeys((*profile.rows, *profile.select(layer=3), *(row for rows in GROUPS.values() for row in rows)))
    )
    known = {row.name for row in rows}
    assert {name.removesuffix("-seed1") for name in recorded} <= known
    before = {work.name: work.identity() for work in works(profile, rows)}
    for registry in (STREAMS, ANONYMIZERS, WAVEFORM_ANONYMIZERS, VOCODERS, ASR, ASV, NATURALNESS, SER):
        monkeypatch.setitem(registry, "toy", Toy)
    assert {work.name: work.identity() for work in works(profile, rows)} == before


FILES = {
    "rendering": {"audio"},
    "stream hubert": {"stream hubert", "audio"},
    "stream f0": {"stream f0", "audio"},
    "anonymizer selec-anon": {"audio"},
    "vocoder two-stage": {"audio"},
    "measure words-whisper-tiny.en": {"words-whisper-tiny.en"},
    "measure speaker-ge2e": {"speaker-ge2e"},
    "measure emotion-functionals": {"emotion-functionals"},
    "measure emotion-whisper": {"emotion-whisper"},
    "measure naturalness-distillmos": {"naturalness-distillmos"},
    "measure acoustics": {"acoustics"},
    "emotion recogniser functionals": set(),
    "emotion recogniser ge2e": set(),
    "emotion recogniser whisper": set(),
    "attacker wccn": set(),
    "tables": set(),
}
"""Which files an edit of a component moves to another place, where they have to be made anew."""


@pytest.mark.parametrize("name", FILES)
def test_an_edited_component_is_computed_anew_and_nothing_else(profile, edit_code, name):
    before = places(profile)
    edit_code(name)
    after = places(profile)
    assert {file for file in before if after[file] != before[file]} == FILES[name]


def places(profile: Profile) -> dict[str, str]:
    """Where the files of an anonymised utterance lie; of measurements, below the folder of the audio."""
    work = RowWork(profile, select_rows(["ECAPA-anon-T6"])[0])
    rendering, name = work.rendering(work.corpora[0]), work.keys.data(work.corpora[0].path).enrolment[0]
    streams = work.keys.streams(work.row, work.corpora[0].path)
    files = {f"stream {spec.name}": key for spec, key in streams.items()}
    files["audio"] = str(rendering.audio[name])
    for taken in profile.recognisers.measurements():
        file, again = rendering.file(taken, name), rendering.enrolment_file(taken, name)
        files[str(taken)] = str(file.relative_to(rendering.folder))
        assert again.parent.name == f"enrolment-{file.parent.name}" and again.name == file.name
    assert rendering.enrolment[name].parent.parent == rendering.audio[name].parent.parent == rendering.folder
    return files


class RecordingKeys(Keys):
    """Keys that remember whose code they have looked at."""

    def __init__(self, setting):
        super().__init__(setting)
        self.things = set()

    def code(self, *things):
        self.things.update(things)
        return super().code(*things)


@pytest.fixture
def keys(profile, tmp_path) -> RecordingKeys:
    import_everything()
    return RecordingKeys(replace(profile, work=tmp_path))


@pytest.fixture
def forgotten() -> None:
    """Models and audio are loaded anew, so that what loads them is seen."""
    caches = (pipeline._stream, pipeline._anonymizer, pipeline._vocoder, pipeline._codebook)
    for cached in (
        *caches,
        waveforms._waveform_anonymizer,
        measures.recogniser,
        features._waveform,
        hubert._loaded,
        universal.load_universal,
    ):
        cached.cache_clear()


@pytest.mark.parametrize("name", ["ECAPA-anon-T6", "B3-IR", "unified-log-mel", "McAdams"])
def test_all_that_renders_an_utterance_stands_in_the_key_of_its_audio(keys, profile, forgotten, name):
    row, path = profile.select([name])[0], profile.corpora[0].path
    task = anonymising(keys, row, keys.rendering(row, "emotional", path), path)[0]
    ran = executed(lambda: task.function(task.output, *task.arguments))
    keys.making(row)
    assert sorted(ran - set(reached(*keys.things))) == []


@pytest.mark.parametrize("name", STREAMS)
def test_all_that_computes_a_stream_stands_in_the_key_of_its_file(keys, profile, forgotten, tmp_path, name):
    path, spec = profile.corpora[0].path, StreamSpec(name, 6 if name in ("hubert", "whisper") else None)
    word = keys.stream(spec, path)
    cache = FeatureCache(tmp_path, {spec: word}, lambda spec: STREAMS.find(name).load(keys.models, spec.layer))
    ran = executed(lambda: cache.get(keys.data(path).utterances[0], spec))
    assert sorted(ran - set(reached(*keys.things))) == []


class MadeUpFeatures:
    """The features of an utterance for an anonymizer."""

    def __init__(self, utterance):
        self.utterance = utterance

    def __getitem__(self, stream):
        return torch.ones(192)


@pytest.mark.parametrize("name", ANONYMIZERS)
def test_all_that_replaces_a_speaker_stands_in_the_key_of_the_audio(keys, profile, name):
    utterance, kind = keys.data(profile.corpora[0].path).utterances[0], ANONYMIZERS.find(name)
    ran = executed(lambda: kind.load(keys.models, profile.selection)(MadeUpFeatures(utterance)))
    assert sorted(ran - set(reached(kind))) == []


MEASURED = ("words-whisper-tiny.en", "speaker-ge2e", "emotion-functionals", "emotion-whisper")


@pytest.mark.parametrize("name", [*MEASURED, "naturalness-distillmos", "acoustics"])
def test_all_that_measures_an_utterance_stands_in_the_key_of_the_measurement(keys, profile, forgotten, tmp_path, name):
    taken = next(one for one in profile.recognisers.measurements() if str(one) == name)
    utterance = next(one for one in keys.data(profile.corpora[0].path) if one.emotion == "neu")
    if taken.backend:
        taken.backend.make()  # its libraries are imported before the call that is traced
    ran = executed(lambda: write_measurement(tmp_path / "m.json", utterance, taken, utterance.path, "cpu"))
    keys.measurement(taken)
    assert sorted(ran - set(reached(*keys.things))) == []


@pytest.mark.parametrize("row", [PEAK, QUIETER], ids=lambda row: row.name)
def test_all_that_an_effect_does_stands_in_the_key_of_its_audio(keys, profile, tmp_path, row):
    utterance = keys.data(profile.corpora[0].path).utterances[0]
    ran = executed(lambda: write_effect(tmp_path / "changed.flac", utterance, EFFECTS.find(row.effect), utterance.path))
    keys.making(row)
    assert sorted(ran - set(reached(*keys.things))) == []
