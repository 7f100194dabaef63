"""Where a database is, and how it may be shown."""

from typing import Any
from urllib.parse import urlsplit

import msgspec

from rusy_tui.domain.errors import ConfigurationError


class DatabaseAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A database to connect to: a Unix socket of our own server, or anybody's URL.

    Its text form has no password and may stand in logs and errors.
    """

    host: str = ""
    port: int = 5432
    user: str = ""
    database: str = ""
    url: str = ""

    @classmethod
    def of_url(cls, url: str) -> "DatabaseAddress":
        """The address that ``database.url`` names.

        Raises:
            ConfigurationError: it is no PostgreSQL URL. The text doesn't repeat the URL,
                which may hold a password.
        """
        scheme = urlsplit(url).scheme
        if scheme not in ("postgresql", "postgres"):
            raise ConfigurationError(
                "database.url must begin with postgresql://, for instance "
                "postgresql://rusy@localhost:5432/rusy"
            )
        return cls(url=url)

    def arguments(self) -> dict[str, Any]:
        """What ``asyncpg.connect`` takes."""
        if self.url:
            return {"dsn": self.url}
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "database": self.database,
        }

    def with_database(self, name: str) -> "DatabaseAddress":
        """The same server, another of its databases."""
        if not self.url:
            return msgspec.structs.replace(self, database=name)
        return msgspec.structs.replace(
            self, url=urlsplit(self.url)._replace(path=f"/{name}").geturl()
        )

    def __str__(self) -> str:
        if not self.url:
            return f"database {self.database} at {self.host}"
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"

    def __repr__(self) -> str:
        return f"DatabaseAddress({self})"
