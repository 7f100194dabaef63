-- Why Rusy did what it did, who told it to, and which engine runs an account.

CREATE TABLE journal (
    id bigint GENERATED ALWAYS AS IDENTITY,
    venue text NOT NULL,
    account text NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    payload jsonb NOT NULL,
    PRIMARY KEY (id, at)
);
COMMENT ON TABLE journal IS 'Each decision with all that it was made from; never changed';
COMMENT ON COLUMN journal.at IS 'Market time';
COMMENT ON COLUMN journal.subject IS 'What it is about: a trade, a proposal, a symbol, a gate';
COMMENT ON COLUMN journal.payload IS 'Figures; a NaN stands as null';

CREATE INDEX journal_by_subject ON journal (venue, account, subject, at);
CREATE INDEX journal_by_time ON journal (venue, account, at);

CREATE TABLE commands (
    venue text NOT NULL,
    account text NOT NULL,
    command_id text NOT NULL CHECK (command_id <> ''),
    at timestamptz NOT NULL,
    who text NOT NULL,
    origin text NOT NULL,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    reply jsonb NOT NULL,
    PRIMARY KEY (venue, account, command_id)
);
COMMENT ON TABLE commands IS 'What operators told the engine, and its answer';
COMMENT ON COLUMN commands.who IS 'The user';
COMMENT ON COLUMN commands.origin IS 'From where: console, socket, ssh';
COMMENT ON COLUMN commands.reply IS 'The answer; a repeated id gets the same one again';

CREATE TABLE lock_owners (
    key bigint PRIMARY KEY,
    subject text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    started_at timestamptz NOT NULL
);
COMMENT ON TABLE lock_owners IS
    'Who took an advisory lock last; it is held only while the server lists the lock itself';
COMMENT ON COLUMN lock_owners.key IS 'Number of the advisory lock';
COMMENT ON COLUMN lock_owners.started_at IS 'Wall time';

-- As in the first migration: the journal grows with every bar.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable('journal', 'at', chunk_time_interval => INTERVAL '30 days');
    END IF;
END
$$;
