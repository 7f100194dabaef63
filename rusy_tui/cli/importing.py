"""Bulk import: recorded market data into the tables."""

import click

from rusy_tui.cli.run import config_option


def register(group: click.Group) -> None:
    """Add the commands of this module to a group."""
    group.add_command(import_)


@click.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option(
    "--venue",
    type=click.Choice(["demo", "paper", "testnet", "live"]),
    help="Whose market data. [default: the configured one; live where that is simulated]",
)
@click.option("--symbol", help="The contract, where the name does not tell it.")
@click.option(
    "--interval",
    type=click.Choice(["1m", "15m", "1h"]),
    help="Of the bars, where the name does not tell it.",
)
@click.option(
    "--kind",
    type=click.Choice(["klines", "markPriceKlines", "fundingRate"]),
    help="What the rows are, where folder and columns do not tell it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@config_option
def import_(
    paths: tuple[str, ...],
    venue: str | None,
    symbol: str | None,
    interval: str | None,
    kind: str | None,
    as_json: bool,
    config: str | None,
) -> None:
    """Import recorded market data: the exchange's archives, CSV, Parquet; folders too.

    \b
    rusy import BTCUSDT-15m-2021-03.zip
    rusy import data/futures/um/monthly
    rusy import --symbol BTCUSDT --interval 1h hours.csv

    A row that breaks a rule is set aside and told by file and line. Importing the same
    again changes nothing, so an import that was interrupted goes on by the same command.
    """  # noqa: D301  # click's \b keeps the lines of an example apart
    from rusy_tui.cli import show
    from rusy_tui.launching import importing

    wanted = importing.Import(
        paths=paths,
        config=config,
        venue=venue,
        symbol=symbol,
        interval=interval,
        kind=kind,
    )
    try:
        report = importing.run(wanted, lambda line: click.echo(line, err=True))
    except KeyboardInterrupt:
        click.echo("what was written stays; the same command goes on from there", err=True)
        raise
    if as_json:
        click.echo(show.as_json(importing.as_object(report)))
    else:
        for line in importing.as_lines(report):
            click.echo(line)
    if report.failed:
        click.get_current_context().exit(1)
