-- What the data service keeps besides candles: earlier versions of revised ones, findings,
-- funding rates, mark prices, open interest, microstructure, ticks. As in the first migration,
-- figures are double precision, and what a source doesn't have is 'NaN', never 0.

-- Recordings by others have prices and volume alone: their quote volume is absent as well.
ALTER TABLE market_data DROP CONSTRAINT market_data_volumes;
ALTER TABLE market_data ADD CONSTRAINT market_data_volumes CHECK (
    volume >= 0 AND volume < 'Infinity'
    AND quote_volume >= 0 AND (quote_volume < 'Infinity' OR quote_volume = 'NaN')
    AND trades >= 0
    AND taker_buy_volume >= 0
    -- A millionth for sums of floats.
    AND (taker_buy_volume <= volume * 1.000001 OR taker_buy_volume = 'NaN')
);
COMMENT ON COLUMN market_data.quote_volume IS 'Quote asset; NaN: the source has none';

CREATE TABLE market_data_revisions (
    venue text NOT NULL,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    open_time timestamptz NOT NULL,
    revision integer NOT NULL CHECK (revision >= 0),
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume double precision NOT NULL,
    quote_volume double precision NOT NULL,
    trades double precision NOT NULL,
    taker_buy_volume double precision NOT NULL,
    source text NOT NULL,
    PRIMARY KEY (venue, symbol, timeframe, open_time, revision)
);
COMMENT ON TABLE market_data_revisions IS
    'What a candle was before the exchange''s later answer replaced it';
COMMENT ON COLUMN market_data_revisions.revision IS
    'Its number then; the one in market_data is higher';

-- A trigger, for only it sees the very row that is replaced when two writers are at work.
CREATE FUNCTION keep_revised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO market_data_revisions (
        venue, symbol, timeframe, open_time, revision, open, high, low, close,
        volume, quote_volume, trades, taker_buy_volume, source)
    VALUES (
        OLD.venue, OLD.symbol, OLD.timeframe, OLD.open_time, OLD.revision, OLD.open, OLD.high,
        OLD.low, OLD.close, OLD.volume, OLD.quote_volume, OLD.trades, OLD.taker_buy_volume,
        OLD.source);
    RETURN NULL;
END
$$;
-- What was absent and is filled in is no revision.
CREATE TRIGGER market_data_revised AFTER UPDATE ON market_data
    FOR EACH ROW WHEN (NEW.revision > OLD.revision) EXECUTE FUNCTION keep_revised();

CREATE TABLE findings (
    venue text NOT NULL,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    open_time timestamptz NOT NULL,
    until_time timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN (
        'broken', 'halt', 'jump', 'hour differs', 'revised', 'missing', 'duplicate',
        'broken row', 'broken mark price', 'contradicted', 'finer than tick', 'unknown tick')),
    cure text NOT NULL CHECK (cure IN ('open', 'refetched', 'accepted', 'quarantined')),
    detail text NOT NULL,
    found_at timestamptz NOT NULL,
    candle jsonb,
    PRIMARY KEY (venue, symbol, timeframe, open_time, kind),
    CONSTRAINT findings_span CHECK (until_time >= open_time)
);
COMMENT ON TABLE findings IS 'What was wrong or odd with market data, and what became of it';
COMMENT ON COLUMN findings.timeframe IS 'timeframes.interval; empty: not about bars';
COMMENT ON COLUMN findings.open_time IS 'First instant it is about, UTC';
COMMENT ON COLUMN findings.until_time IS 'First instant it is not about any more, UTC';
COMMENT ON COLUMN findings.cure IS
    'open: not to be used; refetched: whole now; accepted: real; quarantined: set aside';
COMMENT ON COLUMN findings.found_at IS 'Market time';
COMMENT ON COLUMN findings.candle IS 'What was set aside, as it came';

CREATE INDEX findings_open ON findings (venue, symbol, timeframe) WHERE cure = 'open';

CREATE TABLE funding_rates (
    venue text NOT NULL,
    symbol text NOT NULL,
    at timestamptz NOT NULL,
    rate double precision NOT NULL CHECK (rate > '-Infinity' AND rate < 'Infinity'),
    mark_price double precision NOT NULL CHECK (mark_price > 0),
    PRIMARY KEY (venue, symbol, at)
);
COMMENT ON TABLE funding_rates IS 'What longs paid shorts at each funding time';
COMMENT ON COLUMN funding_rates.at IS 'The funding time, UTC, floored to the minute';
COMMENT ON COLUMN funding_rates.rate IS 'Fraction of notional; negative: shorts paid';
COMMENT ON COLUMN funding_rates.mark_price IS 'Quote asset; NaN: the source has none';

