-- Proposals, trades, orders, fills, funding: the ledger. Money and quantities are numeric and
-- keep every digit they came with. numeric knows NaN and infinity too: the checks refuse them.

CREATE TABLE proposals (
    venue text NOT NULL,
    account text NOT NULL,
    proposal_id bigint NOT NULL CHECK (proposal_id > 0),
    revision text NOT NULL,
    state text NOT NULL CHECK (state IN (
        'pending', 'approved', 'rejected', 'expired', 'superseded', 'withdrawn')),
    plan jsonb NOT NULL,
    symbol text NOT NULL GENERATED ALWAYS AS (plan ->> 'symbol') STORED,
    side text NOT NULL GENERATED ALWAYS AS (plan ->> 'side') STORED,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    created_monotonic_s double precision NOT NULL,
    wall_seconds double precision NOT NULL CHECK (wall_seconds >= 0),
    decided_at timestamptz,
    decided_by text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (venue, account, proposal_id),
    CONSTRAINT proposals_decision CHECK ((state = 'pending') = (decided_at IS NULL))
);
COMMENT ON TABLE proposals IS 'Plans that waited for a decision, and what became of them';
COMMENT ON COLUMN proposals.account IS 'The account, by the fingerprint of its key';
COMMENT ON COLUMN proposals.revision IS 'Hash of every figure that decides';
COMMENT ON COLUMN proposals.plan IS 'Entries, stop, targets, size, risk, costs, votes, verdicts';
COMMENT ON COLUMN proposals.expires_at IS 'End of the premise, market time';
COMMENT ON COLUMN proposals.created_monotonic_s IS
    'The engine''s monotonic clock at creation, s; means nothing after a restart of the machine';
COMMENT ON COLUMN proposals.wall_seconds IS 'Time to decide, s of wall time';

CREATE INDEX proposals_pending ON proposals (venue, account) WHERE state = 'pending';

CREATE TABLE positions (
    venue text NOT NULL,
    account text NOT NULL,
    trade_id text NOT NULL CHECK (trade_id <> ''),
    proposal_id bigint NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    state text NOT NULL CHECK (state IN (
        'planned', 'entering', 'open', 'exiting', 'closed', 'failed')),
    planned_quantity numeric NOT NULL
        CHECK (planned_quantity >= 0 AND planned_quantity < 'Infinity'),
    planned_entry numeric NOT NULL CHECK (planned_entry >= 0 AND planned_entry < 'Infinity'),
    stop_price numeric NOT NULL CHECK (stop_price >= 0 AND stop_price < 'Infinity'),
    target_price numeric NOT NULL CHECK (target_price >= 0 AND target_price < 'Infinity'),
    risk_usd numeric NOT NULL CHECK (risk_usd >= 0 AND risk_usd < 'Infinity'),
    leverage integer NOT NULL CHECK (leverage >= 1),
    time_exit_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    entry_reason text NOT NULL,
    quantity numeric NOT NULL CHECK (quantity >= 0 AND quantity < 'Infinity'),
    cost_basis numeric NOT NULL CHECK (cost_basis > '-Infinity' AND cost_basis < 'Infinity'),
    entered_quantity numeric NOT NULL
        CHECK (entered_quantity >= 0 AND entered_quantity < 'Infinity'),
    entered_notional numeric NOT NULL
        CHECK (entered_notional >= 0 AND entered_notional < 'Infinity'),
    exited_quantity numeric NOT NULL
        CHECK (exited_quantity >= 0 AND exited_quantity < 'Infinity'),
    exited_notional numeric NOT NULL
        CHECK (exited_notional >= 0 AND exited_notional < 'Infinity'),
    entry_price numeric GENERATED ALWAYS AS (
        CASE WHEN entered_quantity > 0 THEN entered_notional / entered_quantity END) STORED,
    exit_price numeric GENERATED ALWAYS AS (
        CASE WHEN exited_quantity > 0 THEN exited_notional / exited_quantity END) STORED,
    realised_pnl numeric NOT NULL
        CHECK (realised_pnl > '-Infinity' AND realised_pnl < 'Infinity'),
    fees numeric NOT NULL CHECK (fees > '-Infinity' AND fees < 'Infinity'),
    funding numeric NOT NULL CHECK (funding > '-Infinity' AND funding < 'Infinity'),
    net_pnl numeric GENERATED ALWAYS AS (realised_pnl - fees + funding) STORED,
    opened_at timestamptz,
    closed_at timestamptz,
    exit_reason text,
    stop_order_id text NOT NULL,
    target_order_id text NOT NULL,
    seconds_to_stop double precision CHECK (seconds_to_stop >= 0),
    -- Nothing compares exited with entered: while a lost fill is being asked for, the row must
    -- still be writable.
    PRIMARY KEY (venue, account, trade_id)
);
COMMENT ON TABLE positions IS 'Trade management: one row a trade, from plan to last fill';
COMMENT ON COLUMN positions.proposal_id IS '0: not from a proposal (adopted)';
COMMENT ON COLUMN positions.side IS 'Of the entry: buy is long';
COMMENT ON COLUMN positions.planned_quantity IS 'Base asset, as all quantities';
COMMENT ON COLUMN positions.planned_entry IS 'Quote asset (USDT), as all prices and amounts';
COMMENT ON COLUMN positions.quantity IS 'Still open';
COMMENT ON COLUMN positions.cost_basis IS 'Sum of price times quantity of what is open';
COMMENT ON COLUMN positions.entry_price IS 'Average of all entry fills; NULL before the first';
COMMENT ON COLUMN positions.exit_price IS 'Average of all exit fills; NULL before the first';
COMMENT ON COLUMN positions.realised_pnl IS 'Price difference only';
COMMENT ON COLUMN positions.fees IS 'Paid; negative: received';
COMMENT ON COLUMN positions.funding IS 'Received; negative: paid';
COMMENT ON COLUMN positions.seconds_to_stop IS
    'Wall time from the first fill''s arrival to the resting stop, s; NULL: none yet';

