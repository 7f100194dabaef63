"""Everything Rusy remembers: the database, its embedded server, and one repository a
table group.

:class:`rusy_tui.store.store.Store` opens it all. Inside this package times are integers,
milliseconds since the epoch, and the database sees them as ``timestamptz``; they come from
the caller's clock, never from the server's.
"""
