"""``python -m training``: what ``rusy train`` and ``rusy evaluate`` run."""

import sys
from pathlib import Path

import click

DATA = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    envvar="RUSY_RECORDINGS",
    required=True,
    help="Folder of recordings (also RUSY_RECORDINGS).",
)


@click.group()
def main() -> None:
    """Train and judge the ensemble's networks."""


@main.command()
@DATA
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the new version; its name becomes the version's.",
)
@click.option("--workers", default=2, show_default=True, help="Networks learnt at a time.")
@click.option("--seeds", default=4, show_default=True, help="Networks averaged a member.")
@click.option("--epochs", default=3, show_default=True, help="Passes over the data.")
@click.option("--every", default=1, help="Take every Nth bar only: a trial run.")
@click.option(
    "--against",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="A version that this one should equal; says so, and fails beyond 0.005 AUC.",
)
def train(
    data: Path,
    out: Path,
    workers: int,
    seeds: int,
    epochs: int,
    every: int,
    against: Path | None,
) -> None:
    """Train a version from recordings: graphs, manifest, model card."""
    from training.recordings import RecordingsMissingError
    from training.train import Plan
    from training.train import train as make

    plan = Plan(tuple(range(1, seeds + 1)), epochs, every, workers)
    try:
        manifest = make(data, out, plan, click.echo)
    except RecordingsMissingError as error:
        raise click.ClickException(str(error)) from error
    if against is not None:
        from training.compare import differences

        lines, close = differences(manifest, against)
        click.echo("\n".join(lines))
        sys.exit(0 if close else 1)


@main.command()
@DATA
@click.argument("version", type=click.Path(path_type=Path, file_okay=False, exists=True))
def evaluate(data: Path, version: Path) -> None:
    """Judge a version again on the test span and compare with its manifest."""
    from training.compare import evaluate_again
    from training.recordings import RecordingsMissingError

    try:
        lines, close = evaluate_again(data, version)
    except RecordingsMissingError as error:
        raise click.ClickException(str(error)) from error
    click.echo("\n".join(lines))
    sys.exit(0 if close else 1)


if __name__ == "__main__":
    main()
