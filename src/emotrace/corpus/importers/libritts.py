"""LibriTTS trees (Zen et al. 2019, doi:10.21437/Interspeech.2019-2441) as data directories."""

import csv
from collections.abc import Sequence
from pathlib import Path

from emotrace.corpus.datadir import CorpusError, DataDir, Utterance
from emotrace.corpus.importers import Imported
from emotrace.corpus.importers.writing import write_import
from emotrace.corpus.kaldi import has_words

TEXT_SUFFIX = ".normalized.txt"


def import_libritts(source: str | Path, target: str | Path, *, subsets: Sequence[str] | None = None) -> Imported:
    """Import the folder that holds speakers.tsv: every subset of it as `target`/SUBSET, at 16 kHz (the original: 24).

    The paper trains its vocoders on train-clean-100 and takes its pool of pseudo-speakers from train-other-500.
    Transcripts are the normalised ones in upper case. `subsets` names the folders; None takes all that are there.
    Raises as every `Importer` does; CorpusError, with the file, also for an unknown subset, where audio and transcripts
    differ and where a reader has no gender.
    """
    source, target = Path(source), Path(target)
    genders = _genders(source / "speakers.tsv")
    present = sorted({path.relative_to(source).parts[0] for path in source.glob("*/*/*/*.wav")})
    if not present:
        raise CorpusError(f"{source}: not a LibriTTS tree: no SUBSET/SPEAKER/CHAPTER/SPEAKER_CHAPTER_....wav")
    wanted = present if subsets is None else dict.fromkeys(subsets)
    if unknown := sorted(set(wanted) - set(present)):
        raise CorpusError(f"{source}: holds no subset {unknown[0]}: it has {', '.join(present)}")
    planned = [DataDir(target / name, _utterances(source / name, genders)) for name in wanted]
    summary = {"corpus": "LibriTTS", "imported": {data.path.name: len(data) for data in planned}}
    return write_import(target, planned, summary)


def _utterances(subset: Path, genders: dict[str, str]) -> tuple[Utterance, ...]:
    """Every SPEAKER/CHAPTER/SPEAKER_CHAPTER_....wav of `subset`, sorted; its path is the original audio."""
    audio, texts = (sorted(subset.glob(f"*/*/*{suffix}")) for suffix in (".wav", TEXT_SUFFIX))
    spoken = {path.with_suffix("") for path in audio}
    written = {path.with_name(path.name.removesuffix(TEXT_SUFFIX)) for path in texts}
    if silent := sorted(written - spoken):
        raise CorpusError(f"{silent[0]}{TEXT_SUFFIX}: audio {silent[0].name}.wav does not exist: restore it")
    if wordless := sorted(spoken - written):
        raise CorpusError(f"{wordless[0]}.wav: transcript {wordless[0].name}{TEXT_SUFFIX} does not exist: restore it")
    return tuple(sorted((_utterance(path, genders) for path in audio), key=lambda utterance: utterance.id))


def _utterance(audio: Path, genders: dict[str, str]) -> Utterance:
    speaker, chapter = audio.parts[-3:-1]
    if not audio.name.startswith(f"{speaker}_{chapter}_"):
        raise CorpusError(f"{audio}: expected a name like {speaker}_{chapter}_000001_000000.wav")
    if speaker not in genders:
        raise CorpusError(f"{audio}: speaker '{speaker}' is not in speakers.tsv")
    text = audio.with_suffix(TEXT_SUFFIX)
    words = " ".join(text.read_text(encoding="utf-8").split()).upper()
    if not has_words(words):
        raise CorpusError(f"{text}: holds no word")
    return Utterance(audio.stem, speaker, genders[speaker], audio, text=words)


def _genders(file: Path) -> dict[str, str]:
    """Reader to "f" or "m", from tab-separated lines under a header with READER and GENDER."""
    if not file.is_file():
        raise CorpusError(f"{file.parent}: not a LibriTTS tree: no speakers.tsv; give the folder that holds it")
    genders = {}
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if not {"READER", "GENDER"} <= set(reader.fieldnames or ()):
            raise CorpusError(f"{file}:1: expected the header 'READER GENDER SUBSET NAME', tab-separated")
        for row in reader:
            if row["GENDER"] not in ("F", "M"):
                raise CorpusError(f"{file}:{reader.line_num}: gender of reader '{row['READER']}' must be F or M")
            genders[row["READER"]] = row["GENDER"].lower()
    return genders
