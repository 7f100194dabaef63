"""Every error of Rusy, sorted by what must be done about it.

::

    RusyError                 exit code
    ├── ConfigurationError    2   the operator corrects a key
    ├── UsageError            2   the operator corrects the command
    ├── UnreachableError      3   exchange, database or engine did not answer
    ├── ModelError            1   a model version is refused
    ├── StorageError          1   the data directory or database is unusable
    ├── ExchangeError         1   the exchange answered a read with an error
    │   └── ExchangeRefusal   1   the account or key is not fit for trading
    └── Defect                1   our own bug: stop that trade and say so

Outcomes of order commands are values, not errors: see :mod:`rusy_tui.domain.order`.
"""


class RusyError(Exception):
    """An error whose text is meant for the operator: what, where, and the remedy."""

    exit_code = 1


class ConfigurationError(RusyError):
    """The configuration is wrong; the text lists every mistake."""

    exit_code = 2


class UsageError(RusyError):
    """The command can't be carried out as typed."""

    exit_code = 2


class UnreachableError(RusyError):
    """Something the command needs did not answer."""

    exit_code = 3


class ModelError(RusyError):
    """A model version is missing, damaged or made for other features."""


class StorageError(RusyError):
    """The data directory or the database can't be used."""


class ExchangeError(RusyError):
    """The exchange answered a read with an error, or not at all.

    Args:
        message: what was asked and what came back.
        code: the exchange's own error number; 0 when it gave none.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class ExchangeRefusal(ExchangeError):
    """The account or key is not fit for trading with Rusy; the text has the remedy."""


class Defect(RusyError):
    """A state that our own code must never reach."""
