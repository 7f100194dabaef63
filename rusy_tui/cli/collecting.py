"""The data service alone."""

from pathlib import Path

import click

from rusy_tui.cli.run import config_option
from rusy_tui.domain.errors import UsageError


def register(group: click.Group) -> None:
    """Add the commands of this module to a group."""
    group.add_command(collect)


@click.command()
@config_option
@click.option("--demo", is_flag=True, help="The market of `rusy demo`, beside it.")
@click.option("--directory", type=click.Path(), help="Where that demo keeps its data.")
def collect(config: str | None, demo: bool, directory: str | None) -> None:
    """Collect market data, and trade nothing.

    Candles of the configured pairs, checked and stored, from now on and back to the beginning;
    funding rates, mark prices and open interest. Needs no API key. Engines with
    `data.source: database`, here or on other machines, take their bars from it.

    It logs one JSON line an event; on a terminal it shows how far it is. SIGINT and SIGTERM
    end it; whatever it was at goes on with the next start.
    """
    from rusy_tui import launch

    if directory is not None and not demo:
        raise UsageError("--directory names a demo's data: it needs --demo")

    def absolute(path: str | None) -> str | None:
        return None if path is None else str(Path(path).expanduser().absolute())

    launch.collect(
        launch.Job(demo=demo, config=absolute(config), directory=absolute(directory))
    )
