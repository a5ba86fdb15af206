"""`invokeai-cloud deploy`: the whole studio on a Cloudflare account.

The command may be stopped anywhere and repeated at any time: what exists is not made again, what runs is deployed anew.
Nothing is ever deleted. A step that fails is named with its remedy; the steps before it stay done.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import invokeai
from invokeai.app.cloud_cli.deployment import Deployment
from invokeai.app.cloud_cli.wrangler import ToolFailed, Tools
from invokeai.app.services.shared.errors import InvalidInput, ServiceError

LOG_IN = "Run `npx wrangler login` in frontend/, or set CLOUDFLARE_API_TOKEN to a token that may edit these things."
TOOLS = "Install Node 20 or newer (https://nodejs.org) and docker (https://docs.docker.com/engine), and start docker."
SECRETS = f"Secrets that were set stay set. Where they were not accepted: {LOG_IN}"
ANSWER = (
    "A first image and a new address may need longer: ask `/readyz` there again with `Authorization: Bearer <access "
    "token>`. `wrangler tail --config wrangler.account.toml` in the checkout shows what the server says."
)


class StepFailed(ServiceError):
    """A step of the deployment failed; the message names it, what was said and what helps."""


@dataclass(frozen=True)
class Step:
    """`look` says what is there, or None where `act` has to do `plan`; a step without `look` acts every time."""

    title: str
    plan: str
    act: Callable[[], None]
    remedy: str
    look: Callable[[], str | None] = lambda: None
    needed_for_plan: bool = False
    """Acts in a dry run too: it changes nothing, and later steps ask it."""


def add_deploy_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's options."""
    deploy = commands.add_parser("deploy", help="put the studio on a Cloudflare account, or bring it up to date")
    deploy.add_argument("--dry-run", action="store_true", help="say what would be done, change nothing")
    deploy.add_argument("--account", help="id of the account, where the login knows several")
    deploy.add_argument(
        "--provider-keys",
        action="store_true",
        help="set the provider keys of this environment as secrets too, and its INVOKEAI_PROVIDER_… settings",
    )
    deploy.add_argument(
        "--new-access-token",
        action="store_true",
        help="replace the access token by a new one; to choose it: INVOKEAI_ACCESS_TOKEN",
    )
    deploy.add_argument(
        "--patience", type=float, default=300, metavar="SECONDS", help="how long the studio may take to answer (300)"
    )
    deploy.add_argument("--project", type=Path, help="folder of the root wrangler.toml (default: this checkout)")
    deploy.add_argument("--wrangler", type=Path, help="wrangler to use (default: that of frontend/package.json)")
    deploy.set_defaults(command=_deploy)


async def _deploy(options: argparse.Namespace) -> int:
    project: Path = (options.project or Path(invokeai.__file__).parents[1]).resolve()
    if not (project / "wrangler.toml").is_file() or not (project / "frontend" / "wrangler.toml").is_file():
        raise InvalidInput(
            f"There is no wrangler.toml in {project}: deploy from a checkout, or name it with --project."
        )
    deployment = Deployment(Tools(project, options.wrangler and options.wrangler.resolve()), _say)
    deployment.wanted_account = options.account
    deployment.with_provider_keys = options.provider_keys
    deployment.new_access_token = options.new_access_token
    deployment.patience = options.patience
    deployment.may_show_token = sys.stdout.isatty()
    steps = steps_of(deployment)
    for number, step in enumerate(steps, 1):
        _take(step, f"[{number}/{len(steps)}] {step.title}", options.dry_run)
    if options.dry_run:
        _say("Nothing was changed. Without --dry-run the steps marked with + are done.")
    else:
        _say(f"The studio is at {deployment.address} — open it and sign in with {_which_token(deployment)}.")
    return 0


def _which_token(deployment: Deployment) -> str:
    if deployment.given_access_token:
        return "the access token of INVOKEAI_ACCESS_TOKEN"
    return "the access token above" if deployment.access_token else "its access token (lost? --new-access-token)"


def _take(step: Step, heading: str, dry_run: bool) -> None:
    try:
        there = step.look()
        if there is not None:
            _say(f"{heading}: {there}")
            return
        if dry_run and not step.needed_for_plan:
            _say(f"{heading}: + {step.plan}")
            return
        _say(f"{heading}: {step.plan} …")
        step.act()
    except ToolFailed as failure:
        raise StepFailed(
            f"{heading} failed.\n{failure}\n{step.remedy}\nThe steps before it are done; the same command goes on here."
        ) from None


def steps_of(it: Deployment) -> list[Step]:
    """The deployment in order: what others need comes first, what visitors see comes last."""
    edit = f"The account's token may lack a permission. {LOG_IN}"
    return [
        Step("Tools", "check node, wrangler and docker", it.check_tools, TOOLS, needed_for_plan=True),
        Step("Account", "ask who is logged in", it.find_account, LOG_IN, needed_for_plan=True),
        Step("Database", f"create the D1 database {it.database}", it.create_database, edit, it.look_for_database),
        Step(
            "Bucket",
            f"create the R2 bucket {it.bucket}",
            it.create_bucket,
            f"R2 has to be switched on once in the dashboard (R2 > Overview). {edit}",
            it.look_for_bucket,
        ),
        Step("Configuration", f"write {it.config.name}", it.write_config, "Is the folder writable?", it.look_at_config),
        Step(
            "Migrations",
            "apply those that the database lacks",
            it.migrate,
            "A migration that failed was taken back; those before it stay. See what wrangler said above.",
        ),
        Step(
            "Worker",
            f"build the image and deploy the Worker {it.worker}",
            it.deploy_worker,
            "See what wrangler said above. Containers need the Workers Paid plan, and a docker that runs.",
        ),
        Step(
            "Secrets", "set those that are missing or in this environment", it.set_secrets, SECRETS, it.look_for_secrets
        ),
        Step("Web UI", "build frontend/dist", it.build_ui, "See what make said above; `make frontend` shows it alone."),
        Step("Pages project", f"create {it.pages}", it.create_pages, edit, it.look_for_pages),
        Step("Pages", f"deploy the web UI to {it.pages}", it.deploy_pages, "See what wrangler said above."),
        Step("Answer", "ask the studio whether it is well", it.wait_for_answer, ANSWER),
    ]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
