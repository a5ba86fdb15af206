"""How far a command is, on a terminal and in a log."""

import io

from invokeai.app.services.library_moves.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(stream: io.StringIO, total: int) -> str:
    progress = Progress(stream)
    progress.start("files", total)
    for _ in range(total):
        progress.add()
    progress.end()
    return stream.getvalue()


def test_a_terminal_shows_one_bar() -> None:
    said = run(Terminal(), 1_000)
    assert said.startswith("\r[" + "." * 30 + "] files: 0 of 1,000 (0%)")
    assert said.endswith("\r[" + "#" * 30 + "] files: 1,000 of 1,000 (100%) \n")
    assert (said.count("\r"), said.count("\n")) == (101, 1)


def test_a_log_gets_a_line_for_each_tenth() -> None:
    lines = run(io.StringIO(), 1_000).splitlines()
    assert (len(lines), lines[5]) == (11, "files: 500 of 1,000 (50%)")


def test_nothing_to_do_is_done() -> None:
    assert run(io.StringIO(), 0) == "files: 0 of 0 (100%)\n"
