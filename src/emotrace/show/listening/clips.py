"""The listening room: of each emotion one utterance of one speaker, in the recording and as every row renders it.

Nothing is measured or recorded here. Audio that the study made is taken as it lies on disk; where it is gone, these few
utterances alone are rendered again, by the study's own tasks.
"""

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from emotrace.corpus.datadir import DataDir, Emotion, Utterance
from emotrace.corpus.files import atomic_file
from emotrace.show.notebook import RECORDED, SPEECH, recorded_rows
from emotrace.study import Study
from emotrace.study.layout import ORIGINAL, Layout
from emotrace.study.profiles import Corpus, Profile, ProfileError, get_profile, prepare
from emotrace.pipeline.rows import Row
from emotrace.study.runner import read_provenance, running
from emotrace.pipeline.pipeline import feature_tasks, needs_features
from emotrace.engine.workers import DEFAULT_JOBS

EMOTIONAL = "emotional"  # the corpus that is listened to


@dataclass(frozen=True)
class Take:
    """An utterance as a row renders it, and where its audio lies."""

    row: Row
    utterance: Utterance
    audio: Path


@dataclass(frozen=True)
class Room:
    """What can be heard.

    Attributes:
        layout: of the profile, at the seed asked for.
        utterances: of each emotion that the speaker has, the one that is heard.
        takes: of each row and utterance whose audio is there, rows in the order of table II.
        lacking: names of the models that a row needs and that are not there, for each row without audio.
        study: the rows that have recorded results, None where no row has. They are only read.
    """

    layout: Layout
    utterances: dict[Emotion, Utterance]
    takes: list[Take]
    lacking: dict[Row, list[str]]
    study: Study | None

    def of(self, emotion: Emotion) -> list[Take]:
        """The takes of an emotion."""
        return [take for take in self.takes if take.utterance.emotion is emotion]


def open_room(
    profile: str | Profile = "phantom",
    rows: Sequence[str] = (),
    layer: int = 6,
    seed: int = 0,
    speaker: str = "",
    *,
    jobs: int = DEFAULT_JOBS,
) -> Room:
    """Choose the utterances, find their audio, render what is missing.

    Args:
        profile: "phantom", "scale", or a profile itself.
        rows: rows of table II; empty for all of the profile.
        layer: HuBERT layer that replaces T6 in the rows that have it.
        seed: of the pseudo-speakers (0: the study's own).
        speaker: whom to hear; empty for the speaker that `choose` prefers.
        jobs: processes that render.

    Raises:
        ProfileError: the corpus is not there, or another process runs this profile while audio is missing.
        ValueError: an unknown row or speaker. TaskError: an utterance could not be rendered.
    """
    profile = profile if isinstance(profile, Profile) else get_profile(profile)
    wanted = profile.select(list(rows) or None, layer=layer)
    prepare(profile)
    layout = Layout(profile, seed=seed)
    corpus = emotional_corpus(profile)
    data = layout.data(corpus.path)
    utterances = choose(data, speaker, corpus.transcribed(data, ORIGINAL))
    lacking = {row: missing for row in wanted if (missing := layout.missing_models([row]))}
    there = [row for row in wanted if row not in lacking]
    takes = render(layout, there, list(utterances.values()), jobs=jobs)
    recorded = [row.name for row in wanted if read_provenance(layout, row) is not None]
    study = Study(profile, recorded, layer=layer, seed=seed) if recorded else None
    return Room(layout, utterances, takes, lacking, study)


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
    own = [u for u in emotional if speaker in ("", u.speaker)]
    if not own:
        there = ", ".join(sorted({u.speaker for u in emotional}))
        raise ValueError(f"{data.path}: no emotional utterance of speaker {speaker!r}; there are: {there or 'none'}")
    sentences: dict[tuple[str, str], list[Utterance]] = defaultdict(list)
    for utterance in own:
        sentences[utterance.speaker, utterance.text or ""].append(utterance)
    best = min(sentences, key=lambda name: _rank(name[0], sentences[name], transcribed))

    def preference(u: Utterance) -> tuple[bool, bool, bool, str]:
        return u.text not in (best[1], None), u.id in data.enrolment, u.id not in transcribed, u.id

    by_emotion = {emotion: [u for u in own if (u.speaker, u.emotion) == (best[0], emotion)] for emotion in Emotion}
    return {emotion: min(found, key=preference) for emotion, found in by_emotion.items() if found}


def _rank(speaker: str, said: Sequence[Utterance], transcribed: Collection[str]) -> tuple[int, int, str, str]:
    emotions = {u.emotion for u in said}
    heard = {u.emotion for u in said if u.id in transcribed}
    return -len(emotions), -len(heard), speaker, min(u.id for u in said)


def render(
    layout: Layout, rows: Iterable[Row], utterances: Sequence[Utterance], *, jobs: int = DEFAULT_JOBS
) -> list[Take]:
    """The takes of some utterances of the emotional corpus; what is not on disk is rendered, and nothing else.

    Recorded audio counts as on disk: its path has the key of the models, code and data that made it.

    Raises as `running` and `Workers.run` do, when anything has to be rendered.
    """
    corpus = emotional_corpus(layout.profile)
    versions = {row: layout.version(row, corpus) for row in rows}
    takes = [Take(row, u, version.audio[u.id]) for row, version in versions.items() for u in utterances]
    for take in takes:
        if not take.audio.exists() and (recorded := recorded_audio(layout, take)).is_file():
            with atomic_file(take.audio) as temporary:
                shutil.copyfile(recorded, temporary)
    absent = list(dict.fromkeys(take.row for take in takes if not take.audio.exists()))
    if absent:
        with running(layout, jobs) as workers:
            for row in absent:
                if needs_features(row):
                    features = feature_tasks(corpus.name, utterances, layout.studio(row, corpus))
                    workers.run(features, f"{row.name}: features")
                for source, tasks in ((row.before, layout.earlier_tasks(row)), (row, layout.synthesis_tasks(row))):
                    wanted = {layout.version(source, corpus).audio[u.id] for u in utterances}
                    workers.run([task for task in tasks if task.output in wanted], f"{source.name}: listening room")
    return takes


def recorded_audio(layout: Layout, take: Take) -> Path:
    """Where the audio of a take lies beside the results, if it was recorded."""
    return layout.profile.results / "audio" / take.audio.relative_to(layout.profile.work)


def recorded_studies(room: Room, layer: int, seed: int) -> dict[str, Study]:
    """Title -> what is recorded of the room's profile and of speech of people, for figures over all utterances.

    Raises ProfileError where nothing is recorded.
    """
    profile = room.layout.profile.name
    studies = {SPEECH.get(profile, profile): room.study} if room.study is not None else {}
    rows = list(room.study.rows) if room.study is not None else []
    recorded = recorded_rows(RECORDED, [], layer=layer, seed=seed) if profile != RECORDED else []
    recorded = [row for row in recorded if not rows or row in rows]
    studies |= {SPEECH[RECORDED]: Study(RECORDED, recorded, layer=layer, seed=seed)} if recorded else {}
    if not studies:
        raise ProfileError(f"no results are recorded: emotrace run --profile {profile}")
    return studies
