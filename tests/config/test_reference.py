"""The reference says what the program reads."""

from pathlib import Path

from tools.configuration_reference import reference


def test_the_reference_is_up_to_date(root: Path) -> None:
    written = (root / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == reference(), "type: make reference"
