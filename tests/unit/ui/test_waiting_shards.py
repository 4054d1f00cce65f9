"""The page says why shards have not started yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_s3batch.core.news import PlanNews

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seeded_jobs import Place

PLAN = PlanNews(slots=8, slots_by="max_active_tis_per_dagrun=8 of task job.run")


@pytest.mark.parametrize(
    ("states", "plan", "pool", "expected"),
    [
        ({"running": 7, "queued": 1, "scheduled": 192}, PLAN, "", "8 of 200 shards run at a time: max_active_tis_per"),
        ({"deferred": 8, "scheduled": 192}, PLAN, "", "8 of 200 shards run at a time"),
        ({"running": 3, "scheduled": 197}, PLAN, "", ""),
        ({"running": 8, "scheduled": 192}, None, "", ""),
        ({"running": 3, "scheduled": 197}, PLAN, "pool 's3' is full", "197 of 200 shards wait: pool 's3' is full."),
    ],
)
def test_shards_wait_for_a_limit_that_is_reached(
    states: dict[str, int], plan: PlanNews | None, pool: str, expected: str
) -> None:
    """A pool that holds them back is told rather than a limit of the Dag, and nothing where we do not know."""
    from airflow_s3batch.ui.waiting import told

    assert told(states, plan, pool).startswith(expected)
    assert bool(told(states, plan, pool)) is bool(expected)


@pytest.fixture
def small_pool() -> Iterator[None]:
    """A pool of two slots."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Pool(pool="small", slots=2, include_deferred=False))
    yield
    with create_session() as session:
        session.query(Pool).filter(Pool.pool == "small").delete()


@pytest.fixture
def waiting_in(places: dict[str, Place]) -> Iterator[Callable[..., None]]:
    """``waiting_in(pool, slots)``: the shards of the running job that wait are in this pool, until the test ends."""

    def move(pool: str, pool_slots: int) -> None:
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session

        place = places["running"]
        with create_session() as session:
            session.query(TaskInstance).filter(
                TaskInstance.dag_id == place.dag_id,
                TaskInstance.run_id == place.run_id,
                TaskInstance.state == "scheduled",
            ).update({"pool": pool, "pool_slots": pool_slots}, synchronize_session=False)

    yield move
    move("default_pool", 1)


@pytest.mark.usefixtures("small_pool")
@pytest.mark.parametrize(
    ("pool", "pool_slots", "expected"),
    [
        ("nowhere", 1, "1 of 5 shards wait: pool 'nowhere' does not exist. Make it (Admin → Pools)"),
        ("small", 4, "1 of 5 shards wait: each takes 4 slots of pool 'small', which has 2, so none can start."),
        ("small", 2, ""),
        ("default_pool", 1, ""),
    ],
)
def test_a_pool_that_holds_no_shard_is_told(
    job: Callable[..., Any], waiting_in: Callable[..., None], pool: str, pool_slots: int, expected: str
) -> None:
    """Airflow itself leaves such shards waiting for ever."""
    waiting_in(pool, pool_slots)
    found = job("running")["waiting"]
    assert found.startswith(expected)
    assert bool(found) is bool(expected)
