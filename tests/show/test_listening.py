"""The listening page: which utterances, whose audio, and what the page refers to."""

import importlib.util
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from stand_in import SPEAKERS, make_corpus
from tiny_models import make_models
from tiny_study import tiny_profile

from emotrace.corpus.audio import load_audio
from emotrace.corpus.datadir import DataDir, Emotion, Utterance
from emotrace.engine.runner import running
from emotrace.evaluation.acoustics import oracle_mask
from emotrace.show.figures import use_style
from emotrace.show.listening import clips as listening
from emotrace.show.listening import page as listening_page
from emotrace.show.listening.clips import choose, open_listening_page
from emotrace.show.listening.pictures import FRAME, clip_figure, common_limits, measure_tracks
from emotrace.study.profiles import get_profile
from emotrace.study.run import works
from emotrace.study.scale import scale
from emotrace.study.tasks import anonymising

ROW = "ECAPA-anon-T6"


def check_pages():
    spec = importlib.util.spec_from_file_location("check_pages", Path(__file__).parents[2] / "book" / "check_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def utterance(name: str, text: str) -> Utterance:
    """ "s1-sad-a" is speaker s1, emotion sad."""
    speaker, emotion, _ = name.split("-")
    return Utterance(name, speaker, "f", Path(name), text, Emotion(emotion))


def data(*names_and_texts: tuple[str, str], enrolment: tuple[str, ...] = ()) -> DataDir:
    return DataDir(Path("made-up"), tuple(utterance(*one) for one in sorted(names_and_texts)), enrolment)


ALL = [(f"s1-{emotion}-{text.lower()}", text) for text in "AB" for emotion in Emotion]


def test_phantom_is_played_in_one_voice_and_one_sentence():
    found = choose(DataDir.read(get_profile("phantom").corpora[0].path))
    assert [u.id for u in found.values()] == [f"f1-test-{emotion}-s1" for emotion in ("sad", "neu", "ang", "hap")]
    assert list(found) == list(Emotion) and len({u.text for u in found.values()}) == 1


@pytest.mark.parametrize(
    ("dropped", "transcribed", "sentences"),
    [
        ([], [], "AAAA"),
        (["s1-hap-a"], [], "BBBB"),  # the sentence of most emotions
        ([], ["s1-sad-b", "s1-ang-b", "s1-neu-a"], "BBBB"),  # then the one transcribed most often
        (["s1-hap-a", "s1-ang-b", "s1-neu-b"], [], "AAAB"),  # an emotion without it takes another
        (["s1-hap-a", "s1-hap-b"], [], "AAA"),  # an emotion that is not there is left out
    ],
)
def test_sentence_is_chosen_by_rule(dropped, transcribed, sentences):
    found = choose(data(*(one for one in ALL if one[0] not in dropped)), "", transcribed)
    assert "".join(u.text for u in found.values()) == sentences


def test_repetitions_are_no_enrolment_if_possible_and_the_first():
    repeated = [*ALL, ("s1-neu-a2", "A"), ("s1-neu-a3", "A")]
    found = choose(data(*repeated, enrolment=("s1-neu-a", "s1-sad-a", "s1-sad-b")))
    assert found[Emotion.NEUTRAL].id == "s1-neu-a2" and found[Emotion.SAD].id == "s1-sad-a"


def test_speaker_is_the_one_asked_for_or_named_as_unknown():
    both = data(*ALL, *((name.replace("s1", "s0"), text) for name, text in ALL[:3]))
    assert {u.speaker for u in choose(both).values()} == {"s1"}  # s0 comes first, with fewer emotions
    assert {u.speaker for u in choose(both, "s0").values()} == {"s0"}
    with pytest.raises(ValueError, match="'s9'; there are: s0, s1"):
        choose(both, "s9")


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("listening")
    make_corpus(folder / "corpus")
    make_models(folder / "models")
    return folder


@pytest.fixture(scope="module")
def profile(shared):
    return tiny_profile(shared, shared / "study")


@pytest.fixture(scope="module")
def opened(profile, inline_workers):
    return open_listening_page(profile, ["original", ROW], jobs=1)


def test_only_the_utterances_played_are_rendered(opened):
    assert [clip.row.name for clip in opened.of(Emotion.SAD)] == ["original", ROW]
    rendered = [clip.audio for clip in opened.clips if clip.row.name == ROW]
    assert sorted(rendered[0].parent.glob("*")) == sorted(rendered) and len(rendered) == len(Emotion)
    assert not (rendered[0].parents[1] / "enrolment").exists()
    assert len({u.speaker for u in opened.utterances.values()}) == 1 < len(SPEAKERS)


def test_what_is_rendered_is_the_audio_of_the_study(opened, profile, tmp_path):
    clip = next(clip for clip in opened.of(Emotion.HAPPY) if clip.row.name == ROW)
    [work] = works(replace(profile, work=tmp_path), [clip.row])
    corpus = listening.emotional_corpus(profile)
    tasks = anonymising(work.keys, clip.row, work.rendering(corpus), corpus.path)
    task = next(t for t in tasks if t.output.name == clip.audio.name)
    with running(tmp_path, 1) as workers:
        workers.run([task], ROW)
    assert task.output.read_bytes() == clip.audio.read_bytes()


def test_audio_that_is_there_is_not_rendered(opened, profile, monkeypatch):
    monkeypatch.setattr(listening, "running", lambda *_, **__: pytest.fail("something was rendered"))
    assert open_listening_page(profile, ["original", ROW]).clips == opened.clips


def test_recorded_audio_is_taken_where_its_key_is_the_present_one(opened, profile, tmp_path, monkeypatch):
    elsewhere = replace(profile, work=tmp_path / "work", results=tmp_path / "results")
    for clip in opened.clips:
        if clip.row.name == ROW:
            [work] = works(elsewhere, [clip.row])
            audio = work.rendering(listening.emotional_corpus(elsewhere)).audio[clip.utterance.id]
            kept = elsewhere.results / "audio" / audio.relative_to(elsewhere.work)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(clip.audio.read_bytes())
    monkeypatch.setattr(listening, "running", lambda *_, **__: pytest.fail("something was rendered"))
    found = [clip.audio for clip in open_listening_page(elsewhere, ["original", ROW]).clips if clip.row.name == ROW]
    assert [audio.read_bytes() for audio in found] == [t.audio.read_bytes() for t in opened.clips if t.row.name == ROW]
    with pytest.raises(pytest.fail.Exception, match="something was rendered"):
        open_listening_page(elsewhere, [ROW], seed=7)  # other pseudo-speakers, other keys


def test_missing_model_is_said_and_leaves_the_other_rows(opened, profile, shared, tmp_path):
    (tmp_path / "models").mkdir()
    for model in (shared / "models").iterdir():
        if model.name != "acoustic-none-T6":
            (tmp_path / "models" / model.name).symlink_to(model)
    found = open_listening_page(replace(profile, models=tmp_path / "models"), ["original", "none-T6", ROW], jobs=1)
    assert {row.name: names for row, names in found.missing_models.items()} == {"none-T6": ["acoustic-none-T6"]}
    assert found.clips == opened.clips


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("book")


@pytest.fixture(scope="module")
def cards(opened, book):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listening_page, "BOOK", book)
        return listening_page.make_cards(opened)


