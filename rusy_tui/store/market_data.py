"""The tables of one venue's market: what the data service writes and everybody reads."""

from collections.abc import Sequence

from rusy_tui.domain.history import BarStats, FundingRate, MarkCandle, OpenInterest
from rusy_tui.store.bar_columns import BarColumns
from rusy_tui.store.candles import Candles
from rusy_tui.store.findings import Findings
from rusy_tui.store.journal import Journal
from rusy_tui.store.locks import COLLECTOR_ACCOUNT, Lock, collector_of, take_noted
from rusy_tui.store.pool import Database
from rusy_tui.store.series import Series
from rusy_tui.store.ticks import Ticks


class MarketData:
    """All repositories of one venue's market data, over one database.

    Args:
        database: open, with all tables.
        venue: demo, paper, testnet or live.
    """

    def __init__(self, database: Database, venue: str) -> None:
        self.database = database
        self.venue = venue
        self.candles = Candles(database, venue)
        self.bar_columns = BarColumns(database, venue)
        self.findings = Findings(database, venue)
        self.ticks = Ticks(database, venue)
        self.funding_rates = Series(database, venue, "funding_rates", FundingRate)
        self.mark_prices = Series(database, venue, "mark_prices", MarkCandle)
        self.open_interest = Series(database, venue, "open_interest", OpenInterest)
        self.microstructure = Series(database, venue, "microstructure", BarStats)

    async def lock(self, symbols: Sequence[str]) -> Lock:
        """Become the one collector of these symbols' market data: of all, or of none.

        Raises:
            LockRefused: another one is, of one of them; with its host, process and start. The
                collectors' journal says so too.
        """
        subjects = collector_of(self.venue, symbols)
        journal = Journal(self.database, self.venue, COLLECTOR_ACCOUNT)
        return await take_noted(self.database, subjects, journal)
