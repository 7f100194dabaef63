-- Bars, and what the ensemble said about them.
--
-- Market data is double precision NOT NULL: fixed width, read as columns of floats. What a
-- source doesn't have is 'NaN', never 0; PostgreSQL sorts NaN above every number and holds it
-- equal to itself, so `x < 'Infinity'` refuses NaN and `x >= 0` lets it pass.

CREATE TABLE timeframes (
    interval text PRIMARY KEY,
    milliseconds bigint NOT NULL UNIQUE CHECK (milliseconds > 0),
    enabled boolean NOT NULL
);
COMMENT ON TABLE timeframes IS 'The spans of candles that exist, and which are collected';
COMMENT ON COLUMN timeframes.interval IS 'As the operator writes it: 15m';
COMMENT ON COLUMN timeframes.milliseconds IS 'Its length, ms';
COMMENT ON COLUMN timeframes.enabled IS 'Whether the configuration asks for it';

INSERT INTO timeframes (interval, milliseconds, enabled)
VALUES ('1m', 60000, false), ('15m', 900000, true), ('1h', 3600000, true);

CREATE TABLE market_data (
    venue text NOT NULL,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    open_time timestamptz NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume double precision NOT NULL,
    quote_volume double precision NOT NULL,
    trades double precision NOT NULL,
    taker_buy_volume double precision NOT NULL,
    source text NOT NULL,
    revision integer NOT NULL DEFAULT 0,
    PRIMARY KEY (venue, symbol, timeframe, open_time),
    CONSTRAINT market_data_prices CHECK (
        low > 0
        AND low <= least(open, close)
        AND high >= greatest(open, close)
        AND high < 'Infinity'
    ),
    CONSTRAINT market_data_volumes CHECK (
        volume >= 0 AND volume < 'Infinity'
        AND quote_volume >= 0 AND quote_volume < 'Infinity'
        AND trades >= 0
        AND taker_buy_volume >= 0
        -- A millionth for sums of floats.
        AND (taker_buy_volume <= volume * 1.000001 OR taker_buy_volume = 'NaN')
    ),
    CONSTRAINT market_data_revision CHECK (revision >= 0)
);
COMMENT ON TABLE market_data IS 'Closed candles, each exactly once';
COMMENT ON COLUMN market_data.venue IS 'demo, paper, testnet or live';
COMMENT ON COLUMN market_data.timeframe IS 'timeframes.interval';
COMMENT ON COLUMN market_data.open_time IS 'First instant of the bar, UTC';
COMMENT ON COLUMN market_data.open IS 'Quote asset (USDT), as all prices';
COMMENT ON COLUMN market_data.volume IS 'Base asset';
COMMENT ON COLUMN market_data.quote_volume IS 'Quote asset';
COMMENT ON COLUMN market_data.trades IS 'Number of trades; NaN: the source has none';
COMMENT ON COLUMN market_data.taker_buy_volume IS
    'Base asset bought by takers; NaN: the source has none';
COMMENT ON COLUMN market_data.source IS 'Where the last version came from: stream, rest, …';
COMMENT ON COLUMN market_data.revision IS
    'How often a later answer of the exchange differed from what was stored';

CREATE TABLE model_predictions (
    venue text NOT NULL,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    bar_open_time timestamptz NOT NULL,
    model_version text NOT NULL,
    lstm double precision CHECK (lstm BETWEEN 0 AND 1),
    cnn double precision CHECK (cnn BETWEEN 0 AND 1),
    dnn double precision CHECK (dnn BETWEEN 0 AND 1),
    weights jsonb NOT NULL,
    score double precision NOT NULL CHECK (score BETWEEN -1 AND 1),
    probability double precision NOT NULL CHECK (probability BETWEEN 0 AND 1),
    large_move double precision NOT NULL
        CHECK (large_move BETWEEN 0 AND 1 OR large_move = 'NaN'),
    flow_present boolean NOT NULL,
    outcome double precision,
    outcome_at timestamptz,
    PRIMARY KEY (venue, symbol, timeframe, bar_open_time, model_version),
    CONSTRAINT model_predictions_outcome CHECK ((outcome IS NULL) = (outcome_at IS NULL))
);
COMMENT ON TABLE model_predictions IS 'The vote of the ensemble at the close of each bar';
COMMENT ON COLUMN model_predictions.lstm IS
    'The member''s own P(price is higher at the end of the horizon); NULL: did not vote';
COMMENT ON COLUMN model_predictions.weights IS 'Member to its share of the vote; sums to 1';
COMMENT ON COLUMN model_predictions.score IS 'The weighted vote, -1 (down) to 1 (up)';
COMMENT ON COLUMN model_predictions.probability IS 'Calibrated P(up over the horizon)';
COMMENT ON COLUMN model_predictions.large_move IS
    'P(the move exceeds the label''s multiple of ATR, either way); NaN: not said';
COMMENT ON COLUMN model_predictions.flow_present IS
    'Whether trade count and taker volume were there';
COMMENT ON COLUMN model_predictions.outcome IS
    'What came: return over the horizon, a fraction; NULL until it ended';
COMMENT ON COLUMN model_predictions.outcome_at IS 'When the horizon ended, UTC';

CREATE INDEX model_predictions_open
    ON model_predictions (venue, symbol, timeframe, bar_open_time) WHERE outcome IS NULL;

-- Hypertables where TimescaleDB is there, or can be made: installed alone is not enough, for a
-- server that didn't load it at its own start ends the connection. One symbol's 15m bars are
-- 96 rows a day: chunks are months long, shorter ones cost more than they save.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
        AND current_setting('shared_preload_libraries') LIKE '%timescaledb%'
    THEN
        CREATE EXTENSION IF NOT EXISTS timescaledb;
    END IF;
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable(
            'market_data', 'open_time', chunk_time_interval => INTERVAL '180 days');
        PERFORM create_hypertable(
            'model_predictions', 'bar_open_time', chunk_time_interval => INTERVAL '180 days');
    END IF;
END
$$;
