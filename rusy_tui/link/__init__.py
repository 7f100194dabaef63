"""How a console, a command and an engine talk: one protocol over any stream of bytes."""
