"""What a deployment consists of on Cloudflare: how each part is found, and how it is made.

Names come from the two wrangler.toml files. Ids of the account stand in a copy of the root one, never in the
repository's own. The access token is shown once, after it was set, and on a terminal alone: output may become a log.
"""

import os
import re
import secrets
import tomllib
from collections.abc import Callable, Sequence
from typing import Any

from invokeai.app.cloud_cli.first_answer import ALIVE, wait_for_answer
from invokeai.app.cloud_cli.wrangler import ToolFailed, Tools
from invokeai.app.services.config.config import PROVIDER_KEYS, AppConfig
from invokeai.app.services.shared.errors import InvalidInput

CONFIG = "wrangler.account.toml"
HEADER = "# Made by `invokeai-cloud deploy` from wrangler.toml, with the ids of one account. Changes belong there.\n"
LEAST_NODE = 20
ACCOUNT_VARIABLE = "CLOUDFLARE_ACCOUNT_ID"
R2_SECRETS = ("INVOKEAI_R2_ACCESS_KEY_ID", "INVOKEAI_R2_SECRET_ACCESS_KEY")
R2_KEY = (
    "In the dashboard open R2 > Manage API tokens, make a token with Object Read & Write on the bucket, and set "
    "INVOKEAI_R2_ACCESS_KEY_ID and INVOKEAI_R2_SECRET_ACCESS_KEY in the environment of this command."
)
ACCESS_TOKEN = re.compile(r"[!-~]{16,}")
"""The Worker opens with none shorter; a header carries no other characters."""
NO_TERMINAL = (
    "There is no terminal to show a new access token on. Set INVOKEAI_ACCESS_TOKEN in the environment of this command, "
    "or run it at a terminal."
)
PROVIDER_SETTINGS = [f"INVOKEAI_{name.upper()}" for name in AppConfig.model_fields if name.startswith("provider_")]
BRANCH = "main"
NO_SUCH_BUCKET = re.compile(r"\b10006\b|bucket does not exist", re.IGNORECASE)
NO_SUCH_WORKER = re.compile(r"\b10007\b|Worker .* not found|does not exist", re.IGNORECASE)


