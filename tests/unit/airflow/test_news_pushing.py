"""News are pushed rarely, the latest ones, and no task fails or waits for them."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_s3batch.core.errors import InfrastructureError, PausedError
from airflow_s3batch.core.manifest import ShardRef
from airflow_s3batch.operators import news as telling
from airflow_s3batch.operators.news import Herald, every_s
from airflow_s3batch.operators.shard_news import ShardTold

TI = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=None, try_number=1)


class Pushed:
    """Takes the place of Airflow; each push takes *takes_s* of the clock, and fails while *is_down*."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.values: list[Any] = []
        self.now = 0.0
        self.takes_s = takes_s
        self.is_down = False
        self.asked: list[int] = []

    def __call__(self, _ti: Any, _key: str, document: Any) -> bool:
        self.now += self.takes_s
        self.asked.append(int(self.now))
        if not self.is_down:
            self.values.append(document())
        return not self.is_down


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> Pushed:
    taken = Pushed()
    monkeypatch.setattr(telling, "push", taken)
    return taken


def tell_each_second(pushed: Pushed, herald: Herald, seconds: int) -> None:
    for second in range(seconds):
        pushed.now += 1.0
        herald.tell(lambda second=second: {"second": second})  # type: ignore[misc]


def test_the_first_and_the_last_news_are_pushed_and_few_between(pushed: Pushed) -> None:
    with Herald(TI, "k", every_s=10, has_thread=False, clock=lambda: pushed.now) as herald:
        tell_each_second(pushed, herald, 25)
    assert [value["second"] for value in pushed.values] == [0, 10, 20, 24]


def test_a_slow_airflow_is_asked_more_rarely(pushed: Pushed) -> None:
    """A hundredth of the time goes into pushes."""
    pushed.takes_s = 0.5
    with Herald(TI, "k", every_s=10, has_thread=False, clock=lambda: pushed.now) as herald:
        tell_each_second(pushed, herald, 100)
    assert [value["second"] for value in pushed.values] == [0, 50, 99]


def test_an_airflow_that_does_not_answer_is_asked_ever_more_rarely(pushed: Pushed) -> None:
    pushed.is_down = True
    with Herald(TI, "k", every_s=10, has_thread=False, clock=lambda: pushed.now) as herald:
        tell_each_second(pushed, herald, 200)
    assert pushed.asked == [1, 21, 61, 141, 200]


def test_a_thread_of_its_own_pushes_where_airflow_bears_it(pushed: Pushed) -> None:
    """The work is not held up; the last news are told at the end."""
    with Herald(TI, "k", every_s=1_000, has_thread=True) as herald:
        herald.tell(lambda: {"n": 1})
        herald.tell(lambda: {"n": 2})
    assert pushed.values[-1] == {"n": 2}
    assert len(pushed.values) <= 2
    assert not [thread for thread in threading.enumerate() if thread.name == "s3batch-news"]


def test_airflow_that_raises_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a task there is nobody to push to."""
    from airflow.sdk.bases.xcom import BaseXCom

    from airflow_s3batch.hooks.news import push

    values: list[Any] = []
    monkeypatch.setattr(BaseXCom, "_set_xcom_in_db", lambda key, value, **place: values.append((key, value, place)))
    assert push(TI, "k", lambda: {"a": 1})
    place = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1}
    assert values == [("k", {"a": 1}, place)]
    assert not push(TI, "k", lambda: {}["nothing"])

    def refused(*_: Any, **__: Any) -> None:
        raise RuntimeError("500 from the API server")

    monkeypatch.setattr(BaseXCom, "_set_xcom_in_db", refused)
    assert not push(TI, "k", dict)


def test_many_shards_tell_more_rarely() -> None:
    assert [every_s(shards) for shards in (1, 100, 1_000)] == [10, 10, 100]


@pytest.mark.parametrize(
    ("error", "state"), [(PausedError("by ann"), "paused"), (InfrastructureError("no\nanswer"), "stopped")], ids=str
)
def test_an_attempt_that_breaks_off_says_so(pushed: Pushed, error: Exception, state: str) -> None:
    with pytest.raises(type(error)), ShardTold(TI, ShardRef("s3://ops/job", 4, 900), "copy_object"):
        raise error
    first, last = pushed.values[0], pushed.values[-1]
    assert (first["state"], first["rows"], first["shard"]) == ("running", 900, 4) or len(pushed.values) == 1
    assert (last["state"], last["sentence"]) == (state, str(error).partition("\n")[0])


class CommsDecoder:
    """Stands for the channel of a task of Airflow 3.1.0, by its name."""


def test_a_frail_supervisor_is_asked_for_nothing_while_no_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would end if it could not connect."""
    from airflow.sdk.bases.xcom import BaseXCom
    from airflow.sdk.execution_time import task_runner

    from airflow_s3batch.hooks.news import push

    pushes: list[Any] = []
    monkeypatch.setattr(BaseXCom, "_set_xcom_in_db", lambda *value, **_: pushes.append(value))
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", CommsDecoder(), raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/execution/"
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", url)
        assert push(TI, "k", dict)
    assert not push(TI, "k", dict)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "nonsense")
    assert not push(TI, "k", dict)
    assert len(pushes) == 1


def answered(supervisor: socket.socket, values: list[Any]) -> None:
    """Answer what a task asks of its supervisor, one request after the other, until it hangs up."""
    import msgspec
    from airflow.sdk.execution_time.comms import _ResponseFrame

    with supervisor, supervisor.makefile("rb") as stream:
        while head := stream.read(4):
            number, body, *_ = msgspec.msgpack.decode(stream.read(int.from_bytes(head, "big")))
            values.append((body["type"], body["key"], body["value"]))
            supervisor.sendall(_ResponseFrame(id=number).as_bytes())


def test_airflows_own_channel_bears_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work pushes XComs of its own meanwhile; nothing is mixed up."""
    from airflow.sdk.execution_time import comms, task_runner
    from airflow.sdk.execution_time.xcom import XCom

    ours, supervisors = socket.socketpair()
    channel = comms.CommsDecoder(socket=ours)
    if not hasattr(channel, "_thread_lock"):
        pytest.skip("the channel of this Airflow bears one thread only, so there is none")
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", channel, raising=False)
    values: list[Any] = []
    supervisor = threading.Thread(target=answered, args=(supervisors, values), daemon=True)
    supervisor.start()
    with ours, Herald(TI, "news", every_s=0) as herald:
        for number in range(50):
            herald.tell(lambda number=number: {"n": number})  # type: ignore[misc]
            XCom.set("own", number, dag_id="d", task_id="t", run_id="r")
    supervisor.join(10)
    assert [value for kind, key, value in values if key == "own"] == list(range(50))
    news = [value["n"] for kind, key, value in values if key == "news"]
    assert news == sorted(news)
    assert news[-1] == 49