CREATE TABLE mark_prices (
    venue text NOT NULL,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    open_time timestamptz NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    PRIMARY KEY (venue, symbol, timeframe, open_time),
    CONSTRAINT mark_prices_order CHECK (
        low > 0
        AND low <= least(open, close)
        AND high >= greatest(open, close)
        AND high < 'Infinity'
    )
);
COMMENT ON TABLE mark_prices IS 'The mark price over each closed bar, quote asset';

CREATE TABLE open_interest (
    venue text NOT NULL,
    symbol text NOT NULL,
    at timestamptz NOT NULL,
    quantity double precision NOT NULL CHECK (quantity >= 0 AND quantity < 'Infinity'),
    value_usd double precision NOT NULL CHECK (value_usd >= 0 AND value_usd < 'Infinity'),
    PRIMARY KEY (venue, symbol, at)
);
COMMENT ON TABLE open_interest IS 'Contracts open at the end of each quarter of an hour';
COMMENT ON COLUMN open_interest.quantity IS 'Base asset';
COMMENT ON COLUMN open_interest.value_usd IS 'USDT';

CREATE TABLE microstructure (
    venue text NOT NULL,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    open_time timestamptz NOT NULL,
    trades double precision NOT NULL CHECK (trades >= 0),
    taker_buy_volume double precision NOT NULL CHECK (taker_buy_volume >= 0),
    taker_sell_volume double precision NOT NULL CHECK (taker_sell_volume >= 0),
    vwap double precision NOT NULL CHECK (vwap > 0),
    mean_trade double precision NOT NULL CHECK (mean_trade > 0),
    largest_trade double precision NOT NULL CHECK (largest_trade > 0),
    spread_bps double precision NOT NULL CHECK (spread_bps >= 0),
    depth_imbalance double precision NOT NULL
        CHECK (depth_imbalance BETWEEN -1 AND 1 OR depth_imbalance = 'NaN'),
    vpin double precision NOT NULL CHECK (vpin BETWEEN 0 AND 1.000001 OR vpin = 'NaN'),
    covered double precision NOT NULL CHECK (covered BETWEEN 0 AND 1),
    PRIMARY KEY (venue, symbol, timeframe, open_time)
);
COMMENT ON TABLE microstructure IS
    'What the streams told of each bar while it formed; NaN: not seen';
COMMENT ON COLUMN microstructure.taker_buy_volume IS 'Base asset, as all volumes and sizes';
COMMENT ON COLUMN microstructure.vwap IS 'Quote asset';
COMMENT ON COLUMN microstructure.spread_bps IS
    'Mean distance of best bid and ask over their middle, basis points, of samples';
COMMENT ON COLUMN microstructure.depth_imbalance IS
    'Mean of (bids - asks) / (bids + asks) over the nearest levels, -1 to 1, of samples';
COMMENT ON COLUMN microstructure.vpin IS
    'Mean of |buys - sells| / volume over equal parts of the bar''s volume, 0 to 1';
COMMENT ON COLUMN microstructure.covered IS
    'Share of the bar in which the streams were whole; below 1 the sums are too small';

-- From a candle's own columns for all of history, from the streams where they were heard; the
-- two are never mixed, so their names say which is which.
CREATE VIEW bar_statistics AS
SELECT
    venue, symbol, timeframe, open_time,
    bar.trades AS kline_trades,
    bar.taker_buy_volume AS kline_taker_buy_volume,
    bar.volume - bar.taker_buy_volume AS kline_taker_sell_volume,
    CASE WHEN bar.volume > 0 THEN bar.quote_volume / bar.volume ELSE 'NaN' END AS kline_vwap,
    CASE WHEN bar.trades > 0 THEN bar.volume / bar.trades ELSE 'NaN' END AS kline_mean_trade,
    coalesce(live.trades, 'NaN') AS live_trades,
    coalesce(live.taker_buy_volume, 'NaN') AS live_taker_buy_volume,
    coalesce(live.taker_sell_volume, 'NaN') AS live_taker_sell_volume,
    coalesce(live.vwap, 'NaN') AS live_vwap,
    coalesce(live.mean_trade, 'NaN') AS live_mean_trade,
    coalesce(live.largest_trade, 'NaN') AS live_largest_trade,
    coalesce(live.spread_bps, 'NaN') AS live_spread_bps,
    coalesce(live.depth_imbalance, 'NaN') AS live_depth_imbalance,
    coalesce(live.vpin, 'NaN') AS live_vpin,
    coalesce(live.covered, 0) AS live_covered