CREATE INDEX positions_running ON positions (venue, account, created_at)
    WHERE state NOT IN ('closed', 'failed');

CREATE TABLE orders (
    venue text NOT NULL,
    account text NOT NULL,
    client_order_id text NOT NULL CHECK (client_order_id <> ''),
    trade_id text NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('entry', 'stop', 'target', 'exit', 'flatten')),
    symbol text NOT NULL,
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    kind text NOT NULL CHECK (kind IN (
        'limit', 'market', 'stop_market', 'take_profit_market')),
    created_at timestamptz NOT NULL,
    quantity numeric CHECK (quantity > 0 AND quantity < 'Infinity'),
    price numeric CHECK (price > 0 AND price < 'Infinity'),
    trigger_price numeric CHECK (trigger_price > 0 AND trigger_price < 'Infinity'),
    trigger_by text NOT NULL CHECK (trigger_by IN ('mark', 'last')),
    time_in_force text NOT NULL CHECK (time_in_force IN ('gtc', 'ioc', 'fok', 'post_only')),
    reduce_only boolean NOT NULL,
    close_position boolean NOT NULL,
    recv_window_ms integer CHECK (recv_window_ms > 0),
    state text NOT NULL DEFAULT 'intended' CHECK (state IN (
        'intended', 'unresolved', 'denied', 'new', 'partially_filled', 'filled', 'canceled',
        'expired', 'rejected', 'triggering', 'triggered', 'finished')),
    exchange_order_id text NOT NULL DEFAULT '',
    triggered_order_id text NOT NULL DEFAULT '',
    filled_quantity numeric NOT NULL DEFAULT 0
        CHECK (filled_quantity >= 0 AND filled_quantity < 'Infinity'),
    average_price numeric NOT NULL DEFAULT 0
        CHECK (average_price >= 0 AND average_price < 'Infinity'),
    sent_at timestamptz,
    updated_at timestamptz NOT NULL,
    reject_code integer,
    reject_message text NOT NULL DEFAULT '',
    PRIMARY KEY (venue, account, client_order_id),
    CONSTRAINT orders_quantity CHECK (quantity IS NOT NULL OR close_position),
    CONSTRAINT orders_limit_price CHECK (price IS NOT NULL OR kind <> 'limit'),
    CONSTRAINT orders_trigger CHECK (
        (trigger_price IS NOT NULL) = (kind IN ('stop_market', 'take_profit_market')))
);
COMMENT ON TABLE orders IS
    'Each order we ever meant to send: written before it is sent, then what came of it';
