"""How many workers a cluster is asked for, and what is said where Ray is not there."""

import os
import sys

import pytest

from terrazzo.core.errors import DataError, MissingExtraError, RequestError, TerrazzoError
from terrazzo.predict.ray_engine.session import Crew, _whole, import_ray, plan_crew


def test_plan_crew__one_worker_for_four_cpus_or_for_each_gpu() -> None:
    assert plan_crew([{"CPU": 8}, {"CPU": 5}], None, "auto") == Crew(3, 4)
    assert plan_crew([{"CPU": 2}], None, "auto") == Crew(1, 2)
    assert plan_crew([{"CPU": 8, "GPU": 2}, {"CPU": 8}], None, "auto") == Crew(2, 8, 1)
    assert plan_crew([{"CPU": 8, "GPU": 2}], None, "cpu") == Crew(2, 4)


def test_plan_crew__no_worker_needs_more_cpus_than_leave_room_for_all() -> None:
    assert plan_crew([{"CPU": 3}, {"CPU": 3}], 3, "cpu") == Crew(3, 1)  # with 2 each, a third fits nowhere
    assert plan_crew([{"CPU": 3}, {"CPU": 3}], 1, "cpu") == Crew(1, 3)
    assert plan_crew([{"CPU": 2}], 2, "cpu") == Crew(2, 1)


def test_plan_crew__refuses_what_does_not_fit() -> None:
    with pytest.raises(RequestError, match=r"5 workers do not fit into a cluster of 4 CPUs\. Ask for fewer"):
        plan_crew([{"CPU": 4}], 5, "cpu")
    with pytest.raises(RequestError, match="no workers do not fit into a cluster of 0 GPUs"):
        plan_crew([{"CPU": 4}], None, "cuda")
    with pytest.raises(RequestError, match="The device is 'cuda:1'; Ray hands out GPUs itself"):
        plan_crew([{"CPU": 4, "GPU": 2}], None, "cuda:1")


def test_import_ray__says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    with pytest.raises(MissingExtraError, match=r"pip install 'terrazzo\[ray\]'"):
        import_ray()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0", "no telemetry, whatever was set before"


def test_whole__errors_of_workers_keep_their_kind() -> None:
    assert list(_whole([{"row": '{"image": "a"}'}])) == [{"image": "a"}]
    with pytest.raises(DataError, match="unreadable"):
        list(_whole([{"row": '{"fatal": "unreadable", "kind": "DataError"}'}]))
    with pytest.raises(TerrazzoError, match="no room"):
        list(_whole([{"row": '{"fatal": "no room", "kind": "OSError"}'}]))
