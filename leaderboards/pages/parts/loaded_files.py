"""Files that pages load, made by other processes as far as the former ones cannot be taken over."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from leaderboards.pages.parts.kinds import LoadedFile
from leaderboards.write.former_pages import PageStamp
from leaderboards.write.processes import Workers
from leaderboards.write.rendering import Pages, Renderer
from leaderboards.write.score_reader import Stamps


def begin_loaded_files(
    files: Iterable[LoadedFile], results: Path, pages: Pages, workers: Workers, stamps: Stamps
) -> Callable[[], None]:
    """Begin to write the files; calling what is returned waits for the last. `results`: their folder."""
    missing: list[LoadedFile] = []
    digests: list[str] = []
    for file in files:
        made_of = pages.renderer.made_of(type(file).__name__, file.href, file.made_of(stamps))
        if not pages.take_file(file.href, made_of):
            missing.append(file)
            digests.append(made_of)
    write = partial(_write, renderer=pages.renderer, results=results)
    written = workers.map("writing answers", write, missing)

    def finish() -> None:
        for file, made_of, stamp in zip(missing, digests, written, strict=True):
            pages.wrote_file(file.href, made_of, stamp)

    return finish


def _write(files: Sequence[LoadedFile], *, renderer: Renderer, results: Path) -> list[PageStamp]:
    return [renderer.write_text(file.href, file.text(results)) for file in files]
