"""A metric that cannot read the script of a task's targets is told of."""

from pathlib import Path

import pytest
from toy_task import adding, besides_power, plugins_of

from harness.authoring.check import check_task
from harness.data.dataset import Dataset, load_dataset
from harness.data.loaded import LoadedTask
from harness.plan.unread_scripts import unread_scripts, unread_scripts_of
from harness.task import Sample, Splits, Task

VIETNAMESE = "cô ấy đang đọc một quyển sách về lịch sử nước Việt Nam"
GERMAN = "die Kündigung für das nächste Jahr ist schon unterwegs zu Ihnen"
CHINESE = "她正在读一本关于中国历史的书"
THAI = "เธอกำลังอ่านหนังสือเกี่ยวกับประวัติศาสตร์"
ARABIC = "إنها تقرأ كتابا عن تاريخ البلاد منذ سنوات"
HINDI = "वह देश के इतिहास के बारे में एक किताब पढ़ रही है"


def writing(target: str, *metrics: str) -> tuple[Task, Dataset]:
    rows = [{"text": f"question {index}"} for index in range(12)]
    task = adding(
        data=lambda: Splits(rows[:6], rows[6:8], rows[8:]),
        to_sample=lambda row, index: Sample(
            f"{row['text']}", {"text": row["text"]}, f"{target} {row['text'][9:]}"
        ),
        metrics=metrics,
        primary_metric=metrics[0],
    )
    return task, load_dataset(task)


@pytest.mark.parametrize(
    ("target", "metric", "says"),
    [
        (VIETNAMESE, "rougeL", "rougeL drops all letters but a to z, which are"),
        (CHINESE, "bleu", "bleu takes what stands between spaces for words"),
        (THAI, "bleu_intl", "bleu_intl takes what stands between spaces for words"),
        (CHINESE, "ter", "ter takes what stands between spaces for words"),
        (GERMAN, "rougeL", None),
        (CHINESE, "rougeL", None),
        (CHINESE, "bleu_zh", None),
        (THAI, "chrf", None),
        (THAI, "token_f1", None),
        (ARABIC, "rougeL", None),
        (HINDI, "rougeL", None),
        (HINDI, "bleu", None),
    ],
)
def test_what_a_metric_cannot_read_is_said(target: str, metric: str, says: str | None) -> None:
    task, dataset = writing(target, "exact_match", metric)
    sentences = unread_scripts(task, dataset.test)
    assert [sentence.startswith(says or "-") for sentence in sentences] == ([True] if says else [])
    of_sweep = unread_scripts_of({"adding": LoadedTask(task, dataset)})
    assert of_sweep == [f"task 'adding': {sentence}" for sentence in sentences]


def test_a_check_says_it(tmp_path: Path) -> None:
    task, _ = writing(VIETNAMESE, "rougeL")
    findings = besides_power(check_task("adding", plugins_of(task)))
    assert any(
        finding.level == "warning" and "rougeL drops all letters" in finding.message for finding in findings
    )
