"""`invokeai-cloud deploy` against a simulated account: made once, resumed anywhere, secrets nowhere."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.app.cloud_cli.account import R2, REPOSITORY, Account, token_in
from tests.cloud.d1_gateway import install_node_packages
from tests.cloud.wrangler_dev import OFFLINE

ACTS = (
    "d1 create",
    "r2 bucket create",
    "d1 migrations apply",
    "deploy",
    "secret bulk",
    "pages project create",
    "pages deploy",
)
LOOKS = ("whoami", "r2 bucket info", "secret list", "pages project list", "info")
STEP_OF = {
    "d1 create": "Database",
    "r2 bucket create": "Bucket",
    "r2 bucket info": "Bucket",
    "d1 migrations apply": "Migrations",
    "deploy": "Worker",
    "secret bulk": "Secrets",
    "secret list": "Secrets",
    "pages project create": "Pages project",
    "pages project list": "Pages project",
    "pages deploy": "Pages",
    "whoami": "Account",
    "info": "Tools",
}


def test_an_empty_account_gets_a_studio(account: Account) -> None:
    code, said = account.deploy()
    assert code == 0, said
    state = account.get()
    assert list(state["databases"]) == [state["migrated"]] == state["buckets"] == ["invokeai-cloud"]
    assert state["pages"] == {"invokeai-cloud-ui": 1}
    assert account.secrets() == R2 | {"ACCESS_TOKEN": token_in(said)}
    assert len(token_in(said)) >= 32
    assert f"The studio is at {account.address}" in said and account.studio.asked == ["/readyz"]
    assert not [call for call in state["calls"] for value in account.secrets().values() if value in call]
    assert not [value for value in R2.values() if value in said]
    written = tomllib.loads((account.project / "wrangler.account.toml").read_text())
    assert written["account_id"] == written["vars"]["INVOKEAI_R2_ACCOUNT_ID"] == "acc1"
    assert written["d1_databases"][0]["database_id"] == state["databases"]["invokeai-cloud"]
    assert (account.project / "wrangler.toml").read_text() == (REPOSITORY / "wrangler.toml").read_text()


def test_a_second_time_creates_nothing_and_deploys_again(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.deploy()
    for name in R2:
        monkeypatch.delenv(name)
    before = account.get()
    account.set(calls=[])
    code, said = account.deploy()
    after = account.get()
    assert code == 0, said
    assert {name: after[name] for name in ("databases", "buckets", "workers")} == {
        name: before[name] for name in ("databases", "buckets", "workers")
    }
    assert (after["deploys"], after["pages"]) == (2, {"invokeai-cloud-ui": 2})
    assert "shown this once" not in said
    assert not [call for call in after["calls"] if re.search(" create | bulk ", call)]


@pytest.mark.parametrize(
    "fault, when", [(fault, when) for fault in ACTS for when in ("before", "after")] + [(f, "before") for f in LOOKS]
)
def test_a_step_that_fails_is_named_and_the_next_run_goes_on(account: Account, fault: str, when: str) -> None:
    account.set(faults={fault: when})
    code, said = account.deploy()
    assert code == 2
    assert f"] {STEP_OF[fault]} failed." in said and "Traceback" not in said
    assert "fetch failed" in said or "internal error" in said or "were not accepted" in said
    assert not [value for value in R2.values() if value in said]
    assert ("--new-access-token" in said) is (fault == "secret bulk")
    account.set(faults={})
    code, said = account.deploy()
    state = account.get()
    assert code == 0, said
    assert (len(state["databases"]), len(state["buckets"]), list(state["pages"])) == (1, 1, ["invokeai-cloud-ui"])
    assert set(account.secrets()) == {*R2, "ACCESS_TOKEN"}
    creations = [call for call in state["calls"] if " create " in call]
    assert len(creations) == 3 + (when == "before" and " create" in fault)


def test_killed_after_every_step_it_goes_on_where_it_was(account: Account) -> None:
    for fault in ACTS:
        account.deploy_until_killed(fault)
    code, said = account.deploy()
    state = account.get()
    assert code == 0, said
    assert (len(state["databases"]), state["buckets"]) == (1, ["invokeai-cloud"])
    assert len([call for call in state["calls"] if " create " in call]) == 3
    assert set(account.secrets()) == {*R2, "ACCESS_TOKEN"}
    assert "shown this once" not in said and "lost? --new-access-token" in said
    code, said = account.deploy("--new-access-token")
    assert code == 0 and account.secrets()["ACCESS_TOKEN"] == token_in(said)
    assert "sign in with the access token above" in said


def test_the_real_wrangler_takes_every_command_line_of_the_simulated_one(account: Account) -> None:
    """With an address where nobody is: each must get as far as asking Cloudflare."""
    install_node_packages()
    account.deploy()
    lines = {call for call in account.get()["calls"] if not call.startswith(("--version", "info", "deploy"))}
    assert len(lines) == 11
    nobody = {"CLOUDFLARE_API_TOKEN": "x", "CLOUDFLARE_ACCOUNT_ID": "acc1", "CI": "1"}
    nobody |= {"CLOUDFLARE_API_BASE_URL": "http://127.0.0.1:1/client/v4", "XDG_CONFIG_HOME": str(account.project)}
    command, pipe = str(REPOSITORY / "frontend/node_modules/.bin/wrangler"), subprocess.PIPE
    running = {}
    for line in lines:
        where = account.project / "frontend" if line.startswith("pages") else account.project
        running[line] = subprocess.Popen(
            [command, *line.split()], cwd=where, env={**os.environ, **OFFLINE, **nobody}, stdin=pipe, stdout=pipe,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    for line, process in running.items():
        said, _ = process.communicate(json.dumps({"NAME": "value"}) if line.startswith("secret bulk") else "", 60)
        assert process.returncode and "fetch failed" in said and "nknown argument" not in said, f"{line}\n{said}"


def test_a_dry_run_says_what_is_missing_and_changes_nothing(account: Account) -> None:
    before = account.get()
    code, said = account.deploy("--dry-run")
    after = account.get()
    assert code == 0, said
    assert said.count(": + ") == 10
    assert "+ create the D1 database invokeai-cloud" in said and "Nothing was changed" in said
    assert {**after, "calls": []} == before
    assert not (account.project / "wrangler.account.toml").exists()
    assert not (account.project / "frontend" / "dist").exists()
    assert not [call for call in after["calls"] if call.startswith(ACTS)]
    account.deploy()
    assert account.deploy("--dry-run")[1].count(": + ") == 6  # what is done anew every time


def test_node_packages_are_installed_anew_when_their_list_has_changed(account: Account) -> None:
    account.deploy()
    account.deploy()
    said = account.project / "frontend" / "npm.log"
    assert said.read_text() == "ci --no-audit --no-fund\n"
    os.utime(account.project / "frontend" / "package-lock.json", (2e9, 2e9))
    account.deploy()
    assert said.read_text() == "ci --no-audit --no-fund\n" * 2


def test_a_studio_that_needs_time_is_asked_again(account: Account) -> None:
    account.studio.ails = ["starting", "starting"]
    code, said = account.deploy()
    assert code == 0 and account.studio.asked == ["/readyz"] * 3
    assert said.count("not yet") == 1 and "starting" in said


def test_a_studio_that_stays_ill_is_no_success(account: Account) -> None:
    account.studio.ails = ["refused the key"] * 1000
    code, said = account.deploy()
    assert code == 2 and "Answer failed" in said and "503" in said and "refused the key" in said
    assert "The studio is at" not in said and len(account.studio.asked) > 1


def test_without_the_token_only_the_worker_is_asked(account: Account) -> None:
    account.deploy()
    account.studio.ails, account.studio.asked = ["starting"], []
    code, said = account.deploy()
    assert code == 0 and account.studio.asked == ["/healthz"] and "container starts with the first visit" in said


def test_the_access_token_follows_no_redirect(account: Account) -> None:
    account.studio.elsewhere = f"{account.address}/elsewhere"
    code, said = account.deploy()
    assert code == 2 and "302" in said and set(account.studio.asked) == {"/readyz"}


def test_a_page_is_no_answer_of_the_studio(account: Account) -> None:
    account.studio.has_files_alone = True
    code, said = account.deploy()
    assert code == 2 and "not of the studio" in said


def test_an_address_where_nobody_answers_is_told(account: Account) -> None:
    account.set(domain="127.0.0.1:1")
    code, said = account.deploy()
    assert code == 2 and "Answer failed" in said and "refused" in said


def test_nobody_logged_in(account: Account) -> None:
    account.set(logged_in=False)
    code, said = account.deploy()
    assert code == 2 and "Account failed" in said and "wrangler login" in said
    assert account.get()["databases"] == {}


def test_one_of_several_accounts_has_to_be_chosen(account: Account) -> None:
    account.set(accounts=2)
    code, said = account.deploy()
    assert code == 2 and "--account" in said and "acc2" in said
    code, said = account.deploy("--account", "acc3")
    assert code == 2 and "acc3, which the login does not list" in said and "Database failed" in said
    assert account.get()["databases"] == {}
    code, said = account.deploy("--account", "acc2")
    assert code == 0, said
    assert '"acc2"' in (account.project / "wrangler.account.toml").read_text()


def test_an_account_that_the_login_may_not_list_is_taken_at_its_word(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.set(accounts=0)
    assert "0 accounts" in account.deploy()[1]
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "acc2")
    code, said = account.deploy()
    assert code == 0, said


@pytest.mark.parametrize("line", ['name = "{}"', 'bucket_name = "{}"', 'INVOKEAI_R2_BUCKET = "{}"'])
def test_a_name_that_was_changed_in_one_of_two_places_is_refused(account: Account, line: str) -> None:
    """Else the web UI would be bound to another studio's Worker, or pictures served from another studio's bucket."""
    account.replace("wrangler.toml", f"\n{line.format('invokeai-cloud')}", f"\n{line.format('second')}")
    code, said = account.deploy()
    assert code == 2 and "have to be the same" in said and "`second`" in said and "`invokeai-cloud`" in said
    assert account.get()["calls"] == []


def test_a_second_studio_of_an_account_leaves_the_first_alone(account: Account) -> None:
    account.deploy()
    first = account.get()
    account.replace("wrangler.toml", '"invokeai-cloud"', '"second"')
    account.replace("frontend/wrangler.toml", '"invokeai-cloud', '"second')
    code, said = account.deploy()
    assert code == 0, said
    second = account.get()
    assert list(second["workers"]) == second["buckets"] == list(second["databases"]) == ["invokeai-cloud", "second"]
    assert second["workers"]["invokeai-cloud"] == first["workers"]["invokeai-cloud"]
    assert second["pages"] == {"invokeai-cloud-ui": 1, "second-ui": 1}


def test_a_folder_without_the_project_is_refused(account: Account, tmp_path: Path) -> None:
    account.project = tmp_path
    code, said = account.deploy()
    assert code == 2 and "--project" in said