COMMENT ON COLUMN orders.client_order_id IS 'Ours, unique for ever: one intent, one order';
COMMENT ON COLUMN orders.purpose IS 'What the order is for';
COMMENT ON COLUMN orders.quantity IS 'Base asset; NULL: whatever the position is';
COMMENT ON COLUMN orders.price IS 'Quote asset, as all prices; NULL: at the market';
COMMENT ON COLUMN orders.recv_window_ms IS
    'How long the exchange may still take it, ms; NULL: as configured';
COMMENT ON COLUMN orders.triggered_order_id IS
    'The plain order that a conditional one became';
COMMENT ON COLUMN orders.sent_at IS 'Market time; NULL: not sent as far as we know';
COMMENT ON COLUMN orders.reject_code IS 'The exchange''s own number of its refusal';

CREATE INDEX orders_unfinished ON orders (venue, account, created_at)
    WHERE state NOT IN ('denied', 'filled', 'canceled', 'expired', 'rejected', 'finished');
CREATE INDEX orders_of_trade ON orders (venue, account, trade_id);

CREATE TABLE fills (
    venue text NOT NULL,
    account text NOT NULL,
    symbol text NOT NULL,
    exchange_trade_id bigint NOT NULL,
    exchange_order_id text NOT NULL,
    client_order_id text NOT NULL,
    trade_id text NOT NULL,
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    price numeric NOT NULL CHECK (price > 0 AND price < 'Infinity'),
    quantity numeric NOT NULL CHECK (quantity > 0 AND quantity < 'Infinity'),
    fee numeric NOT NULL CHECK (fee > '-Infinity' AND fee < 'Infinity'),
    fee_asset text NOT NULL,
    realised_pnl numeric NOT NULL
        CHECK (realised_pnl > '-Infinity' AND realised_pnl < 'Infinity'),
    is_maker boolean NOT NULL,
    filled_at timestamptz NOT NULL,
    PRIMARY KEY (venue, account, symbol, exchange_trade_id)
);
COMMENT ON TABLE fills IS 'Executions of orders, each exactly once';
COMMENT ON COLUMN fills.trade_id IS 'The trade it belongs to; empty: none of ours';
COMMENT ON COLUMN fills.price IS 'Quote asset';
COMMENT ON COLUMN fills.quantity IS 'Base asset';
COMMENT ON COLUMN fills.fee IS 'In fee_asset, paid; negative: received';
COMMENT ON COLUMN fills.realised_pnl IS 'The exchange''s figure: price difference only';

CREATE INDEX fills_of_trade ON fills (venue, account, trade_id);
CREATE INDEX fills_by_time ON fills (venue, account, filled_at);

CREATE TABLE funding (
    venue text NOT NULL,
    account text NOT NULL,
    income_id text NOT NULL,
    trade_id text NOT NULL,
    symbol text NOT NULL,
    kind text NOT NULL,
    amount numeric NOT NULL CHECK (amount > '-Infinity' AND amount < 'Infinity'),
    asset text NOT NULL,
    paid_at timestamptz NOT NULL,
    PRIMARY KEY (venue, account, income_id)
);
COMMENT ON TABLE funding IS 'Funding payments from the account''s ledger, each exactly once';
COMMENT ON COLUMN funding.trade_id IS 'The trade that was open then; empty: none of ours';
COMMENT ON COLUMN funding.amount IS 'In asset, received; negative: paid';

CREATE INDEX funding_by_time ON funding (venue, account, paid_at);
