"""The shipped models: complete, as their cards say, small, and of the shapes that the rows need."""

import hashlib
import json
import re

import numpy as np
import pytest
import torch
from speech import SHARED, needs_real_speech

from emotrace.anonymizer.selec_anon import load_pool
from emotrace.anonymizer.targets import load_targets
from emotrace.corpus.audio import peak_normalise
from emotrace.corpus.datadir import DataDir
from emotrace.corpus.importers.ravdess import import_ravdess
from emotrace.engine.keys import Keys, Setting
from emotrace.paths import MODELS, ROOT
from emotrace.pipeline.rows import EVERY_ENCODER, Row, with_layer
from emotrace.representation import STREAMS
from emotrace.representation.discrete import load_codebook
from emotrace.representation.ir import build_ir
from emotrace.study.profiles import phantom
from emotrace.study.run import RowWork
from emotrace.study.scale import scale
from emotrace.training.catalogue import copies_of, speech_of
from emotrace.vocoder.joint import Joint
from emotrace.vocoder.universal import load_acoustic
from emotrace.weights import ModelFolder

SHIPPED = ModelFolder()
ROWS = tuple(dict.fromkeys((*EVERY_ENCODER, *with_layer(EVERY_ENCODER, 3))))


def test_every_row_finds_its_models_at_layers_6_and_3():
    keys = Keys(Setting())
    needed = {name for row in ROWS for name in keys.models_of(row)}
    assert {"hubert", "soft", "ecapa", "gst", "pool", "units", "vq", "styles", "targets"} <= needed
    assert {f"acoustic-{row.ir.name}" for row in ROWS if row.vocoder == "two-stage"} <= needed
    assert needed <= set(SHIPPED.names()) and keys.missing_models(ROWS) == []


@pytest.mark.parametrize("name", SHIPPED.names())
def test_card_tells_data_training_and_the_hash_of_the_weights(name):
    card = json.loads((MODELS / name / "card.json").read_text())
    assert card["sha256"] == hashlib.sha256((MODELS / name / "model.safetensors").read_bytes()).hexdigest()
    share_alike = any(part in corpus for corpus in card["data"]["corpora"] for part in ("ravdess", "nemo"))
    assert card["data"]["utterances"] > 0 and ("CC BY-NC-SA" in card["licence"]) == share_alike
    assert all(record["steps"] > 0 and record["losses"] for record in card["training"].values())


def test_shipped_models_and_audio_stay_below_60_megabytes():
    shipped = [*MODELS.rglob("*.safetensors"), *(ROOT / "data" / "phantom").rglob("*.flac")]
    assert sum(path.stat().st_size for path in shipped) < 60e6


@pytest.fixture(scope="module")
def streams():
    """The streams of 1.5 s of a gliding tone by the shipped models, each computed once."""
    time = np.arange(24_000) / 16_000
    glide = (0.3 * np.sin(2 * np.pi * (200 * time + 20 * time**2))).astype(np.float32)
    waveform, computed = torch.from_numpy(peak_normalise(glide)), {}

    def stream(spec):
        if spec not in computed:
            computed[spec] = STREAMS.find(spec.name).load(SHIPPED, spec.layer)(waveform)
        return computed[spec]

    return stream


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.vocoder in ("two-stage", "joint")], ids=lambda row: row.name
)
def test_the_ir_of_every_row_fits_its_vocoder(streams, row):
    ir = build_ir(row.ir, streams, speaker=number(row), codebook=load_codebook(SHIPPED, row.ir.codebook))[None]
    with torch.inference_mode():
        if row.vocoder == "joint":
            made = Joint.load(SHIPPED, row.decoder)(ir[0], 24_000)
            assert made.shape == (24_000,)
        else:
            made = load_acoustic(SHIPPED, f"acoustic-{row.decoder}")(ir, 129)
            assert made.shape == (1, 80, 129)
    assert torch.isfinite(made).all()


