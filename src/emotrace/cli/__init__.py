"""The command line. Every command says what it needs; a mistake is answered by one message and exit code 2."""

import typer

from emotrace.cli import directories, models, study
from emotrace.cli.options import one_message

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Where does emotion get lost in speaker anonymization? The study, from audio to tables.

    The whole study on the embedded corpus: `emotrace run`, then `emotrace status`.

    Your own anonymizer: `emotrace labels RECORDINGS` writes a table to fill in, and
    `emotrace evaluate RECORDINGS ANONYMISED --report report.html` says what is left.

    Your own data directory: `emotrace validate DIR`, `emotrace anonymize DIR DIR_anon --row ECAPA-anon-T6`.
    """,
)

app.command("import")(one_message()(directories.import_corpus))
for command in (
    *(models.fetch, directories.labels, directories.validate, study.plan, models.train, directories.anonymize),
    directories.evaluate,
    *(study.run, study.reproduce, study.probe, study.learning_curve, study.numbers, study.status),
):
    app.command()(one_message()(command))
