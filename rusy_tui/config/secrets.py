"""The API key and its secret: from the environment or ``.env`` alone, never printed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from rusy_tui.config.environment import gather
from rusy_tui.config.errors import ConfigurationMistakesError, Mistake, Place

KEY, SECRET = "RUSY_API_KEY", "RUSY_API_SECRET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What signs requests. Shown as stars in every text; ``get_secret_value()`` reveals."""

    api_key: SecretStr | None = None
    api_secret: SecretStr | None = None

    @property
    def complete(self) -> bool:
        """Whether requests can be signed."""
        return self.api_key is not None and self.api_secret is not None


def load_secrets(environ: Mapping[str, str], folder: Path) -> Secrets:
    """The secrets in the environment, else in the ``.env`` of a folder; none is not wrong.

    Raises:
        ConfigurationMistakesError: one of the two is set without the other.
    """
    variables, mistakes = gather(environ, folder / ".env")
    key, secret = variables.get(KEY), variables.get(SECRET)
    for here, there, name in ((key, secret, SECRET), (secret, key, KEY)):
        if here is not None and there is None:
            mistakes.append(
                Mistake(
                    place=Place(source=here.place.source, line=here.place.line),
                    key="",
                    problem=f"sets one half of the key pair and not {name}",
                    remedy=f"Set {name} as well, in the environment or in .env.",
                )
            )
    if mistakes:
        raise ConfigurationMistakesError(mistakes)
    return Secrets(
        api_key=SecretStr(key.value.strip()) if key else None,
        api_secret=SecretStr(secret.value.strip()) if secret else None,
    )