def test_page_refers_to_files_that_exist_and_hold_the_clips(cards, opened, book):
    page = book / "notebooks" / "room.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text(f"<article>{listening_page.show_cards(cards).data}</article>")
    audio, pictures = ([f for f in check_pages().files_of(page) if f.suffix == suffix] for suffix in (".flac", ".png"))
    assert len(audio) == len(pictures) == 2 * len(Emotion) and all(file.is_file() for file in (*audio, *pictures))
    clips = [clip for emotion in Emotion for clip in opened.of(emotion)]
    for file, clip in zip(audio, clips, strict=True):
        assert np.array_equal(load_audio(file), load_audio(clip.audio))
    assert all(file.stat().st_size < 100_000 for file in pictures)


def test_players_have_names_and_pictures_say_what_is_seen(cards):
    html = listening_page.show_cards(cards).data
    assert html.count('<audio controls preload="none"') == html.count('loading="lazy"') == 2 * len(Emotion)
    assert f'aria-label="{ROW}, sad, 0.6 seconds"' in html
    assert "HuBERT layer 6, F0, ECAPA embedding of a pseudo-speaker; 0.6 s" in html
    alts = check_pages().Page(f"<article>{html}</article>").images
    assert all("Medians over speech" in alt and "Hz, kurtosis" in alt for alt in alts)
    assert len(set(alts)) == 2 * len(Emotion)


def grid_of(html: str) -> list[list[str]]:
    """Texts of the cells of the grid as seen, line by line."""
    table = ElementTree.fromstring(re.search(r"<table.*?</table>", html, re.DOTALL)[0])
    for hidden in table.findall(".//span[@class='unseen']"):
        hidden.text = ""
    return [["".join(cell.itertext()) for cell in line] for line in table.iter("tr")]


