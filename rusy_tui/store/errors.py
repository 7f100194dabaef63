"""What a database can do to us, sorted by what must be done about it."""

from collections.abc import Generator
from contextlib import contextmanager

import asyncpg

from rusy_tui.domain.errors import Defect, StorageError


class DatabaseLost(StorageError):
    """No answer can be had now: stopped, restarting, out of reach, or its disk is full.

    Whether the call took effect is unknown; every write of this package may be repeated.
    """

    exit_code = 3


class LockRefused(StorageError):
    """Somebody else holds it, named in the text; the database itself is well."""


class DatabaseRefused(StorageError):
    """The database answered that it will not do this: a broken rule, a missing right.

    Args:
        message: what it said.
        sqlstate: its five-letter code.
    """

    def __init__(self, message: str, sqlstate: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


# Connection trouble, resources used up (disk full among them), an operator stopping the
# server, an error of its disk; a server that takes no writes for now (25006: a hosted one whose
# disk is nearly full, a primary that was demoted), a deadlock or another lost race (40), a lock
# or a statement that took too long for the server. All may pass, so callers wait and repeat.
_PASSING = ("08", "25006", "40", "53", "55P03", "57014", "57P", "58")


def _from_server(error: asyncpg.PostgresError) -> StorageError:
    state = error.sqlstate or "?????"
    text = f"the database says: {error} (SQLSTATE {state})"
    if state.startswith(_PASSING):
        return DatabaseLost(text)
    return DatabaseRefused(text, state)


@contextmanager
def translated(address: object) -> Generator[None]:
    """Turn every way in which asyncpg fails into one of the two errors above.

    Args:
        address: of the database, as it may be shown.

    Raises:
        DatabaseLost: no answer; to be tried again later.
        DatabaseRefused: an answer, and it is no.
        Defect: never sent, its arguments don't fit the statement.
    """
    try:
        yield
    except asyncpg.InterfaceError as error:
        if "closed" not in str(error):
            raise Defect(f"a call of {address} that makes no sense: {error}") from error
        raise DatabaseLost(f"the connection to {address} is gone: {error}") from error
    except asyncpg.PostgresError as error:
        raise _from_server(error) from error
    except asyncpg.InternalClientError as error:
        raise DatabaseLost(f"the connection to {address} broke: {error}") from error
    except TimeoutError as error:
        raise DatabaseLost(f"{address} did not answer in time") from error
    except OSError as error:
        raise DatabaseLost(
            f"{address} can't be reached ({error}); is the server running? Its address is "
            "database.url (RUSY_DATABASE__URL)"
        ) from error
