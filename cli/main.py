"""`pigeonhole`: the options of each command. What a command does is loaded when it is asked for."""

# ruff: noqa: PLC0415 - boto3 takes half a second, which `--help` should not
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import AwsStage, Dataset, Home, OfDataset, Reason, Stage, Version, run
from cli.trouble import trouble

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Drop a CSV in a bucket and a better image classifier goes live.",
)

app.add_typer(trouble, name="trouble")


@app.command()
def up(
    home: Home = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="First of the two ports that it listens on.",
            min=1,
            max=65534,
            show_default="4566, or the port that it runs on already",
        ),
    ] = None,
    foreground: Annotated[bool, typer.Option(help="Stay, and stop it all on Ctrl-C.")] = False,
) -> None:
    """Start the local cloud and deploy to it."""
    from cli.commands import up as command

    run(lambda: command.up(home, port, foreground))


@app.command()
def down(home: Home = None) -> None:
    """Stop the local cloud; what it holds stays."""
    from cli.commands import up as command

    run(lambda: command.down(home))


@app.command()
def status(
    home: Home = None,
    stage: Stage = None,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C.")] = False,
) -> None:
    """Show what runs: cloud, stack, datasets, batches, jobs, endpoints."""
    from cli.commands import status as command

    run(lambda: command.status(home, stage, watch))


@app.command()
def logs(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="JOB|ENDPOINT", help="Whose.", show_default="the newest training job"
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Stay, and print what comes.")
    ] = False,
    home: Home = None,
    stage: Stage = None,
) -> None:
    """Print what a job or an endpoint logs."""
    from cli.commands import logs as command

    run(lambda: command.logs(name, follow, home, stage))


@app.command()
def drop(
    files: Annotated[
        list[Path],
        typer.Argument(
            exists=True, help="CSVs (.csv, .csv.gz, .zip), or folders of images by class."
        ),
    ],
    dataset: Annotated[
        str | None, typer.Option(help="Its name; taken from the files' names if left out.")
    ] = None,
    home: Home = None,
    stage: Stage = None,
) -> None:
    """Upload CSVs or images (and a dataset.json), then follow until live or refused."""
    from cli.commands import drop as command

    run(lambda: command.drop(files, dataset, home, stage))


@app.command()
def retrain(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Whose data.")],
    home: Home = None,
    stage: Stage = None,
) -> None:
    """Train a dataset once more, then follow; after a failure, from its last checkpoint."""
    from cli.commands import retrain as command

    run(lambda: command.retrain(dataset, home, stage))


@app.command()
def approve(
    dataset: OfDataset,
    version: Version = None,
    *,
    reason: Reason = "",
    home: Home = None,
    stage: Stage = None,
) -> None:
    """Let a model go live that waits for you, or that the gate turned down; then follow.

    Or let a training start whose cost waits for you.
    """
    from cli.commands import approve as command

    run(lambda: command.approve(dataset, version, reason=reason, home=home, stage=stage))


@app.command()
def reject(
    dataset: OfDataset,
    version: Version = None,
    *,
    reason: Reason = "",
    home: Home = None,
    stage: Stage = None,
) -> None:
    """Turn down what waits for you, or is on its way to be live."""
    from cli.commands import approve as command

    run(lambda: command.reject(dataset, version, reason=reason, home=home, stage=stage))


@app.command()
def report(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="On which dataset.")],
    *,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Where it is downloaded to.", show_default="reports/<dataset>/<job>"),
    ] = None,
    home: Home = None,
    stage: Stage = None,
) -> None:
    """Fetch the report: the data, how good the model is, where its training time went."""
    from cli.commands import report as command

    run(lambda: command.report(dataset, out=out, show=show, home=home, stage=stage))


@app.command()
def history(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Whose versions.")],
    version: Annotated[
        str | None,
        typer.Argument(
            metavar="VERSION", help="One alone, whole: its beginning, or a training job."
        ),
    ] = None,
    *,
    all_versions: Annotated[bool, typer.Option("--all", help="Not the newest 20 alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    home: Home = None,
    stage: Stage = None,
) -> None:
    """Tell what was trained, decided and live, when and why."""
    from cli.commands import history as command

    run(
        lambda: command.history(
            dataset, version, all_versions=all_versions, as_json=as_json, home=home, stage=stage
        )
    )


@app.command()
def rollback(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Whose model.")],
    version: Annotated[
        str | None,
        typer.Argument(
            metavar="VERSION",
            help="The beginning of a version, or a training job.",
            show_default="the one that was live before",
        ),
    ] = None,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the models.")] = "",
    home: Home = None,
    stage: Stage = None,
) -> None:
    """Bring an earlier model live again, then follow until it is."""
    from cli.commands import rollback as command

    run(lambda: command.rollback(dataset, version, reason=reason, home=home, stage=stage))


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Image files.")],
    dataset: Dataset = None,
    home: Home = None,
    stage: Stage = None,
) -> None:
    """Ask the live model what images show."""
    from cli.commands import predict as command

    run(lambda: command.predict(images, dataset, home, stage))


@app.command()
def classify(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Its files.")],
    *,
    batch: Annotated[
        str | None, typer.Option(help="A name for the batch.", show_default="folder and time")
    ] = None,
    dataset: Dataset = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where the results are downloaded to.", show_default="results/<batch>"),
    ] = None,
    home: Home = None,
    stage: Stage = None,
) -> None:
    """Upload a folder of images, have all of them classified, fetch the results."""
    from cli.commands import classify as command

    run(
        lambda: command.classify(
            folder, batch=batch, dataset=dataset, out=out, home=home, stage=stage
        )
    )


@app.command("dead-letters")
def dead_letters(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="All that is known of each.")] = False,
    home: Home = None,
    stage: Stage = None,
) -> None:
    """List what the service gave up on after five tries, and why."""
    from cli.commands import dead_letters as command

    run(lambda: command.dead_letters(as_json, home, stage))


@app.command()
def replay(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Of `dead-letters`; their beginnings will do."),
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that there are.")] = False,
    home: Home = None,
    stage: Stage = None,
) -> None:
    """Have done after all what was given up: send dead letters back."""
    from cli.commands import dead_letters as command

    run(lambda: command.replay(ids or [], everything, home, stage))


@app.command()
def package(stage: AwsStage = "dev") -> None:
    """Build the CloudFormation package in build/."""
    from cli.commands import deploy as command

    run(lambda: command.package(stage))


@app.command()
def deploy(
    stage: AwsStage = "dev",
    notify: Annotated[
        str | None,
        typer.Option(
            metavar="E-MAIL",
            help="Who hears of refusals, approvals to give and models gone live; '' for nobody.",
            show_default="as before",
        ),
    ] = None,
) -> None:
    """Deploy to your AWS account."""
    from cli.commands import deploy as command

    run(lambda: command.deploy(stage, notify))


@app.command()
def destroy(
    stage: AwsStage = "dev",
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Delete the bucket and all that is in it, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove what was deployed to your AWS account; the data only with --delete-data."""
    from cli.commands import deploy as command

    run(lambda: command.destroy(stage, delete_data=delete_data, yes=yes))


if __name__ == "__main__":
    app()
