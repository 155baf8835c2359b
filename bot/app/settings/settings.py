"""The settings: one TOML file, and the environment, which takes precedence.

Every mistake becomes one sentence that names its place, the key and a remedy: the reader wants to
start the bot, not to read a traceback.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from bot.app.settings import mistakes
from bot.app.settings.budgets import BudgetSettings
from bot.app.settings.forges import ForgeSettings, GitHubSettings, GitLabSettings
from bot.app.settings.gateway import Models, NetworkSettings
from bot.app.settings.limits import LimitsSettings, SandboxSettings
from bot.app.settings.sections import (
    Agents,
    CommentsSettings,
    DataSettings,
    GitSettings,
    LabelsSettings,
    QueueSettings,
    RepositoriesSettings,
    ServerSettings,
    StoreSettings,
    TlsSettings,
)
from bot.app.settings.source import PREFIX, LedgerPlace, content, find, read, store_url

_PATHS = {f"{PREFIX}tls__ca_file".lower()}  # variables whose value is the path itself


class Settings(BaseSettings):
    """The whole configuration. Build it with `load`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        enable_decoding=False,  # in the environment a list is text with separators, not JSON
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    queue: QueueSettings = QueueSettings()
    data: DataSettings = Field(default_factory=DataSettings)  # made anew: it looks into the working folder
    tls: TlsSettings = TlsSettings()
    github: GitHubSettings = GitHubSettings()
    gitlab: GitLabSettings = GitLabSettings()
    labels: LabelsSettings = LabelsSettings()
    comments: CommentsSettings = CommentsSettings()
    git: GitSettings = GitSettings()
    sandbox: SandboxSettings = SandboxSettings()
    agents: Agents = {}
    models: Models = {}
    budget: BudgetSettings = BudgetSettings()
    network: NetworkSettings = NetworkSettings()
    limits: LimitsSettings = LimitsSettings()
    repositories: RepositoriesSettings = RepositoriesSettings()

    _file: Path | None = PrivateAttr(None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_others: PydanticBaseSettingsSource,
        **_named: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment before `init_settings`, which are those of the file."""
        return _Environment(settings_cls), init_settings

    def again(self) -> "Settings":
        """Read the same file again, and the environment. Raises BadSettings."""
        return load(self._file)

    @property
    def store_url(self) -> str:
        """URL of the ledger's database."""
        return store_url(self.data.path, self.store.url.get_secret_value())

    @property
    def ledger_place(self) -> LedgerPlace:
        """The data folder and the ledger, for commands that only read them."""
        return LedgerPlace(self.data.path, self.store_url)

    @property
    def forges(self) -> dict[str, ForgeSettings]:
        """The sections of the forges, by name."""
        sections = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: section for name, section in sections.items() if isinstance(section, ForgeSettings)}

    @property
    def secrets(self) -> list[str]:
        """Texts that must never be shown: credentials, also the passwords in URLs."""
        forges = [secret for section in self.forges.values() for secret in section.secrets]
        models = plain(model.key for model in self.models.values())
        passwords = [urlsplit(url.get_secret_value()).password for url in (self.store.url, self.queue.url)]
        every = [*forges, *plain([self.server.operator_token]), *models, *passwords]
        return [text for text in every if text]

    def address(self, port: int | None = None) -> str:
        """Return the bot's public address without a slash at its end. `port` replaces the configured one."""
        host = f"[{self.server.host}]" if ":" in self.server.host else self.server.host
        return self.server.public_url.rstrip("/") or f"http://{host}:{port or self.server.port}"


class _Environment(EnvSettingsSource):
    """The environment. A variable `..._FILE` names a file with the value."""

    def __call__(self) -> dict[str, Any]:
        values = super().__call__()
        for section, keys in values.items():
            _read_files(f"{PREFIX}{section}", keys)
        return values


def _read_files(name: str, values: Any) -> None:
    """Replace each key `..._file` in `values`, at any depth, by the content of the file it names."""
    for key in list(values) if isinstance(values, dict) else ():
        inner = f"{name}__{key}"
        if key.endswith("_file") and inner.lower() not in _PATHS:
            values[key.removesuffix("_file")] = content(inner.upper(), values.pop(key))
        else:
            _read_files(inner, values[key])


def plain(secrets: Iterable[SecretStr]) -> list[str]:
    """Return the secrets as text."""
    return [secret.get_secret_value() for secret in secrets]


def load(path: Path | None = None) -> Settings:
    """Read this file, else the first that exists: in the working folder, then in /etc/forgehand.

    The environment of the process takes precedence over the file. Raises BadSettings.
    """
    file = find(path)
    values = read(file) if file else {}
    error = None
    try:
        settings = Settings(**values)
    except ValidationError as invalid:
        error = invalid
    mistakes.refuse(Settings, file, error)
    settings._file = file
    return settings
