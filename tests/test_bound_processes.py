"""What a test process has started does not outlive it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import bound_processes
from tests.bound_processes import began_at, start_bound

REPOSITORY = Path(__file__).parents[1]
STUBBORN = "start_bound(['sh', '-c', 'trap \"\" TERM; (trap \"\" TERM; sleep 1000) & wait']).pid"
GATEWAY = "D1Gateway(databases=1)._process.pid"
TEST_PROCESS = """
import sys
from tests.bound_processes import start_bound
from tests.cloud.d1_gateway import D1Gateway

print({leader}, flush=True)
sys.stdin.read()
"""


def group_of(leader: int) -> list[str]:
    """Names of the processes of a session that still run."""
    names = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, _, session = rest.split()[:4]
        if int(session) == leader and state not in "ZX":
            names.append(name)
    return names


@pytest.mark.parametrize(
    ("leader", "members", "end"),
    [
        pytest.param(STUBBORN, {"sh", "sleep"}, signal.SIGKILL, id="killed"),
        pytest.param(STUBBORN, {"sh", "sleep"}, signal.SIGINT, id="interrupted"),
        pytest.param(GATEWAY, {"node", "workerd"}, signal.SIGKILL, id="killed-with-workerd"),
    ],
)
def test_a_group_ends_with_the_test_process(leader: str, members: set[str], end: signal.Signals) -> None:
    command = [sys.executable, "-c", TEST_PROCESS.format(leader=leader)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=REPOSITORY, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    group = int(process.stdout.readline())
    deadline = time.monotonic() + 20
    while not members <= set(group_of(group)):
        assert time.monotonic() < deadline, group_of(group)
        time.sleep(0.01)
    process.send_signal(end)
    process.communicate()
    while group_of(group):
        assert time.monotonic() < deadline + 20, group_of(group)
        time.sleep(0.01)


def test_a_process_that_has_got_the_id_of_an_ended_group_is_left_alone() -> None:
    process = start_bound(["sleep", "1000"])
    began = began_at(process.pid)
    assert began is not None
    guard = [sys.executable, "-IS", bound_processes.__file__]
    subprocess.run(guard, input=f"{process.pid} {began - 1}\n", text=True, check=True)
    assert process.poll() is None
    subprocess.run(guard, input=f"{process.pid} {began}\n", text=True, check=True)
    assert process.wait(20) == -signal.SIGKILL
