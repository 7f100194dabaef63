"""Reads ``configuration.yaml``, ``.env`` and the environment into typed settings.

Precedence, strongest first: the process's environment (``RUSY_<SECTION>__<KEY>``), the file
``.env`` beside the configuration, the configuration file, the default of the field.
"""

from rusy_tui.config.errors import ConfigurationMistakesError, Mistake, nearest
from rusy_tui.config.load import DEFAULT_FILE, default_settings, demo_settings, load
from rusy_tui.config.schema import dumps, fingerprint, loads
from rusy_tui.config.secrets import Secrets, load_secrets

__all__ = [
    "DEFAULT_FILE",
    "ConfigurationMistakesError",
    "Mistake",
    "Secrets",
    "default_settings",
    "demo_settings",
    "dumps",
    "fingerprint",
    "load",
    "load_secrets",
    "loads",
    "nearest",
]