def number(row: Row) -> torch.Tensor | None:
    """What an utterance does not tell: the number of a training speaker."""
    targets = load_targets(SHIPPED)
    return targets.one_hot(targets.names[0]) if row.ir.speaker == "one-hot" else None


def test_the_pool_of_readers_has_the_papers_proportions():
    profile = scale()
    pool, chosen = load_pool(ModelFolder(profile.models)), profile.selection
    assert pool.embeddings.shape == (251, 192) and [pool.genders.count(gender) for gender in "fm"] == [125, 126]
    assert (chosen.n_farthest, chosen.n_random) == (44, 22)
    assert chosen.n_random / chosen.n_farthest == 100 / 200
    assert 200 / 600 < chosen.n_farthest / 126 < chosen.n_farthest / 125 < 200 / 560  # LibriTTS train-other-500


def test_the_phantom_has_a_pool_of_its_own_voice_and_the_models_of_the_study():
    profile = phantom()
    pool, chosen = load_pool(ModelFolder(profile.models)), profile.selection
    assert set(pool.speakers).isdisjoint(DataDir.read(profile.corpora[0].path).speakers)
    assert [pool.genders.count(gender) for gender in "fm"] == [4, 4] and chosen.n_random / chosen.n_farthest == 1 / 2
    own = [path.name for path in profile.models.iterdir() if path.is_dir() and not path.is_symlink()]
    assert own == ["pool"]
    assert json.loads((profile.models / "pool" / "card.json").read_text())["data"]["corpora"] == ["phantom/train"]


def test_no_model_has_learned_from_speech_that_is_tested():
    """By the cards: no test speaker; emotional speech for the models of that name alone, of the other sentence."""
    cards = {path.parent.name: json.loads(path.read_text()) for path in MODELS.glob("*/card.json")}
    assert len(cards) > 30
    tested = {"/".join(corpus.path.parts[-2:]) for corpus in scale().corpora}
    for name, card in cards.items():
        model, emotional = name.partition("-step")[0], name.endswith("-emotional")
        speech = {f"corpora/{folder}" if "/" not in folder else folder for folder in speech_of(model)}
        assert set(card["data"]["corpora"]) == speech, name
        assert not speech & (tested - ({"corpora/nemo"} if emotional else set())), name
        assert card["data"].get("emotional", False) == emotional
        assert all(str(speed) in card["notes"] for speed in copies_of(model)) and ("Copies" in card["notes"]) == bool(
            copies_of(model)
        )


def test_models_that_learned_emotional_speech_are_tested_on_the_sentence_that_they_did_not_learn():
    profile = scale()
    rows = [row for row in profile.groups["training"] if row.variant == "emotional"]
    assert rows
    for row in rows:
        corpora = RowWork(profile, row).corpora
        assert [corpus.path.parts[-2:] for corpus in corpora] == [("ravdess", "test-02")]


@needs_real_speech
def test_no_speaker_is_learned_from_and_tested(tmp_path):
    """Speakers by the importers: what models learn from, and what is tested, have none in common."""
    ravdess = import_ravdess(SHARED / "ravdess_16k", tmp_path / "ravdess")
    parts = ("train", "train-01", "train-first", "test", "test-02")
    actors = {name: set(ravdess[name].speakers) for name in parts}
    assert not (actors["train"] | actors["train-01"] | actors["train-first"]) & (actors["test"] | actors["test-02"])
    assert actors["test"] == actors["test-02"]
    sentences = {name: {utterance.text for utterance in ravdess[name]} for name in parts}
    assert not sentences["train-01"] & sentences["test-02"]
    readers = {}
    for name in ("librispeech_251", "librispeech_3spk", "librispeech_devclean20", "librispeech_test_other"):
        found = (re.fullmatch(r"(\d+)-\d+-\d+", path.stem) for path in (SHARED / name).rglob("*.*"))
        readers[name] = {match[1] for match in found if match}
        assert readers[name], name
    learned = readers["librispeech_251"] | readers["librispeech_3spk"]
    assert not learned & (readers["librispeech_devclean20"] | readers["librispeech_test_other"])
