"""nEMO (Christop 2024, arXiv:2404.06292), acted speech in Polish, as one data directory with folds."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from emotrace.corpus.datadir import CorpusError, DataDir, Emotion, Utterance
from emotrace.corpus.importers import Imported
from emotrace.corpus.importers.writing import write_import
from emotrace.corpus.protocol import folds_by_speaker, verification

TABLE = "data.tsv"
COLUMNS = ("file_id", "emotion", "normalized_text", "speaker_id", "gender")
EMOTIONS = {"sadness": Emotion.SAD, "neutral": Emotion.NEUTRAL, "anger": Emotion.ANGRY, "happiness": Emotion.HAPPY}
SKIPPED = ("fear", "surprise")
GENDERS = {"female": "f", "male": "m"}


def import_nemo(source: str | Path, target: str | Path) -> Imported:
    """Import nEMO, the folder with data.tsv and the audio, beside it or in samples/, as the data directory `target`.

    Fear and surprise are left out and counted in `target`/import.json. No speaker is in two folds; enrolment and trials
    are those of `protocol.verification`. The text is Polish: leave its words out of an evaluation by an English
    recogniser. Raises as every `Importer` does; CorpusError with file and line of a line that nEMO does not have.
    """
    source, target = Path(source), Path(target)
    lines = list(_lines(source / TABLE))
    chosen = sorted((u for u, emotion in lines if emotion in EMOTIONS), key=lambda utterance: utterance.id)
    if not chosen:
        raise CorpusError(f"{source / TABLE}: names no recording of {', '.join(EMOTIONS)}")
    folds = folds_by_speaker({utterance.speaker: utterance.gender for utterance in chosen})
    utterances = tuple(replace(utterance, fold=folds.get(utterance.speaker)) for utterance in chosen)
    counts = Counter(emotion for _, emotion in lines)
    summary = {
        "corpus": "nEMO",
        "imported": {emotion.value: counts[name] for name, emotion in EMOTIONS.items()},
        "skipped": {name: counts[name] for name in SKIPPED},
    }
    enrolment, trials = verification(utterances)
    return write_import(target, [DataDir(target, utterances, tuple(enrolment), tuple(trials))], summary)


def _lines(table: Path) -> Iterator[tuple[Utterance, str]]:
    """Every recording with nEMO's name of its emotion; the utterances of fear and surprise have none."""
    if not table.is_file():
        raise CorpusError(f"{table}: does not exist: give the folder of nEMO that holds it")
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            raise CorpusError(f"{table}: has no column {missing[0]}: restore nEMO's table")
        for number, line in enumerate(reader, start=2):
            name, emotion, text, speaker, gender = (str(line[column] or "").strip() for column in COLUMNS)
            if emotion not in (*EMOTIONS, *SKIPPED):
                raise CorpusError(f"{table}:{number}: unknown emotion '{emotion}' of '{name}'")
            if gender not in GENDERS or not speaker or Path(name).name != name:
                raise CorpusError(f"{table}:{number}: '{name}' is no recording of a speaker '{speaker}', '{gender}'")
            places = [folder / name for folder in (table.parent, table.parent / "samples")]
            audio = next((place for place in places if place.is_file()), None)
            if audio is None:
                raise CorpusError(f"{table}:{number}: audio {places[0]} does not exist: unpack nEMO's samples")
            own = (f"{speaker}-{audio.stem}", speaker, GENDERS[gender], audio, text.upper(), EMOTIONS.get(emotion))
            yield Utterance(*own), emotion
