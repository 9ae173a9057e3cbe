"""The settings from the environment: the model and the database."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_DELAY = 0.2  # s
LONGEST_DELAY = 60.0  # s


class SettingsError(ValueError):
    """A setting is invalid. The message says what must hold, what came, what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """If a URL is None, the demo serves a stand-in or does without."""

    openai_base_url: str | None = None
    openai_api_key: str = "stand-in"
    openai_model: str = "gpt-4o-mini"
    openai_embedding_model: str = "text-embedding-3-small"
    azure_endpoint: str | None = None
    azure_api_key: str = "stand-in"
    azure_deployment: str = "gpt-4o-mini"
    azure_api_version: str = "2024-10-21"
    database_url: str | None = None
    llm_delay: float = DEFAULT_DELAY  # s the stand-in takes to answer

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "Settings":
        """Read the variables named in VARIABLES.

        Raises:
            SettingsError: a value is invalid.
        """
        texts = {field: env[name] for name, field in VARIABLES.items() if env.get(name)}
        return cls(
            **texts,
            database_url=database_url(env.get("DATABASE_URL")),
            llm_delay=llm_delay(env.get("DEMO_LLM_DELAY")),
        )

    @property
    def needs_stand_in(self) -> bool:
        return self.openai_base_url is None or self.azure_endpoint is None


VARIABLES = {
    "OPENAI_BASE_URL": "openai_base_url",
    "OPENAI_API_KEY": "openai_api_key",
    "OPENAI_MODEL": "openai_model",
    "OPENAI_EMBEDDING_MODEL": "openai_embedding_model",
    "AZURE_OPENAI_ENDPOINT": "azure_endpoint",
    "AZURE_OPENAI_API_KEY": "azure_api_key",
    "AZURE_OPENAI_DEPLOYMENT": "azure_deployment",
    "OPENAI_API_VERSION": "azure_api_version",
}


def database_url(value: str | None) -> str | None:
    if not value:
        return None
    if not value.startswith(("postgresql://", "postgres://")):
        scheme = value.partition("://")[0]  # only this part: the rest may hold a password
        raise SettingsError(
            f"DATABASE_URL must start with postgresql://, got {scheme}://...: "
            "name a PostgreSQL database, or unset it to do without"
        )
    return value


def llm_delay(value: str | None) -> float:
    if not value:
        return DEFAULT_DELAY
    try:
        delay = float(value)
    except ValueError:
        delay = math.nan
    if not 0 <= delay <= LONGEST_DELAY:
        raise SettingsError(
            f"DEMO_LLM_DELAY must be seconds from 0 to {LONGEST_DELAY:g}, got {value!r}: "
            f"set such a number, or unset it for {DEFAULT_DELAY}"
        )
    return delay
