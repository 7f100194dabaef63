"""The private key named in the environment: read, judged, and shown nowhere."""

from pathlib import Path

import pytest

from rusy_tui.config import ConfigurationMistakesError, load_secrets

PEM = "-----BEGIN PRIVATE KEY-----\nhunter2hunter2\n-----END PRIVATE KEY-----\n"


def written(folder: Path, text: str = PEM, mode: int = 0o600) -> Path:
    path = folder / "key.pem"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_private_key_is_read_and_hides(tmp_path: Path) -> None:
    path = written(tmp_path)
    for name in (str(path), path.name):  # relative: from the folder of the configuration
        secrets = load_secrets(
            {
                "RUSY_API_KEY": "k",
                "RUSY_API_PRIVATE_KEY": name,
                "RUSY_API_PRIVATE_KEY_PASSWORD": "open sesame",
            },
            tmp_path,
        )
        assert secrets.complete
        assert secrets.private_key is not None
        assert secrets.private_key.get_secret_value() == PEM
        for hidden in ("hunter2", "sesame"):
            assert hidden not in f"{secrets!r} {secrets!s}"


def test_a_password_is_without_the_spaces_around_it_and_alone_is_not_wrong(
    tmp_path: Path,
) -> None:
    named = {"RUSY_API_KEY": "k", "RUSY_API_PRIVATE_KEY_PASSWORD": " open sesame "}
    secrets = load_secrets({**named, "RUSY_API_PRIVATE_KEY": str(written(tmp_path))}, tmp_path)
    assert secrets.private_key_password is not None
    assert secrets.private_key_password.get_secret_value() == "open sesame"
    hmac = load_secrets({**named, "RUSY_API_SECRET": "s"}, tmp_path)
    assert hmac.complete
    assert hmac.private_key is None


@pytest.mark.parametrize(
    ("environ", "text", "mode", "says", "remedy"),
    [
        ({}, None, 0o600, "can't be read: No such file", "path of the private key"),
        ({}, PEM, 0o640, "others than its owner may use (mode 640)", "chmod 600"),
        ({}, "-----BEGIN PUBLIC KEY-----\n", 0o600, "no private key in PEM", "Name the file"),
        ({}, "\x00", 0o600, "no private key in PEM", "Name the file"),
        ({"RUSY_API_SECRET": "hunter2"}, PEM, 0o600, "beside RUSY_API_SECRET", "Remove"),
        ({"RUSY_API_KEY": ""}, PEM, 0o600, "not RUSY_API_KEY", "Set RUSY_API_KEY"),
    ],
)
def test_what_is_no_usable_private_key_is_a_mistake(
    tmp_path: Path, environ: dict[str, str], text: str | None, mode: int, says: str, remedy: str
) -> None:
    path = written(tmp_path, text, mode) if text is not None else tmp_path / "none.pem"
    with pytest.raises(ConfigurationMistakesError) as caught:
        load_secrets(
            {"RUSY_API_KEY": "k", "RUSY_API_PRIVATE_KEY": str(path)} | environ, tmp_path
        )
    assert says in str(caught.value)
    assert remedy in str(caught.value)
    assert "hunter2" not in str(caught.value)