class Deployment:
    """One studio on one account.

    Raises:
        InvalidInput: the configuration names one part of the studio in two ways, or the environment has a wrong access
            token or half a key of the bucket.
    """

    def __init__(self, tools: Tools, say: Callable[[str], None]) -> None:
        self.tools = tools
        self.say = say
        self.wanted_account: str | None = None
        self.with_provider_keys = False
        self.new_access_token = False
        self.may_show_token = False
        self.given_access_token = os.environ.get("INVOKEAI_ACCESS_TOKEN", "").strip()
        if self.given_access_token and not ACCESS_TOKEN.fullmatch(self.given_access_token):
            raise InvalidInput("INVOKEAI_ACCESS_TOKEN must be 16 or more letters, digits and signs without spaces.")
        if len(_set_in_the_environment(R2_SECRETS)) == 1:
            raise InvalidInput(f"{' and '.join(R2_SECRETS)} are one key: set both in the environment, or none.")
        self.access_token: str | None = None
        self.patience = 0.0
        self.address = ""
        self.template = (tools.project / "wrangler.toml").read_text()
        root: dict[str, Any] = tomllib.loads(self.template)
        self.worker = str(root["name"])
        self.database = str(root["d1_databases"][0]["database_name"])
        self.bucket = str(root["r2_buckets"][0]["bucket_name"])
        pages: dict[str, Any] = tomllib.loads((tools.frontend / "wrangler.toml").read_text())
        self.pages = str(pages["name"])
        _must_agree("service in frontend/wrangler.toml", pages["services"][0]["service"], "name", self.worker)
        _must_agree("INVOKEAI_R2_BUCKET", root["vars"]["INVOKEAI_R2_BUCKET"], "bucket_name", self.bucket)
        self.config = tools.project / CONFIG
        self.account_id = ""
        self.database_id: str | None = None

    # Tools and account

    def check_tools(self) -> None:
        """Raises ToolFailed."""
        version = self.tools.run(["node", "--version"]).strip()
        if int(re.sub(r"\D.*", "", version.lstrip("v")) or 0) < LEAST_NODE:
            raise ToolFailed(f"node is {version}; {LEAST_NODE} or newer is needed.")
        wanted = self.tools.frontend / "package-lock.json"
        installed = self.tools.frontend / "node_modules" / ".package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
            self.tools.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=self.tools.frontend)
        self.tools.wrangler("--version")
        self.tools.run([self.tools.docker, "info"])

    def find_account(self) -> None:
        """Raises ToolFailed."""
        known = self.tools.wrangler_json("whoami", "--json")
        accounts = {str(account["id"]): str(account["name"]) for account in known.get("accounts", [])}
        wanted = self.wanted_account or os.environ.get(ACCOUNT_VARIABLE)
        if not wanted and len(accounts) != 1:
            names = "".join(f"\n  {account}  {name}" for account, name in accounts.items())
            raise ToolFailed(f"The login knows {len(accounts)} accounts; choose one with --account ID.{names}")
        self.account_id = wanted or next(iter(accounts))
        self.tools.use_account(self.account_id)
        # a token may work on an account that it may not list
        self.say(f"  account {accounts.get(self.account_id) or f'{self.account_id}, which the login does not list'}")

    # Database and bucket

    def look_for_database(self) -> str | None:
        found = [entry for entry in self.tools.wrangler_json("d1", "list", "--json") if entry["name"] == self.database]
        self.database_id = str(found[0]["uuid"]) if found else None
        return f"D1 database {self.database} is there" if found else None

    def create_database(self) -> None:
        self.tools.wrangler("d1", "create", self.database)
        if self.look_for_database() is None:
            raise ToolFailed(f"The database {self.database} was made, but the account does not list it.")

    def look_for_bucket(self) -> str | None:
        try:
            self.tools.wrangler("r2", "bucket", "info", self.bucket, "--json")
        except ToolFailed as failure:
            if NO_SUCH_BUCKET.search(str(failure)):
                return None
            raise
        return f"R2 bucket {self.bucket} is there"

    def create_bucket(self) -> None:
        self.tools.wrangler("r2", "bucket", "create", self.bucket)

    # Configuration

    def filled_in(self) -> str:
        """The root wrangler.toml with the ids of the account."""
        text = f'{HEADER}account_id = "{self.account_id}"\n{self.template}'
        for name, value in (("database_id", self.database_id), ("INVOKEAI_R2_ACCOUNT_ID", self.account_id)):
            text, count = re.subn(rf'^({name} = )"[^"]*"', rf'\g<1>"{value}"', text, flags=re.MULTILINE)
            if count != 1:
                raise ToolFailed(f"wrangler.toml holds {count} lines `{name} = …` instead of one.")
        return text

    def look_at_config(self) -> str | None:
        if self.database_id is None or not self.config.exists() or self.config.read_text() != self.filled_in():
            return None
        return f"{self.config.name} is up to date"

    def write_config(self) -> None:
        try:
            self.config.write_text(self.filled_in())
        except OSError as error:
            raise ToolFailed(f"{self.config} cannot be written: {error.strerror}.") from None

    # Worker

    def migrate(self) -> None:
        self.tools.wrangler("d1", "migrations", "apply", self.database, "--remote", "--config", self.config, shown=True)

    def deploy_worker(self) -> None:
        self.tools.wrangler("deploy", "--config", self.config, shown=True)

    def look_for_secrets(self) -> str | None:
        if self.new_access_token or self._given_secrets() or self._missing_secrets():
            return None
        return "all are set"

    def set_secrets(self) -> None:
        """All at once, as each change replaces the server; also where one is missing. Raises ToolFailed."""
        missing = self._missing_secrets()
        values = self._given_secrets()
        needs_token = "ACCESS_TOKEN" not in values and (self.new_access_token or "ACCESS_TOKEN" in missing)
        if needs_token and self.may_show_token:
            values["ACCESS_TOKEN"] = secrets.token_urlsafe(24)
        if values:
            self._put_secrets(values)
        left = [name for name in R2_SECRETS if name in missing and name not in values]
        if left:
            raise ToolFailed(f"The server cannot open its bucket without the secret {' and '.join(left)}. {R2_KEY}")
        if needs_token and not self.may_show_token:
            raise ToolFailed(NO_TERMINAL)

    def _put_secrets(self, values: dict[str, str]) -> None:
        token = values.get("ACCESS_TOKEN")
        is_new = token is not None and token != self.given_access_token
        try:
            self.tools.put_secrets(self.config, values)
        except ToolFailed as failure:
            lost = "Nobody has seen the access token: should it have been set, repeat with --new-access-token."
            raise ToolFailed(f"{failure}\n{lost}" if is_new else str(failure)) from None
        self.say(f"  set {', '.join(sorted(values))}")
        self.access_token, self.new_access_token = token, False
        if is_new:
            self.say(f"  The access token, shown this once, keep it safe: {token}")

    def _given_secrets(self) -> dict[str, str]:
        """Those of this environment. What they were before cannot be read, so they are set every time."""
        values = _set_in_the_environment(R2_SECRETS)
        if self.given_access_token:
            values["ACCESS_TOKEN"] = self.given_access_token
        return values | (self._provider_secrets() if self.with_provider_keys else {})

    def _missing_secrets(self) -> list[str]:
        try:
            listed = self.tools.wrangler_json("secret", "list", "--format", "json", "--name", self.worker)
        except ToolFailed as failure:
            if not NO_SUCH_WORKER.search(str(failure)):
                raise
            listed = []
        there = {str(entry["name"]) for entry in listed}
        return [name for name in ("ACCESS_TOKEN", *R2_SECRETS) if name not in there]

    def _provider_secrets(self) -> dict[str, str]:
        """Keys of providers in this environment, and what the server needs beside them."""
        found = _set_in_the_environment((*PROVIDER_KEYS.values(), *PROVIDER_SETTINGS))
        if PROVIDER_KEYS["workers_ai"] in found:
            found[ACCOUNT_VARIABLE] = os.environ.get(ACCOUNT_VARIABLE) or self.account_id
        return found

    # Web UI

    def build_ui(self) -> None:
        self.tools.run(["make", "frontend"], shown=True)
        if not (self.tools.frontend / "dist" / "index.html").is_file():
            raise ToolFailed("`make frontend` has left no frontend/dist/index.html.")

    def look_for_pages(self) -> str | None:
        return f"{self.pages} is there" if self._pages_domains() else None

    def create_pages(self) -> None:
        self.tools.wrangler("pages", "project", "create", self.pages, "--production-branch", BRANCH)

    def deploy_pages(self) -> None:
        words = ("pages", "deploy", "--branch", BRANCH, "--commit-dirty=true")
        self.tools.wrangler(*words, cwd=self.tools.frontend, shown=True)

    def wait_for_answer(self) -> None:
        """Raises ToolFailed."""
        domains = self._pages_domains()
        if not domains:
            raise ToolFailed(f"The account does not list the Pages project {self.pages}.")
        self.address = f"https://{domains[0]}"
        asked = wait_for_answer(self.address, self.access_token, self.patience, self.say)
        if asked == ALIVE:
            self.say(
                "  The Worker answers. Its container starts with the first visit; a new image may take some minutes."
            )

    def _pages_domains(self) -> list[str]:
        """Addresses of the Pages project, Cloudflare's own first; none while there is no project."""
        for entry in self.tools.wrangler_json("pages", "project", "list", "--json"):
            if entry["Project Name"] == self.pages:
                return [domain.strip() for domain in str(entry["Project Domains"]).split(",")]
        return []


def _set_in_the_environment(names: Sequence[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _must_agree(place: str, found: str, other_place: str, wanted: str) -> None:
    """What wrangler wants said twice has to be said the same: another studio of the account may have the other name."""
    if found != wanted:
        raise InvalidInput(
            f"{place} is `{found}`, but {other_place} in wrangler.toml is `{wanted}`: both have to be the same."
        )