FROM market_data AS bar
LEFT JOIN microstructure AS live USING (venue, symbol, timeframe, open_time);
COMMENT ON VIEW bar_statistics IS
    'Microstructure of each bar: kline_ from the candle itself, live_ from the streams';

CREATE TABLE tick_sizes (
    venue text NOT NULL,
    symbol text NOT NULL,
    tick_size double precision NOT NULL CHECK (tick_size > 0 AND tick_size < 'Infinity'),
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    PRIMARY KEY (venue, symbol, tick_size, first_seen),
    CONSTRAINT tick_sizes_span CHECK (last_seen >= first_seen)
);
COMMENT ON TABLE tick_sizes IS
    'Which step of the price the exchange announced for a contract, and when it was seen so';
COMMENT ON COLUMN tick_sizes.tick_size IS 'Quote asset';

-- With TimescaleDB: hypertables of chunks of 90 days (docs/data.md says why), whose older ones
-- can be compressed, and days that are kept added up. Without: the same names, the same answers.
-- Policies are not set here: they count from the server's clock, so the program sets them where
-- the market's time is the server's.
DO $$
DECLARE
    days text := $days$
        SELECT venue, symbol, timeframe, %s AS day,
            %s AS open,
            max(high) AS high,
            min(low) AS low,
            %s AS close,
            sum(volume ORDER BY open_time) AS volume,
            sum(quote_volume ORDER BY open_time) AS quote_volume,
            sum(trades ORDER BY open_time) AS trades,
            sum(taker_buy_volume ORDER BY open_time) AS taker_buy_volume,
            count(*) AS bars
        FROM market_data
        GROUP BY venue, symbol, timeframe, 4
    $days$;
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable(
            'mark_prices', 'open_time', chunk_time_interval => INTERVAL '90 days');
        PERFORM create_hypertable(
            'microstructure', 'open_time', chunk_time_interval => INTERVAL '90 days');
        PERFORM set_chunk_time_interval('market_data', INTERVAL '90 days');
        PERFORM set_chunk_time_interval('model_predictions', INTERVAL '90 days');
        PERFORM set_chunk_time_interval('journal', INTERVAL '90 days');
    END IF;
    -- Its edition of the Apache licence has hypertables alone.
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
        AND coalesce(current_setting('timescaledb.license', true), '') <> 'apache'
    THEN
        ALTER TABLE market_data SET (timescaledb.compress,
            timescaledb.compress_segmentby = 'venue, symbol, timeframe',
            timescaledb.compress_orderby = 'open_time');
        ALTER TABLE mark_prices SET (timescaledb.compress,
            timescaledb.compress_segmentby = 'venue, symbol, timeframe',
            timescaledb.compress_orderby = 'open_time');
        ALTER TABLE microstructure SET (timescaledb.compress,
            timescaledb.compress_segmentby = 'venue, symbol, timeframe',
            timescaledb.compress_orderby = 'open_time');
        ALTER TABLE model_predictions SET (timescaledb.compress,
            timescaledb.compress_segmentby = 'venue, symbol, timeframe',
            timescaledb.compress_orderby = 'bar_open_time, model_version');
        ALTER TABLE journal SET (timescaledb.compress,
            timescaledb.compress_segmentby = 'venue, account',
            timescaledb.compress_orderby = 'at, id');
        EXECUTE
            'CREATE MATERIALIZED VIEW market_data_daily WITH '
            '(timescaledb.continuous, timescaledb.materialized_only = false) AS '
            || format(days, $b$time_bucket(INTERVAL '1 day', open_time)$b$,
                'first(open, open_time)', 'last(close, open_time)')
            || ' WITH NO DATA';
    ELSE
        EXECUTE 'CREATE VIEW market_data_daily AS '
            || format(days, $b$date_bin('1 day', open_time, '2000-01-01 00:00:00+00')$b$,
                '(array_agg(open ORDER BY open_time))[1]',
                '(array_agg(close ORDER BY open_time DESC))[1]');
    END IF;
    COMMENT ON VIEW market_data_daily IS 'Candles added up by day of UTC, for dashboards';
    COMMENT ON COLUMN market_data_daily.bars IS 'How many candles it was added up from';
END
$$;
