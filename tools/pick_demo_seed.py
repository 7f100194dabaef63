"""Find seeds for the demo: markets in which a newcomer soon sees what Rusy does.

A first proposal 10 to 30 s after the start, and within five minutes one trade that wins and
one that loses, each proposal approved five seconds after it appears. Seeds are first judged
by the votes at the first closed bar alone, which is quick; those that pass are played whole.

    python -m tools.pick_demo_seed --from-seed 0 --seeds 200
"""

import dataclasses
import logging
import sys
from collections.abc import Iterable
from decimal import Decimal

import click
import structlog

from rusy_tui import config
from rusy_tui.clock import LockstepClock
from rusy_tui.decide.strategy import Thresholds, side_of
from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.settings import Settings
from rusy_tui.ensemble.runtime import Ensemble
from rusy_tui.launch_lockstep import in_lockstep, world
from rusy_tui.simulator.feeds import Print
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from tools.demo_story import Story, watch

# Each limit is kept with this much to spare: a slow machine must not break the promise.
MARGIN = 0.1
# The exchange gathers market events for 100 ms, which at 60 times real time is this much.
FLUSH_S = 6.0


@click.command()
@click.option("--from-seed", default=0, show_default=True)
@click.option("--seeds", default=200, show_default=True, help="How many to judge.")
@click.option("--wanted", default=3, show_default=True, help="How many to find.")
def main(from_seed: int, seeds: int, wanted: int) -> None:
    """Print the seeds that keep the demo's promise."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    settings, networks, found = config.demo_settings(), Ensemble.load(), 0
    for seed in range(from_seed, from_seed + seeds):
        if not _votes_at_once(seed, settings, networks):
            continue
        demo = dataclasses.replace(settings.demo, seed=seed)
        story = tell(dataclasses.replace(settings, demo=demo), networks)
        ended = " ".join(f"{at_s:.0f}s:{net:+.2f}" for at_s, net in story.ended)
        keeps = story.holds(MARGIN)
        word = "KEEPS" if keeps else "no"
        click.echo(f"seed {seed}: {word}; first {story.first_proposal_s}; {ended}")
        found += keeps
        if found == wanted:
            return
    sys.exit(0 if found else 1)


def tell(settings: Settings, networks: Ensemble | None = None) -> Story:
    """Play the settings' demo market and tell what a newcomer would see."""
    demo = settings.demo
    feed = SyntheticFeed(demo.seed, demo.start_ms, demo.symbols)

    async def play(clock: LockstepClock) -> Story:
        async with world(
            clock,
            feed,
            settings,
            seed=demo.seed,
            balance=demo.balance,
            ensemble=networks,
            flush_s=FLUSH_S,
        ) as here:
            return await watch(here, settings, demo.start_ms)

    return in_lockstep(demo.start_ms, play)


def _votes_at_once(seed: int, settings: Settings, networks: Ensemble) -> bool:
    """Whether any contract's first closed bar passes a threshold."""
    demo, given = settings.demo, networks.manifest.thresholds
    thresholds = Thresholds(
        long=settings.ensemble.long_probability or given.long,
        short=settings.ensemble.short_probability or given.short,
    )
    feed = SyntheticFeed(seed, demo.start_ms, demo.symbols)
    end_ms = demo.start_ms + Interval.M15.ms
    prints: dict[str, list[Print]] = {symbol: [] for symbol in demo.symbols}
    while (step := feed.next_step()) is not None and step.time_ms < end_ms:
        for each in step.prints:
            prints[each.symbol].append(each)
    for symbol in demo.symbols:
        quarters = [
            *feed.history(symbol, Interval.M15),
            _candle(symbol, demo.start_ms, prints[symbol]),
        ]
        vote = networks.vote(
            symbol,
            Bars.of(Interval.M15, quarters),
            Bars.of(Interval.H1, feed.history(symbol, Interval.H1)),
        )
        if side_of(vote, thresholds) is not None:
            return True
    return False


def _candle(symbol: str, open_ms: int, prints: Iterable[Print]) -> Candle:
    made = list(prints)
    prices = [float(each.price) for each in made]
    return Candle(
        symbol=symbol,
        interval=Interval.M15,
        open_time_ms=open_ms,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=float(sum((each.quantity for each in made), Decimal(0))),
        quote_volume=float(sum((each.price * each.quantity for each in made), Decimal(0))),
        trades=float(sum(each.trades for each in made)),
        taker_buy_volume=float(sum((e.taker_buy_quantity for e in made), Decimal(0))),
        closed=True,
    )


if __name__ == "__main__":
    main()
