"""Rows in every table, odd values among them, and what tables hold, to compare."""

from rusy_tui.resources import sql_dir
from rusy_tui.store import catalog
from rusy_tui.store.migrations import migrations_in
from rusy_tui.store.pool import Database

_AT = "'2025-03-01 00:00:00.001+00'::timestamptz"
_ODD = r"E'tab\t, line\n, return\r, back\\slash, \\N, \\., quote '' and ünïcode'"

_ROWS = f"""
INSERT INTO market_data SELECT 'demo', s, '15m', {_AT} + n * interval '15 minutes',
    100.1, 100.30000000000001, 99.9, 100.2, n / 3.0, n * 0.1, 'NaN', 'NaN', 'rest', n % 2
    FROM generate_series(1, 20000) AS n, unnest(ARRAY['BTCUSDT', 'ETHUSDT']) AS s;
INSERT INTO market_data SELECT 'live', 'BTCUSDT', '1h', {_AT}, 1e-300, 1.7e308, 1e-308,
    0.1 + 0.2, 0, 0, 5, 0, 'stream', 0;
UPDATE market_data SET revision = revision + 1, close = 100.25 WHERE open_time < {_AT}
    + interval '1 day' AND venue = 'demo';
INSERT INTO model_predictions VALUES ('demo', 'BTCUSDT', '15m', {_AT}, 'v1', 0.5, NULL, 0.25,
    '{{"lstm": 1}}', -0.5, 0.4, 'NaN', true, NULL, NULL);
INSERT INTO proposals (venue, account, proposal_id, revision, state, plan, created_at,
    expires_at, created_monotonic_s, wall_seconds, decided_at, decided_by, reason)
    VALUES ('demo', 'a', 1, 'f00d', 'pending', '{{"symbol": "BTCUSDT", "side": "buy"}}', {_AT},
    {_AT}, 1.5, 90, NULL, '', {_ODD});
INSERT INTO positions (venue, account, trade_id, proposal_id, symbol, side, state,
    planned_quantity, planned_entry, stop_price, target_price, risk_usd, leverage, time_exit_at,
    created_at, entry_reason, quantity, cost_basis, entered_quantity, entered_notional,
    exited_quantity, exited_notional, realised_pnl, fees, funding, stop_order_id,
    target_order_id) VALUES ('demo', 'a', 't1', 1, 'BTCUSDT', 'buy', 'open', 0.1000, 100,
    90, 120, 1, 3, {_AT}, {_AT}, {_ODD}, 3, 100, 3, 100, 0, 0, 0, 0.00000001, -0.5, 's', '');
INSERT INTO orders (venue, account, client_order_id, trade_id, purpose, symbol, side, kind,
    created_at, quantity, price, trigger_by, time_in_force, reduce_only, close_position,
    updated_at) VALUES ('demo', 'a', 'o1', 't1', 'entry', 'BTCUSDT', 'buy', 'limit', {_AT},
    1.230, 100.10, 'mark', 'gtc', false, false, {_AT});
INSERT INTO fills VALUES ('demo', 'a', 'BTCUSDT', 7, 'x', 'o1', 't1', 'buy', 100.10, 1.230,
    0.0400000000000000000001, 'USDT', 0, true, {_AT});
INSERT INTO funding VALUES ('demo', 'a', 'i1', 't1', 'BTCUSDT', 'FUNDING_FEE', -0.1, 'USDT',
    {_AT});
INSERT INTO journal (venue, account, at, kind, subject, payload)
    SELECT 'demo', 'a', {_AT}, 'decision', {_ODD}, jsonb_build_object('n', n, 'text', {_ODD})
    FROM generate_series(1, 30) AS n;
INSERT INTO commands VALUES ('demo', 'a', 'c1', {_AT}, 'ann', 'console', 'halt', '{{}}',
    '{{}}');
INSERT INTO lock_owners VALUES (-5, 'demo/a', 'here', 7, {_AT});
INSERT INTO findings VALUES ('demo', 'BTCUSDT', '15m', {_AT}, {_AT}, 'broken', 'open', {_ODD},
    {_AT}, '[1, 2]');
INSERT INTO funding_rates VALUES ('live', 'BTCUSDT', {_AT}, -0.0001, 'NaN');
INSERT INTO mark_prices VALUES ('live', 'BTCUSDT', '1h', {_AT}, 1, 1, 1, 1);
INSERT INTO open_interest VALUES ('paper', 'BTCUSDT', {_AT}, 1, 1);
INSERT INTO microstructure (venue, symbol, timeframe, open_time, trades, taker_buy_volume,
    taker_sell_volume, vwap, mean_trade, largest_trade, spread_bps, depth_imbalance, vpin,
    covered) VALUES ('live', 'BTCUSDT', '1h', {_AT}, 1, 1, 1, 1, 1, 1, 1, 'NaN', 0.5, 1);
INSERT INTO tick_sizes VALUES ('live', 'BTCUSDT', 0.1, {_AT}, {_AT});
UPDATE timeframes SET enabled = false WHERE interval = '15m';
"""


def names() -> tuple[str, ...]:
    """All tables of ours."""
    return catalog.created_by(migrations_in(sql_dir()))


async def fill(database: Database) -> None:
    """Put rows into every table."""
    async with database.session() as session:
        await session.run_long(_ROWS)
    for name in names():
        assert await database.value(f"SELECT count(*) FROM {name}"), f"{name} has no rows"


async def contents(database: Database) -> dict[str, list[str]]:
    """Every row of every table, each as one text, sorted."""
    found = {}
    for name in names():
        rows = await database.rows(f"SELECT t::text AS row FROM {name} AS t")
        found[name] = sorted(row["row"] for row in rows)
    return found
