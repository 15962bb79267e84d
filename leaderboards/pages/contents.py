"""The list of pages: a new page is a file here, a template, and a row."""

from leaderboards.links import LISTS, method_href, model_href, task_href
from leaderboards.pages.compare import compare_pages
from leaderboards.pages.cost_page.page import cost_page
from leaderboards.pages.front_page.index import index_page
from leaderboards.pages.front_page.ranking import ranking_page
from leaderboards.pages.history import history_page
from leaderboards.pages.lists import list_pages
from leaderboards.pages.method import method_page, methods_of
from leaderboards.pages.methodology import methodology_page
from leaderboards.pages.model import model_page
from leaderboards.pages.parts.heads import model_names
from leaderboards.pages.parts.heat import heat_map
from leaderboards.pages.parts.kinds import (
    PageKind,
    PagesBySubject,
    PagesOfWorkers,
    page_for_each,
    single_page,
    whole_board,
)
from leaderboards.pages.problems import problems_page
from leaderboards.pages.run_page.runs import begin_run_pages
from leaderboards.pages.samples_page.arms import Arms, all_arms
from leaderboards.pages.samples_page.sample_pages import samples_pages
from leaderboards.pages.task_page.task import task_page
from leaderboards.pages.why_page.page import why_pages


def _task_href(arms: Arms) -> str:
    return task_href(arms.task)


PAGES: tuple[PageKind, ...] = (
    PagesOfWorkers("run", ("runs",), begin_run_pages),
    single_page("index", index_page),
    single_page("gains", heat_map),
    single_page("problems", problems_page),
    single_page("ranking", ranking_page),
    single_page("cost", cost_page),
    page_for_each(all_arms, "task", "tasks", _task_href, task_page),
    PagesBySubject("samples", ("samples", "answers"), all_arms, samples_pages, reused=True),
    PagesBySubject("why", ("why",), all_arms, why_pages, reused=True),
    page_for_each(model_names, "model", "models", model_href, model_page),
    page_for_each(methods_of, "method", "methods", method_href, method_page),
    PagesBySubject("list", LISTS, whole_board, list_pages, reused=False),
    PagesBySubject("compare", ("compare.html", "compare"), whole_board, compare_pages, reused=False),
    single_page("history", history_page),
    single_page("methodology", methodology_page),
)
"""In the order in which they are made; those of workers are begun first, and finished last."""
