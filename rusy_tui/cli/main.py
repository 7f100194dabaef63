"""The `rusy` command: its groups of commands, and what becomes of errors."""

import sys
import traceback
from types import TracebackType

import click

import rusy_tui
from rusy_tui.cli import collecting, control, database, history, importing, run, tools
from rusy_tui.domain.errors import RusyError

_EXAMPLES = """
\b
Examples:
  rusy demo                      the console on a simulated exchange; needs nothing
  rusy                           the console, with an engine as configuration.yaml says
  rusy headless                  that engine alone, for a server
  rusy collect                   market data alone, for engines here and elsewhere
  rusy attach --host me@server   the console on an engine that runs elsewhere
  rusy status --json             what the running engine does, for a script
  rusy flatten --yes             close everything, cancel all orders, stay halted

\b
Exit codes: 0 done, 1 what was asked for failed, 2 wrong usage or configuration,
3 exchange, database or engine not reached, 130 interrupted.
"""


@click.group(
    invoke_without_command=True,
    epilog=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(rusy_tui.__version__, prog_name="rusy")
@run.config_option
@click.pass_context
def cli(context: click.Context, config: str | None) -> None:
    """Rusy trades Binance USD-M perpetual futures from a terminal.

    Without a command it is the console, with an engine as configuration.yaml says.
    """
    if context.invoked_subcommand is None:
        run.configured_console(config)
    elif config is not None:
        raise click.UsageError(
            f"--config belongs after the command: rusy {context.invoked_subcommand} "
            f"--config {config}"
        )


for _module in (run, collecting, control, database, history, importing, tools):
    _module.register(cli)


def main(arguments: list[str] | None = None) -> int:
    """Run a command line and answer its exit code."""
    sys.excepthook = _unexpected
    try:
        code = cli.main(arguments, prog_name="rusy", standalone_mode=False)
    except click.Abort:
        click.echo("interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except RusyError as error:
        click.echo(f"rusy: {error}", err=True)
        return error.exit_code
    return code if isinstance(code, int) else 0


def _unexpected(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """A defect of ours: one line for the operator, the rest for whoever mends it."""
    from rusy_tui import launch

    if issubclass(kind, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return
    text = "".join(traceback.format_exception(kind, error, trace))
    try:
        where = f"its log is {launch.keep_traceback(text)}"
    except RusyError as unwritable:
        where = f"and the log can't be written: {unwritable}\n{text}"
    click.echo(f"rusy: a defect of Rusy: {kind.__name__}: {error}; {where}", err=True)


if __name__ == "__main__":
    sys.exit(main())
