"""The database as the rest of Rusy knows it: opened, brought up to date, table by table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from rusy_tui.domain.clock import Clock
from rusy_tui.resources import sql_dir
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.commands import Commands
from rusy_tui.store.fills import Fills
from rusy_tui.store.funding import Funding
from rusy_tui.store.journal import Journal
from rusy_tui.store.locks import Lock, account_of, take_noted
from rusy_tui.store.market_data import MarketData
from rusy_tui.store.migrations import migrate
from rusy_tui.store.orders import Orders
from rusy_tui.store.pool import Database
from rusy_tui.store.predictions import Predictions
from rusy_tui.store.proposals import Proposals
from rusy_tui.store.trades import Trades
from rusy_tui.store.writes import Writes


class Store:
    """All repositories of one venue and account, over one database. Made by :meth:`open`.

    Args:
        database: open, with all tables.
        venue: demo, paper, testnet or live.
        account: the account, by the fingerprint of its key.
    """

    def __init__(self, database: Database, venue: str, account: str) -> None:
        self.database = database
        self.writes = Writes(database.clock)
        self._venue = venue
        self._account = account
        self.market_data = MarketData(database, venue)
        self.candles = self.market_data.candles
        self.predictions = Predictions(database, venue)
        self.proposals = Proposals(database, venue, account)
        self.trades = Trades(database, venue, account)
        self.orders = Orders(database, venue, account)
        self.fills = Fills(database, venue, account)
        self.funding = Funding(database, venue, account)
        self.journal = Journal(database, venue, account)
        self.commands = Commands(database, venue, account)

    @classmethod
    async def open(
        cls,
        address: DatabaseAddress,
        clock: Clock,
        venue: str,
        account: str,
        *,
        size: int = 1,
        migrations: Path | None = None,
    ) -> Self:
        """Connect and bring the tables up to date.

        Args:
            address: of the database.
            clock: times each call as work outside the event loop, and stamps migrations.
            venue: bound into every key.
            account: bound into every key where an account is concerned.
            size: how many calls may run at a time; 1 in lockstep.
            migrations: folder of numbered files; None for the program's own.

        Raises:
            StorageError: it can't be reached or used, or it is newer than this program.
        """
        database = await Database.open(address, clock, size)
        try:
            await migrate(database, migrations or sql_dir())
        except BaseException:
            await database.close()
            raise
        return cls(database, venue, account)

    async def lock_account(self) -> Lock:
        """Become the one engine of this account; holds until released or disconnected.

        Raises:
            LockRefused: another engine is; with its host, process and start. The account's
                journal says so too.
        """
        subjects = account_of(self._venue, self._account)
        return await take_noted(self.database, subjects, self.journal)

    async def lock_collector(self, symbols: Sequence[str]) -> Lock:
        """Become the one collector of these symbols' market data: of all, or of none.

        Raises:
            StorageError: another one is, of one of them; with its host, process and start.
        """
        return await self.market_data.lock(symbols)

    async def close(self) -> None:
        """Close all connections, what can be written written."""
        await self.writes.close()
        await self.database.close()
