"""The API key and what signs with it: from the environment or ``.env`` alone, never printed."""

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from rusy_tui.config.environment import gather
from rusy_tui.config.errors import ConfigurationMistakesError, Mistake

KEY, SECRET = "RUSY_API_KEY", "RUSY_API_SECRET"
PRIVATE_KEY, PASSWORD = "RUSY_API_PRIVATE_KEY", "RUSY_API_PRIVATE_KEY_PASSWORD"

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What signs requests. Shown as stars in every text; ``get_secret_value()`` reveals.

    ``private_key`` is PEM text, RSA or Ed25519, and signs instead of ``api_secret``.
    """

    api_key: SecretStr | None = None
    api_secret: SecretStr | None = None
    private_key: SecretStr | None = None
    private_key_password: SecretStr | None = None

    @property
    def complete(self) -> bool:
        """Whether requests can be signed."""
        return self.api_key is not None and (
            self.api_secret is not None or self.private_key is not None
        )


def load_secrets(environ: Mapping[str, str], folder: Path) -> Secrets:
    """The secrets in the environment, else in the ``.env`` of a folder; none is not wrong.

    The private key is named by its file's path, a relative one from that folder. Spaces around
    a value are no part of it, those of the private key's password included. The password opens
    the private key's file alone: where no such file is named it is not used, and not wrong.

    Raises:
        ConfigurationMistakesError: one half of a pair is set without the other, or both a
            secret and a private key; or the private key's file can't be read, is no private
            key in PEM form, or can be read by others.
    """
    variables, mistakes = gather(environ, folder / ".env")
    found = {
        name: variables[name]
        for name in (KEY, SECRET, PRIVATE_KEY, PASSWORD)
        if name in variables
    }

    def mistake(name: str, problem: str, remedy: str) -> None:
        mistakes.append(
            Mistake(place=found[name].place, key="", problem=problem, remedy=remedy)
        )

    signs = SECRET in found or PRIVATE_KEY in found
    if KEY in found and not signs:
        mistake(
            KEY,
            f"sets one half of the key pair and not {SECRET}",
            f"Set {SECRET} as well, in the environment or in .env; or {PRIVATE_KEY}, the path "
            "of a private key, for an RSA or Ed25519 key.",
        )
    for name in (SECRET, PRIVATE_KEY):
        if name in found and KEY not in found:
            mistake(
                name,
                f"sets one half of the key pair and not {KEY}",
                f"Set {KEY} as well, in the environment or in .env.",
            )
    if SECRET in found and PRIVATE_KEY in found:
        mistake(
            PRIVATE_KEY,
            f"is set beside {SECRET}, and a key has one of them",
            f"Remove {SECRET} for an RSA or Ed25519 key, {PRIVATE_KEY} for an HMAC one.",
        )
    private_key = None
    if PRIVATE_KEY in found:
        try:
            private_key = _private_key(folder / Path(found[PRIVATE_KEY].value).expanduser())
        except _UnfitFileError as error:
            mistake(PRIVATE_KEY, error.problem, error.remedy)
    if mistakes:
        raise ConfigurationMistakesError(mistakes)

    def secret(name: str) -> SecretStr | None:
        return SecretStr(found[name].value.strip()) if name in found else None

    return Secrets(
        api_key=secret(KEY),
        api_secret=secret(SECRET),
        private_key=SecretStr(private_key) if private_key is not None else None,
        private_key_password=secret(PASSWORD),
    )


class _UnfitFileError(Exception):
    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


def _private_key(path: Path) -> str:
    """The text of a private key's file, which others must not be able to read."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise _UnfitFileError(
            f"names {path}, which can't be read: {error.strerror}",
            f"Set {PRIVATE_KEY} to the path of the private key that belongs to {KEY}.",
        ) from error
    except UnicodeDecodeError:
        text = ""
    if mode & _OTHERS:
        raise _UnfitFileError(
            f"names {path}, which others than its owner may use (mode {stat.S_IMODE(mode):o})",
            f"Make it its owner's alone: chmod 600 {path}",
        )
    # What kind of key it is, and whether the password opens it, its user finds out.
    if "PRIVATE KEY-----" not in text:
        raise _UnfitFileError(
            f"names {path}, which holds no private key in PEM form",
            "Name the file that begins with -----BEGIN PRIVATE KEY----- (or ENCRYPTED …); "
            "the public key is the one that the exchange was given.",
        )
    return text
