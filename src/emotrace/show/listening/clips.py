"""Audio to listen to: of each emotion one utterance of one speaker, as recorded and as every row renders it.

Nothing is measured or recorded here. Audio that the study made is taken as it lies on disk; where it is gone, these few
utterances alone are rendered, by the study's own tasks.
"""

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emotrace.corpus.datadir import DataDir, Emotion, Utterance
from emotrace.corpus.files import atomic_file
from emotrace.engine.runner import running
from emotrace.engine.workers import DEFAULT_JOBS
from emotrace.pipeline.rows import ORIGINAL, STUDIED_LAYER, Row
from emotrace.show.pages import recorded_study
from emotrace.study.profiles import Corpus, Profile, get_profile, prepare
from emotrace.study.run import RowWork, works
from emotrace.study.study import StudyResults
from emotrace.study.tasks import anonymising

EMOTIONAL = "emotional"  # the corpus that is listened to


@dataclass(frozen=True)
class Clip:
    """An utterance as a row renders it, and where its audio lies."""

    row: Row
    utterance: Utterance
    audio: Path


@dataclass(frozen=True)
class ListeningPage:
    """What can be listened to.

    Attributes:
        profile: at the seed asked for.
        utterances: of each emotion that the speaker has, the one that is played.
        clips: of each row and utterance whose audio is there, rows in the order of table II.
        missing_models: names of the models that a row needs and that are not there, for each row without audio.
        study: the rows that have recorded results, None where no row has. They are only read.
    """

    profile: Profile
    utterances: dict[Emotion, Utterance]
    clips: list[Clip]
    missing_models: dict[Row, list[str]]
    study: StudyResults | None

    def of(self, emotion: Emotion) -> list[Clip]:
        """The clips of an emotion."""
        return [clip for clip in self.clips if clip.utterance.emotion is emotion]


def open_listening_page(
    profile: str | Profile = "phantom",
    rows: Sequence[str] = (),
    layer: int = STUDIED_LAYER,
    seed: int = 0,
    speaker: str = "",
    *,
    jobs: int = DEFAULT_JOBS,
) -> ListeningPage:
    """Choose the utterances, find their audio, render what is missing.

    Args:
        profile: "phantom", "scale", or a profile itself.
        rows: rows of table II; empty for all of the profile.
        layer: HuBERT layer that replaces T6 in the rows that have it.
        seed: of the pseudo-speakers (0: the study's own).
        speaker: who speaks; empty for the speaker that `choose` prefers.
        jobs: processes that render.

    Raises:
        RunError: the corpus is not there, or another process runs this profile while audio is missing.
        ValueError: an unknown row or speaker. TaskError: an utterance could not be rendered.
    """
    profile = replace(profile if isinstance(profile, Profile) else get_profile(profile), seed=seed)
    wanted = works(profile, profile.select(list(rows) or None, layer=layer))
    prepare(profile)
    corpus = emotional_corpus(profile)
    data = wanted[0].keys.data(corpus.path)
    utterances = choose(data, speaker, corpus.transcribed(data, ORIGINAL))
    missing = {work.row: lacking for work in wanted if (lacking := _lacking(work))}
    clips = render([work for work in wanted if work.row not in missing], list(utterances.values()), jobs=jobs)
    return ListeningPage(profile, utterances, clips, missing, recorded_study(profile, rows, layer, seed))


def _lacking(work: RowWork) -> list[str]:
    """The models that a row needs and that are not there, or the package without which none can be used."""
    try:
        return work.keys.missing_models([work.row])
    except ImportError as error:
        return [f"the package {error.name}"]


def emotional_corpus(profile: Profile) -> Corpus:
    """The corpus of a profile that has emotions."""
    return next(corpus for corpus in profile.corpora if corpus.name == EMOTIONAL)


def choose(data: DataDir, speaker: str = "", transcribed: Collection[str] = ()) -> dict[Emotion, Utterance]:
    """One utterance of each emotion, all of one speaker and as far as possible of one sentence.

    The sentence is the one that a speaker says in the most emotions; of several, the one of which most utterances were
    transcribed; then the first by speaker and id. An emotion in which it is not said takes another sentence. Of
    repetitions of the same, one that is no enrolment comes first, then one that was transcribed, then the first by id.

    Raises:
        ValueError: a speaker without emotional utterances; the message names those that have some.
    """
    emotional = [u for u in data if u.emotion is not None]
    candidates = [u for u in emotional if speaker in ("", u.speaker)]
    if not candidates:
        there = ", ".join(sorted({u.speaker for u in emotional}))
        raise ValueError(f"{data.path}: no emotional utterance of speaker {speaker!r}; there are: {there or 'none'}")
    sentences: dict[tuple[str, str], list[Utterance]] = defaultdict(list)
    for utterance in candidates:
        sentences[utterance.speaker, utterance.text or ""].append(utterance)

    def rank(sentence: tuple[str, str]) -> tuple[int, int, str, str]:
        spoken = sentences[sentence]
        with_transcript = {u.emotion for u in spoken if u.id in transcribed}
        return -len({u.emotion for u in spoken}), -len(with_transcript), sentence[0], min(u.id for u in spoken)

    def preference(u: Utterance) -> tuple[bool, bool, bool, str]:
        return u.text not in (text, None), u.id in data.enrolment, u.id not in transcribed, u.id

    chosen, text = min(sentences, key=rank)
    by_speaker = [u for u in candidates if u.speaker == chosen]
    by_emotion = {emotion: [u for u in by_speaker if u.emotion is emotion] for emotion in Emotion}
    return {emotion: min(spoken, key=preference) for emotion, spoken in by_emotion.items() if spoken}


def render(rows: Iterable[RowWork], utterances: Sequence[Utterance], *, jobs: int = DEFAULT_JOBS) -> list[Clip]:
    """The clips of some utterances of the emotional corpus; what is not on disk is rendered, and nothing else.

    Recorded audio counts as on disk: its path has the key of the models, code and data that made it.

    Raises as `running` and `Workers.run` do, when anything has to be rendered.
    """
    clips, absent = [], []
    for work in rows:
        audio = work.rendering(emotional_corpus(work.profile)).audio
        of_row = [Clip(work.row, utterance, audio[utterance.id]) for utterance in utterances]
        for clip in (clip for clip in of_row if not clip.audio.exists()):
            recorded = work.profile.results / "audio" / clip.audio.relative_to(work.profile.work)
            if recorded.is_file():
                with atomic_file(clip.audio) as temporary:
                    shutil.copyfile(recorded, temporary)
        clips += of_row
        absent += [] if all(clip.audio.exists() for clip in of_row) else [work]
    if absent:
        profile = absent[0].profile
        with running(profile.work, jobs, kernels=profile.kernels) as workers:
            for work in absent:
                for tasks in _synthesis(work, utterances):
                    workers.run(tasks, f"{work.name}: audio to listen to")
    return clips


def _synthesis(work: RowWork, utterances: Sequence[Utterance]) -> Iterable[list]:
    """The tasks of some utterances; for a row with an effect, first those of the row without it."""
    corpus = emotional_corpus(work.profile)
    for row in (work.row.before, work.row) if work.row.effect else (work.row,):
        rendering = work.rendering(corpus, row)
        wanted = {rendering.audio[utterance.id] for utterance in utterances}
        yield [task for task in anonymising(work.keys, row, rendering, corpus.path) if task.output in wanted]
