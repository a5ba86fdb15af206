"""Simulates wrangler 4 and docker for deployments: an executable, strict about its words, with its state in a file.

`SIMULATED_ACCOUNT` names the file. A command in `faults` fails "before" it acts or "after" it has (its answer is lost);
"kill" ends whoever gave it, after it has acted.
"""

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

FILE = Path(os.environ["SIMULATED_ACCOUNT"])
STATE: dict[str, Any] = json.loads(FILE.read_text())
ACCOUNTS = [{"id": "acc1", "name": "One"}, {"id": "acc2", "name": "Two"}]


def fail(text: str, code: int | None = None) -> NoReturn:
    sys.stderr.write(f"✘ [ERROR] {text}{f' [code: {code}]' if code else ''}\n")
    sys.exit(1)


def say(value: Any) -> None:
    print(value if isinstance(value, str) else json.dumps(value, indent=2))


def config(path: str) -> dict[str, Any]:
    if not Path(path).is_file():
        fail(f"Could not read file: {path}")
    import tomllib  # on first use: most commands are over sooner

    return tomllib.loads(Path(path).read_text())


def database_of(path: str, name: str) -> str:
    (entry,) = config(path)["d1_databases"]
    if entry["database_name"] != name or STATE["databases"].get(name) != entry["database_id"]:
        fail(f"Couldn't find a D1 DB with the name or binding {name}", 7404)
    if not (Path(path).parent / entry["migrations_dir"]).is_dir():
        fail("No migrations present")
    return name


def whoami() -> None:
    if not STATE["logged_in"]:
        say({"loggedIn": False})
        sys.exit(1)
    say({"loggedIn": True, "authType": "OAuth Token", "email": "a@b.c", "accounts": ACCOUNTS[: STATE["accounts"]]})


def d1_create(name: str) -> None:
    if name in STATE["databases"]:
        fail(f"A database with that name already exists: {name}", 7502)
    STATE["databases"][name] = f"11111111-2222-3333-4444-{len(STATE['databases']):012d}"
    say(f"✅ Successfully created DB '{name}'")


def r2_info(name: str) -> None:
    if name not in STATE["buckets"]:
        fail("The specified bucket does not exist.", 10006)
    say({"name": name, "object_count": "0"})


def r2_create(name: str) -> None:
    if name in STATE["buckets"]:
        fail("The bucket you tried to create already exists, and you own it.", 10004)
    STATE["buckets"].append(name)


def migrate(name: str, path: str) -> None:
    STATE["migrated"] = database_of(path, name)


def deploy(path: str) -> None:
    found = config(path)
    (bucket,) = found["r2_buckets"]
    database_of(path, found["d1_databases"][0]["database_name"])
    if bucket["bucket_name"] not in STATE["buckets"]:
        fail(f"R2 bucket '{bucket['bucket_name']}' not found.", 10085)
    if {found["account_id"], found["vars"]["INVOKEAI_R2_ACCOUNT_ID"]} != {os.environ["CLOUDFLARE_ACCOUNT_ID"]}:
        fail("The Worker's account, or its bucket's, is another")
    if not (Path(path).parent / found["main"]).is_file() or not (Path(path).parent / "Dockerfile").is_file():
        fail("The entry-point file was not found.")
    STATE["workers"].setdefault(found["name"], {})
    STATE["deploys"] += 1


def secret_list(name: str) -> None:
    if name not in STATE["workers"]:
        fail("This Worker does not exist on your account.", 10007)
    say([{"name": secret, "type": "secret_text"} for secret in STATE["workers"][name]])


def secret_bulk(path: str) -> None:
    name = config(path)["name"]
    values = json.loads(sys.stdin.read())
    if name not in STATE["workers"]:
        fail("This Worker does not exist on your account.", 10007)
    if STATE["faults"].get("secret bulk") == "before":
        fail(f"The values {json.dumps(values)} were not accepted.")
    STATE["workers"][name] |= values


def pages_list() -> None:
    say([{"Project Name": n, "Project Domains": f"{STATE['domain']}, art.example"} for n in STATE["pages"]])


def pages_create(name: str) -> None:
    if name in STATE["pages"]:
        fail("A project with this name already exists.", 8000002)
    STATE["pages"][name] = 0


def pages_deploy() -> None:
    found = config("wrangler.toml")
    if found["name"] not in STATE["pages"]:
        fail("Project not found.", 8000007)
    if found["services"][0]["service"] not in STATE["workers"]:
        fail("Could not resolve service binding 'BACKEND'.", 8000023)
    if not (Path(found["pages_build_output_dir"]) / "index.html").is_file():
        fail("No such directory")
    STATE["pages"][found["name"]] += 1


COMMANDS = {
    r"whoami --json": whoami,
    r"d1 list --json": lambda: say([{"uuid": u, "name": n} for n, u in STATE["databases"].items()]),
    r"d1 create ([\w-]+)": d1_create,
    r"r2 bucket info ([\w-]+) --json": r2_info,
    r"r2 bucket create ([\w-]+)": r2_create,
    r"d1 migrations apply ([\w-]+) --remote --config (\S+)": migrate,
    r"deploy --config (\S+)": deploy,
    r"secret list --format json --name ([\w-]+)": secret_list,
    r"secret bulk --config (\S+)": secret_bulk,
    r"pages project list --json": pages_list,
    r"pages project create ([\w-]+) --production-branch main": pages_create,
    r"pages deploy --branch main --commit-dirty=true": pages_deploy,
    r"--version": lambda: say("4.86.0"),
    r"info": lambda: say("Server Version: 27"),  # docker's
}


def main() -> None:
    line = " ".join(sys.argv[1:])
    STATE["calls"].append(line)
    FILE.write_text(json.dumps(STATE))
    found = [(match, act) for pattern, act in COMMANDS.items() if (match := re.fullmatch(pattern, line))]
    if not found:
        fail(f"Unknown arguments: {line}")
    if not line.startswith(("whoami", "--version", "info")) and "CLOUDFLARE_ACCOUNT_ID" not in os.environ:
        fail("More than one account available but unable to select one in non-interactive mode.")
    if os.environ.get("CLOUDFLARE_ACCOUNT_ID", "acc1") not in [entry["id"] for entry in ACCOUNTS]:
        fail("Authentication error", 10000)
    when = next((kind for start, kind in STATE["faults"].items() if line.startswith(start)), None)
    if when == "before" and not line.startswith("secret bulk"):
        fail("A request to the Cloudflare API failed. internal error; reference = 0abc", 10001)
    ((match, act),) = found
    act(*match.groups())
    FILE.write_text(json.dumps(STATE))
    if when == "kill":
        os.kill(os.getppid(), signal.SIGKILL)
    if when == "after":
        fail("fetch failed")


main()
