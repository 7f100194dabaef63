"""A configuration under which something is soon traded, and then held."""

from tests.system.driving import Engine, Exchange, Home, wait_for

SYMBOL = "BTCUSDT"

# Every bar proposes a trade. Its stop is far away and nothing else ends it, so that what a
# test opened is still open when it looks.
_BUSY = """\
ensemble:
  long_probability: 0.5
  short_probability: 0.5
strategy:
  stop_atr: 6.0
  target_atr: 18.0
  hold_bars: 500
  min_reward_risk: 0
  entry_tries: 10
  entry_chase_bps: 50
  opposite_signal_exit: false
approval:
  max_drift_bps: 200
"""


def busy_options(home: Home, mode: str, speed: float = 120.0) -> tuple[str, ...]:
    """Options of a demo that trades one contract."""
    file = home.work / "busy.yaml"
    file.write_text(_BUSY)
    return (
        *("--config", str(file), "--mode", mode),
        *("--symbol", SYMBOL, "--speed", f"{speed:g}"),
    )


def with_position(home: Home) -> tuple[Engine, Exchange]:
    """An engine that trades by itself, once it holds a position whose stop rests."""
    engine = home.start(*busy_options(home, "auto"))
    exchange = home.exchange()
    wait_for(
        exchange.open_and_protected, 60.0, "a protected position", or_say=lambda: str(engine)
    )
    return engine, exchange
