"""How far a long command is: a bar on a terminal, a line for each tenth elsewhere."""

from typing import TextIO

BAR_CHARACTERS = 30


class Progress:
    """Draws one step after the other on a stream, never more often than its picture changes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar = stream.isatty()
        self._label = ""
        self._total = self._done = 0
        self._shown: int | None = None

    def start(self, label: str, total: int) -> None:
        """Begin a step of `total` parts."""
        self._label, self._total, self._done, self._shown = label, total, 0, None
        self._draw()

    def add(self, parts: int = 1) -> None:
        """So many parts more are done."""
        self._done += parts
        self._draw()

    def end(self) -> None:
        """The step is over."""
        if self._bar:
            self._stream.write("\n")
        self._stream.flush()

    def _draw(self) -> None:
        share = self._done / self._total if self._total else 1.0
        picture = int(min(share, 1) * (100 if self._bar else 10))
        if picture == self._shown:
            return
        self._shown = picture
        text = f"{self._label}: {self._done:,} of {self._total:,} ({share:.0%})"
        if self._bar:
            full = int(min(share, 1) * BAR_CHARACTERS)
            text = f"\r[{'#' * full}{'.' * (BAR_CHARACTERS - full)}] {text} "
        self._stream.write(text if self._bar else f"{text}\n")
        self._stream.flush()
