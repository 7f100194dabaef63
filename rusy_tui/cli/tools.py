"""Commands around the engine: is the installation right, the exchange alone, the models."""

from pathlib import Path

import click

from rusy_tui.cli.run import config_option

_ANYTHING = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


def register(group: click.Group) -> None:
    """Add the commands of this module to a group."""
    for command in (check, simulator, train, models):
        group.add_command(command)


@click.command()
@config_option
@click.option("--offline", is_flag=True, help="Judge the configuration alone.")
def check(config: str | None, offline: bool) -> None:
    """Is everything right? Configuration, model, data directory, exchange."""
    from rusy_tui import launch

    for line in launch.check(Path(config) if config else None, offline):
        click.echo(line)


@click.command(context_settings=_ANYTHING)
@click.pass_context
def simulator(context: click.Context) -> None:
    """The simulated exchange alone, on loopback (`rusy simulator --help` says more)."""
    from rusy_tui import launch

    context.exit(launch.simulator(context.args))


@click.command(context_settings=_ANYTHING)
@click.pass_context
def train(context: click.Context) -> None:
    """Train the networks, in a clone with the train extra (`rusy train --help`)."""
    from rusy_tui import launch

    context.exit(launch.train(context.args))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def models(as_json: bool) -> None:
    """Model versions that are here; a star marks the one in use."""
    from rusy_tui import launch
    from rusy_tui.cli import show

    found = launch.list_models()
    if as_json:
        click.echo(show.as_json([{"version": name, "in_use": used} for name, used in found]))
        return
    for name, used in found:
        click.echo(f"{'*' if used else ' '} {name}")
