"""Somebody who answers what tasks of a Dag run ask, as Airflow's pages do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

WAITING = "awaiting_input"
MOST_LOOKS = 30
"""In vain, one after the other: on a busy machine a task's end is seen a moment after it."""


@dataclass
class Person:
    """
    Answers by the id of the task that asks; *questions* are those that were answered, subject and body.

    ``dag.test()`` waits a second where all tasks that are left wait for people: that is when they get their answers.
    """

    answers: Mapping[str, str]
    name: str = "alice"
    questions: dict[str, tuple[str, str]] = field(default_factory=dict)
    looks_in_vain: int = 0

    def instead_of(self, sleep: Callable[[float], None]) -> Callable[[float], None]:
        """Return *sleep* for all but ``dag.test()``, which is answered instead of waiting."""

        def sleep_or_answer(seconds: float) -> None:
            is_dag_test = sys._getframe(1).f_code.co_filename.endswith("/sdk/definitions/dag.py")
            if not (is_dag_test and self.look()):
                sleep(seconds)

        return sleep_or_answer

    def look(self) -> bool:
        """
        Answer what is asked at the moment; return whether anything was.

        Raises:
            AssertionError: for long nothing is asked that has an answer here: the run would wait for ever.
        """
        from airflow.models.hitl import HITLDetail
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.trigger import handle_event_submit
        from airflow.triggers.base import TriggerEvent
        from airflow.utils.session import create_session
        from sqlalchemy import select

        before = len(self.questions)
        with create_session() as session:
            for ti in session.scalars(select(TaskInstance).where(TaskInstance.state == WAITING)).all():
                detail = session.get(HITLDetail, ti.id)
                if detail is None or ti.task_id not in self.answers:
                    continue
                self.questions[ti.task_id] = detail.subject, detail.body
                detail.responded_by = {"id": "1", "name": self.name}
                detail.responded_at = datetime.now(UTC)
                detail.chosen_options = [self.answers[ti.task_id]]
                detail.params_input = {}
                session.add(detail)
                event = TriggerEvent(detail.as_resume_event_payload())
                handle_event_submit(event, task_instance=ti, session=session)
        has_answered = len(self.questions) > before
        self.looks_in_vain = 0 if has_answered else self.looks_in_vain + 1
        assert self.looks_in_vain < MOST_LOOKS, "nothing is asked that has an answer here, and nothing goes on"
        return has_answered
