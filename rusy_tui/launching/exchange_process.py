"""The simulated exchange as a program of its own, with a client for one that is mirrored.

The simulator knows no client of an exchange: it is handed in here.
"""

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from rusy_tui.domain.errors import UnreachableError
from rusy_tui.domain.settings import Venue
from rusy_tui.launching.addresses import ADDRESSES
from rusy_tui.launching.places import ban_file
from rusy_tui.simulator.feeds.mirror import Source
from rusy_tui.simulator.markets import MirrorMarket
from rusy_tui.simulator.process import main as serve


@asynccontextmanager
async def open_source(market: MirrorMarket) -> AsyncGenerator[Source]:
    """A client of the exchange that a mirror is of, for public data alone: without keys.

    Raises:
        UnreachableError: it does not answer.
    """
    # Its library takes half a second to import, which only a mirror needs.
    from rusy_tui.clock import SystemClock
    from rusy_tui.exchange.binance import BinanceExchange

    public = ADDRESSES[Venue.LIVE]
    rest_url = market.rest_url or public.rest_url
    exchange = BinanceExchange(
        rest_url,
        market.ws_url or public.ws_url,
        "",
        "",
        SystemClock(),
        seed=market.seed,
        ban_file=ban_file(rest_url),
    )
    try:
        await exchange.connect()
    except UnreachableError as error:
        raise UnreachableError(
            f"the exchange to mirror, {rest_url}: {error}; look at the network, or name "
            "another one with --source-rest and --source-ws (in a configuration: "
            "exchange.rest_url and exchange.ws_url)"
        ) from error
    try:
        yield exchange
    finally:
        await exchange.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it as the command line says; the exit code."""
    return serve(arguments, open_source)


if __name__ == "__main__":
    sys.exit(main())
