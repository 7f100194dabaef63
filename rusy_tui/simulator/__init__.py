"""A simulated exchange: matching, account, markets, and a server that speaks its protocol.

It shares no wire format, field table or error table with :mod:`rusy_tui.exchange`.
"""
