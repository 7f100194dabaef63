"""What requests are signed with: a secret (HMAC), or a private key (RSA, Ed25519)."""

from dataclasses import dataclass, field

from Crypto.PublicKey import ECC, RSA

from rusy_tui.domain.errors import ConfigurationError

_ED25519 = "Ed25519"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key and what signs with it; none of it shows in any text.

    Args:
        api_key: "" for public data alone.
        api_secret: for HMAC; without effect when there is a private key.
        private_key: RSA or Ed25519, as PEM text.
        private_key_password: of an encrypted private key.
    """

    api_key: str = field(repr=False)
    api_secret: str = field(default="", repr=False)
    private_key: str | None = field(default=None, repr=False)
    private_key_password: str | None = field(default=None, repr=False)


def private_key_of(
    credentials: Credentials,
) -> RSA.RsaKey | ECC.EccKey | None:
    """The private key to sign with, None where a secret signs.

    Raises:
        ConfigurationError: it is damaged, public, of another kind, or its password is wrong.
            The text holds nothing of the key.
    """
    pem, password = credentials.private_key, credentials.private_key_password
    if pem is None:
        return None
    key: RSA.RsaKey | ECC.EccKey | None = None
    for import_key in (RSA.import_key, ECC.import_key):
        try:
            key = import_key(pem, passphrase=password)
        except (ValueError, IndexError, TypeError):
            # Their texts quote what they read; which of the two fits is all we want to know.
            continue
        break
    if key is None:
        raise ConfigurationError(
            "RUSY_API_PRIVATE_KEY: the file holds no RSA or Ed25519 private key in PEM form, "
            "or it is encrypted and RUSY_API_PRIVATE_KEY_PASSWORD does not open it"
        )
    if not key.has_private():
        raise ConfigurationError(
            "RUSY_API_PRIVATE_KEY: the file holds a public key; name the private one, whose "
            "public half the exchange was given"
        )
    if isinstance(key, ECC.EccKey) and key.curve != _ED25519:
        raise ConfigurationError(
            f"RUSY_API_PRIVATE_KEY: the key is of the curve {key.curve}; the exchange takes "
            "RSA and Ed25519 keys"
        )
    return key
