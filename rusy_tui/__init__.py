"""Rusy: a terminal console that trades Binance USD-M perpetual futures."""

__version__ = "0.1.0"
