"""Commands for data directories, the user's own included: import, validate, anonymize, evaluate."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from emotrace.cli.options import JobsOption, LayerOption, SchedulerOption, SeedOption
from emotrace.corpus.importers import IMPORTERS
from emotrace.corpus.importers import import_corpus as import_by_name
from emotrace.engine.workers import DEFAULT_JOBS


def import_corpus(
    corpus: Annotated[str, typer.Argument(help=f"One of {', '.join(IMPORTERS)}.")],
    source: Annotated[
        Path,
        typer.Argument(
            help="wavs: folder of WAV or FLAC files; ravdess: folder or zip; librispeech: folder with SPEAKERS.TXT; "
            "librispeech-readers: the same, or any folder of LibriSpeech audio; libritts: folder with speakers.tsv; "
            "iemocap: IEMOCAP_full_release; nemo: folder with data.tsv; libri-test: VoicePrivacy 2024's data folder."
        ),
    ],
    target: Annotated[Path, typer.Argument(help="New folder; data directories are made in it, or it becomes one.")],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="wavs: CSV with columns file, speaker, gender and, where known, emotion, text, fold; by default "
            "labels.csv in the folder."
        ),
    ] = None,
    trim: Annotated[bool | None, typer.Option(help="RAVDESS: cut leading and trailing silence; default: yes.")] = None,
    excited: Annotated[bool | None, typer.Option(help="IEMOCAP: excitement counts as happy; default: yes.")] = None,
    check_majority: Annotated[
        bool | None,
        typer.Option(help="IEMOCAP: recount the annotators' votes."),
    ] = None,
    speakers: Annotated[
        Path | None, typer.Option(help="librispeech-readers: SPEAKERS.TXT; by default that in the folder.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="librispeech-readers: utterances of each reader.")] = None,
    without: Annotated[
        str | None, typer.Option(help="librispeech-readers: readers to leave out, e.g. 19,26,27.")
    ] = None,
    only: Annotated[
        Path | None, typer.Option(help="librispeech-readers: file with the ids of the utterances, one on each line.")
    ] = None,
) -> None:
    """Import a corpus as data directories: train/ and test/, the subsets of LibriTTS, or a single one.

    Example: `emotrace import ravdess Audio_Speech_Actors_01-24.zip corpora/ravdess`

    Your own recordings, and what your system made of them under the same file names, go with one table of labels:

    `emotrace import wavs original/ corpora/original --labels labels.csv`

    `emotrace import wavs anonymised/ corpora/anonymised --labels labels.csv`

    `emotrace evaluate corpora/original corpora/anonymised --report report.html`

    The table has a line for each utterance, such as `anna/hello.wav,anna,f,hap,HELLO THERE` below the heading
    `file,speaker,gender,emotion,text`. Emotions are sad, neu, ang, hap. Without a column fold, folds are made by
    speaker; enrolment and trials of speakers with two utterances or more are made, too. Audio stays where it is.
    """
    options = {"labels": labels, "trim": trim, "excited": excited, "check_majority": check_majority}
    options |= {"speakers": speakers, "limit": limit, "without": without and without.split(","), "only": only}
    given = {name: value for name, value in options.items() if value is not None}
    imported = import_by_name(corpus, source, target, **given)
    for data in imported.data:
        typer.echo(f"{data.path}: {len(data)} utterances, {len(data.speakers)} speakers")
    for remark in imported.remarks:
        typer.echo(remark)


def validate(directory: Annotated[Path, typer.Argument(help="Data directory.")]) -> None:
    """Name every problem of a data directory, with file and line; exit code 1 if there is any.

    Audio at another rate than 16 kHz is no problem: every command resamples it, and a note says so. Below 8 kHz it is.

    Example: `emotrace validate data/phantom/test`
    """
    from emotrace.corpus.validate import rate_notes
    from emotrace.corpus.validate import validate as find_problems

    problems = find_problems(directory)
    for problem in problems:
        typer.echo(str(problem))
    for note in rate_notes(directory):
        typer.echo(f"note: {note}")
    typer.echo(f"{directory}: {len(problems) or 'no'} problem{'s' * (len(problems) != 1)}", err=True)
    raise typer.Exit(1 if problems else 0)


def anonymize(
    source: Annotated[Path, typer.Argument(help="Data directory; FLAC or WAV at any rate.")],
    target: Annotated[Path, typer.Argument(help="New data directory; its name must not end in something with 'asr'.")],
    row: Annotated[str, typer.Option(help="Row of table II, e.g. ECAPA-anon-T6, or McAdams, which takes no model.")],
    layer: LayerOption = 6,
    level: Annotated[str, typer.Option(help="Pseudo-speakers per utterance, or per speaker.")] = "utterance",
    seed: SeedOption = 0,
    jobs: JobsOption = DEFAULT_JOBS,
    scheduler: SchedulerOption = None,
) -> None:
    """Anonymise a data directory by a row; all metadata are kept, 16 kHz audio lands in wav/.

    Example: `emotrace anonymize corpus corpus_anon --row ECAPA-anon-T12-soft`
    """
    from emotrace.anonymizer.draws import Selection
    from emotrace.study.profiles import get_profile
    from emotrace.study.verbs import anonymise

    chosen, *others = get_profile("phantom").select([row], layer=layer)
    if others:
        raise ValueError(f"--row {row} is a group; choose one of {', '.join(r.name for r in (chosen, *others))}")
    options = {"seed": seed, "jobs": jobs, "scheduler": scheduler}
    made = anonymise(source, chosen, target=target, selection=Selection(level=level), **options)
    typer.echo(f"{target}: {len(made)} utterances by {chosen.name}")


def labels(
    folder: Annotated[Path, typer.Argument(help="Folder of WAV or FLAC files, subfolders and all.")],
    out: Annotated[Path | None, typer.Option(help="The table; by default labels.csv in the folder.")] = None,
) -> None:
    """Write a table of labels for a folder of audio, to fill in: a line for each file.

    Example: `emotrace labels recordings`

    The speaker is read off the first subfolder, or else off what stands before the first "-" or "_" of the name; the
    text off a .txt file of the same name. A column that stays empty means that what needs it is not measured.
    """
    from emotrace.corpus.folders import to_fill_in, write_label_template

    table, lines = write_label_template(folder, out)
    typer.echo(f"{table}: {lines} files; {to_fill_in()}")


def evaluate(
    original: Annotated[
        Path, typer.Argument(help="The recordings: a folder of WAV or FLAC files, or a data directory.")
    ],
    anonymised: Annotated[
        list[Path], typer.Argument(help="What one system or several made of them, under the same names.")
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Who speaks, how, and what: CSV with columns file, speaker, gender and, where known, emotion, text; "
            "by default labels.csv beside the recordings. `emotrace labels FOLDER` writes one to fill in."
        ),
    ] = None,
    stages: Annotated[
        list[str] | None,
        typer.Option(
            help="Speech behind the stages of one system, in their order, as NAME=FOLDER: what its vocoder alone makes "
            "of features of the recordings, what it makes without another voice. Says which stage loses what.",
        ),
    ] = None,
    train_on: Annotated[
        Path | None,
        typer.Option("--train", help="Originals of other speakers for the emotion recognisers; else by folds."),
    ] = None,
    train_anonymised: Annotated[
        list[Path] | None,
        typer.Option(
            help="What the system made of --train, one for each system: what the matched recognisers and the "
            "semi-informed attacker learn from."
        ),
    ] = None,
    enrolment: Annotated[
        Path | None,
        typer.Option(help="Copy from a separate invocation (another --seed) that the lazy-informed attacker enrols."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for utterances.parquet, trials.parquet, summary.csv, report.html.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="File for a report with figures, beside the recorded rows: one HTML file.")
    ] = None,
    vpc: Annotated[
        Path | None,
        typer.Option(
            help="Folder for VoicePrivacy 2024's result files; their suffix is what is new in the copy's name."
        ),
    ] = None,
    system: Annotated[
        Path | None,
        typer.Option(
            help="File for what others compare with, such as data/systems/mine.json; a corpus after the other."
        ),
    ] = None,
    asr: Annotated[
        str, typer.Option(help="Who recognises words: whisper-tiny.en, whisper-base or pocketsphinx.")
    ] = "whisper-tiny.en",
    ser: Annotated[
        str, typer.Option(help="Who recognises emotions, separated by commas; further: egemaps.")
    ] = "functionals,ge2e,whisper",
    naturalness: Annotated[str, typer.Option(help="Who predicts mean opinion scores; '' for nobody.")] = "distillmos",
    jobs: JobsOption = DEFAULT_JOBS,
    scheduler: SchedulerOption = None,
) -> None:
    """Compare anonymised copies with the recordings: EER, WER, recalls, UAR, MOS, acoustics, with 95 % intervals.

    Example: `emotrace evaluate recordings mine theirs --labels labels.csv --report report.html`

    Where a system of yours loses what: `emotrace evaluate recordings mine --stages after-vocoder=vocoded
    after-representation=resynthesised`
    """
    from emotrace.analysis.stages import diagnosis, stage_table
    from emotrace.analysis.summary import summary_table, write_results
    from emotrace.analysis.verdict import verdict
    from emotrace.corpus.files import write_text_atomic
    from emotrace.pipeline.measures import Recognisers
    from emotrace.show.report.page import render_report
    from emotrace.show.system_files import TO_FILL_IN, read_system, write_system
    from emotrace.show.vpc_results import write_vpc_results
    from emotrace.study.verbs import evaluate as evaluate_directories

    copies = _systems(anonymised, stages or [])
    _require_places([report, system], [out, vpc])
    for option, place in {"--vpc": vpc, "--system": system}.items():
        if place is not None and len(copies) > 1:
            raise ValueError(f"{option} writes what one system is given: evaluate them one by one")
    if system is not None and system.exists():
        read_system(system)  # what is none is refused before an evaluation, not after it
    options = {"training": train_on, "training_anonymised": train_anonymised or [], "enrolment": enrolment}
    options |= {"jobs": jobs, "scheduler": scheduler}
    recognisers = Recognisers(asr, ser=tuple(ser.split(",")), naturalness=naturalness)
    results = evaluate_directories(original, copies, labels, recognisers, **options)
    summary, lost = summary_table(results), stage_table(results) if stages else None
    if out is not None:
        write_results(out, results, summary)
        if lost is not None:
            write_text_atomic(out / "stages.csv", lost.to_csv(index=False))
    if vpc is not None:
        write_vpc_results(results, vpc, anonymised[0].resolve().name.removeprefix(original.resolve().name))
    if system is not None:
        write_system(results, system)
        typer.echo(f"{system}: before others read it, fill in {', '.join(TO_FILL_IN)}", err=True)
    if paths := [path for path in (report, out and out / "report.html") if path is not None]:
        for path in paths:
            write_text_atomic(path, render_report(results, summary, lost, path.absolute().parent))
    for row in results.rows[1:]:
        typer.echo("\n".join([f"{row}:", *(f"- {sentence}" for sentence in verdict(results, row)), ""]))
    typer.echo(summary.to_string(index=False, float_format=lambda value: f"{value:.2f}", na_rep="-"))
    for sentence in [] if lost is None else diagnosis(results, lost):
        typer.echo(sentence)
    for note in results.notes:
        typer.echo(f"note: {note}")


def _systems(anonymised: list[Path], stages: list[str]) -> list[Path] | dict[str, Path]:
    """The copies to evaluate; where there are stages by name, those first. Raises ValueError for what is no stage.

    A shell passes what follows the first NAME=FOLDER as further copies; one that is no folder but has a "=" is a stage.
    """
    if not stages:
        return anonymised
    behind = [str(each) for each in anonymised if "=" in str(each) and not each.exists()]
    last = [each for each in anonymised if str(each) not in behind]
    named = dict(each.partition("=")[::2] for each in (*stages, *behind))
    if bad := [each for each in (*stages, *behind) if not all(each.partition("=")) or "/" in each.partition("=")[0]]:
        raise ValueError(f"--stages {bad[0]}: give a name and a folder, as in after-vocoder=FOLDER")
    if len(last) != 1:
        raise ValueError(f"--stages are those of one system: give its anonymised speech, not {len(last)} folders")
    if len(named) < len(stages) + len(behind) or last[0].resolve().name in named:
        raise ValueError("--stages: two of them have the same name, or that of the anonymised folder")
    return {name: Path(folder) for name, folder in named.items()} | {last[0].resolve().name: last[0]}


def _require_places(files: Sequence[Path | None], folders: Sequence[Path | None]) -> None:
    """Raise ValueError where results could not be written; better before an evaluation than after it."""
    for path in filter(None, files):
        if path.is_dir():
            raise ValueError(f"{path}: is a folder; name a file")
    for path in (*filter(None, folders), *(path.parent for path in filter(None, files))):
        above = next(each for each in (path, *path.absolute().parents) if each.exists())
        if not above.is_dir():
            raise ValueError(f"{path}: {above} is a file; name another place")
