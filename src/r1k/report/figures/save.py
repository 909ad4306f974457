"""Write a figure's files: the pictures, the CSV of its numbers, and the manifest."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from r1k.files import atomic_write, file_digests, write_texts
from r1k.provenance import Stopwatch, write_manifest
from r1k.report.figures.style import style
from r1k.report.writers import csv_text


@dataclass(frozen=True)
class FigureFiles:
    """Where a figure and its numbers are written, and the inputs and clock for its manifest."""

    stage: str
    inputs: Mapping[str, Path | Sequence[Path]]
    png: Path
    pdf: Path
    csv: Path | None
    watch: Stopwatch

    def save(self, figure: Figure, rows: Sequence[dict[str, Any]] = (), **facts: Any) -> None:
        """Write the CSV (`rows`), the pictures and the manifest, whose facts are `facts` and the files' digests."""
        if self.csv:
            write_texts({self.csv: csv_text(rows)})
        save_pictures(figure, png=self.png, pdf=self.pdf)
        files = file_digests(path for path in (self.png, self.pdf, self.csv) if path)
        write_manifest(self.png, self.stage, self.inputs, self.watch, files=files, **facts)


@contextmanager
def figure_files(
    stage: str, inputs: Mapping[str, Path | Sequence[Path]], *, png: Path, pdf: Path, csv: Path | None = None
) -> Iterator[FigureFiles]:
    """Yield the files to save a figure to; inside the block, matplotlib draws in the study's style.

    The manifest's duration starts here, so the block also reads the inputs.
    """
    watch = Stopwatch()
    with style():
        yield FigureFiles(stage, inputs, png, pdf, csv, watch)


def save_pictures(figure: Figure, *, png: Path, pdf: Path | None = None) -> None:
    """Write a figure as PNG, and as PDF if `pdf` is given; the bytes hold no date and no version."""
    with atomic_write(png, "wb") as handle:
        handle.write(png_bytes(figure))
    if pdf:
        with atomic_write(pdf, "wb") as handle:
            figure.savefig(handle, format="pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None})


def png_bytes(figure: Figure) -> bytes:
    """Return a figure as PNG, without the version of matplotlib in it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