def test_grid_leads_to_every_clip_once_and_says_its_labels(cards):
    labelled = {
        emotion: [replace(card, labels={"functionals": "ang", "ge2e": str(emotion)}) for card in own]
        for emotion, own in cards.items()
    }
    html = listening_page.show_cards(labelled).data
    heading, recording, made = grid_of(html)
    assert heading == ["row", "sad", "neutral", "angry", "happy"] and recording[0] == "original"
    assert made == [ROW, "▶AS", "▶AN", "▶AA", "▶AH"]
    links, figures = (
        re.findall(pattern, html) for pattern in (r'href="#([^"]+)"', r'<figure class="take" id="([^"]+)"')
    )
    assert sorted(links) == sorted(figures) and len(set(figures)) == 2 * len(Emotion)
    assert f'<span class="unseen">{ROW}, happy: functionals + SVM: angry; GE2E + SVM: happy</span>' in html
    assert "no label is recorded" in listening_page.show_cards(cards).data


@pytest.mark.parametrize(
    ("labels", "shows"), [("ang", "shows this."), ("sad", "does not show this."), ("", "No label of this voice's sad")]
)
def test_whether_a_voice_shows_the_papers_effect_is_counted(cards, labels, shows):
    own = [replace(card, labels={"functionals": labels}) for card in cards[Emotion.SAD]]
    assert shows in listening_page.turns_angry({Emotion.SAD: own})


def test_few_rows_that_turn_angry_are_few(cards):
    recording, made = (replace(card, labels={"functionals": "sad"}) for card in cards[Emotion.SAD])
    few = [recording, made, made, replace(made, labels={"functionals": "ang"})]
    assert "Of 3 rows, sad of this voice is labelled angry in 1" in listening_page.turns_angry({Emotion.SAD: few})
    assert "it shows this in few rows." in listening_page.turns_angry({Emotion.SAD: few})


def test_cursor_runs_where_the_axes_are(opened):
    """FRAME, which the page gives to the script, is where the picture's axes lie."""
    [clip] = [clip for clip in opened.of(Emotion.SAD) if clip.row.name == "original"]
    waveform = load_audio(clip.audio)
    tracks = measure_tracks(waveform, oracle_mask(waveform))
    use_style()
    figure = clip_figure("original", tracks, common_limits([tracks]))
    figure.canvas.draw()
    for axes in figure.axes:
        box = axes.get_position()
        assert (box.x0, box.x1) == pytest.approx((FRAME["left"], FRAME["right"]))


def test_cards_name_the_files_that_were_written(cards, book):
    written = {path.relative_to(book) for path in (book / listening_page.STATIC).rglob("*.*")}
    assert {file for own in cards.values() for card in own for file in (card.audio, card.picture)} == written


def test_emotion_that_the_speaker_lacks_has_no_column(cards):
    few = {Emotion.SAD: cards[Emotion.SAD]}
    assert grid_of(listening_page.show_cards(few).data)[0] == ["row", "sad"]


def test_numbers_are_those_of_the_results(opened):
    clip = opened.of(Emotion.SAD)[0]
    recognisers = ("functionals", "ge2e")
    assert listening_page.numbers(clip, pd.DataFrame(), recognisers) == {"results": "none recorded"}
    line = {
        "emotion_functionals": "sad",
        "emotion_ge2e": "ang",
        "hypothesis": "ONE",
        "words": 2.0,
        "word_errors": 1.0,
        "f0_mean_hz": 211.6,
    }
    line |= {"centroid_hz": 1234.4, "kurtosis": 5.25, "loudness_lufs": -23.04, "stale": False}
    results = pd.DataFrame([line], index=pd.MultiIndex.from_tuples([("original", clip.utterance.id)]))
    assert list(listening_page.numbers(clip, results, recognisers).values()) == [
        *("sad: right", "angry: wrong", "“one”, 1 of 2 wrong", "212 Hz", "1234 Hz", "5.2", "−23.0 LUFS")
    ]
    gaps = results.assign(emotion_functionals=None, words=np.nan, f0_mean_hz=np.nan, stale=True)
    shown = listening_page.numbers(clip, gaps, recognisers)
    assert [shown[name] for name in ("recognised as, functionals + SVM", "words", "F0, mean")] == ["not measured"] * 3
    assert "stale" in shown["state"]


def test_speech_of_people_is_played_where_the_corpora_are(shared, tmp_path):
    """Profile scale as it is, on stand-ins for its corpora."""
    for part in ("ravdess/train", "ravdess/test", "librispeech/train", "librispeech/test"):
        make_corpus(tmp_path / "work" / "corpora" / part, rate=48_000)
    profile = replace(scale(tmp_path), models=shared / "models")
    found = open_listening_page(profile, ["original", "unified-log-mel"], speaker="s3", jobs=1)
    assert {clip.utterance.speaker for clip in found.clips} == {"s3"} and len(found.clips) == 2 * len(Emotion)
    assert found.study is None
