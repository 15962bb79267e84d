"""The pages of all runs: most of the pages of a site, each made from its own run alone, in any process."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from harness.records.result import Result
from leaderboards.gathered import Site
from leaderboards.pages.parts.heads import model_names
from leaderboards.pages.run_page.run import Surroundings, run_page
from leaderboards.write.former_pages import PageStamp
from leaderboards.write.processes import Workers
from leaderboards.write.rendering import Pages, Renderer, as_bytes, digest_of
from leaderboards.write.score_reader import Stamps

TEMPLATE = "run.html"


class RunJob(NamedTuple):
    """A page to be written."""

    href: str
    made_of: str
    result: Result
    members: tuple[Result, ...]


def begin_run_pages(site: Site, pages: Pages, workers: Workers, stamps: Stamps) -> Callable[[], None]:
    """Begin to write the pages of all runs, as far as the former ones cannot be taken over; calling what is
    returned waits for the last.
    """
    around = Surroundings(site.folder, site.prices, frozenset(model_names(site)), frozenset(site.table.tasks))
    jobs = [
        job for job in _jobs(site, pages.renderer, around, stamps) if not pages.take(job.href, job.made_of)
    ]
    write = partial(_write, renderer=pages.renderer, around=around)
    written = workers.map("writing pages of runs", write, jobs)

    def finish() -> None:
        for job, stamp in zip(jobs, written, strict=True):
            pages.wrote(job.href, job.made_of, stamp)

    return finish


def _jobs(site: Site, renderer: Renderer, around: Surroundings, stamps: Stamps) -> Iterator[RunJob]:
    prices = digest_of(as_bytes(site.prices))
    for result in site.results:
        members = tuple(site.ledger.runs.members(result))
        href = site.run_hrefs[result.key]
        linked = result.run.candidate.name in around.models, result.run.task in around.tasks
        records = [stamps.digests[source.key] for source in (result, *members)]
        made_of = f"{prices} {records} {stamps.of(result.run.place)} {linked}".encode()
        yield RunJob(href, renderer.made_of(TEMPLATE, href, made_of), result, members)


def _write(jobs: Sequence[RunJob], *, renderer: Renderer, around: Surroundings) -> list[PageStamp]:
    return [renderer.write(TEMPLATE, job.href, run_page(job.result, job.members, around)) for job in jobs]
