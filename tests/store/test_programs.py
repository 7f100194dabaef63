"""What the server's programs say, as an operator reads it."""

from rusy_tui.store.programs import last_lines

_FULL_DISK = """
LOG:  starting PostgreSQL 18.6
FATAL:  could not write to file "pg_wal/xlogtemp.7": No space left on device
LOG:  startup process (PID 7) exited with exit code 1
LOG:  terminating any other active server processes
LOG:  shutting down due to startup process failure
LOG:  database system is shut down
"""


def test_what_a_server_died_of_is_told_before_how_it_went_down() -> None:
    assert last_lines(_FULL_DISK, 2) == (
        'FATAL:  could not write to file "pg_wal/xlogtemp.7": No space left on device / '
        "LOG:  shutting down due to startup process failure / "
        "LOG:  database system is shut down"
    )


def test_else_its_last_words() -> None:
    assert last_lines("one\n\n two\nthree\nfour\nfive\n", 2) == "four / five"
    assert last_lines("\n") == "it said nothing"
