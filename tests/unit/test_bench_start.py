"""What `scripts/bench start` makes of what it measured."""

from __future__ import annotations

from typing import Any

import pytest

from facefind.inference import session
from scripts.benchmarks import figures, start

ROUND = {
    "python": (0.05, 0.05),
    "libraries": (0.3, 0.5),
    "server": (0.1, 0.02),
    "help": (0.1, 0.1),
    "status_running": (0.3, 0.3),
    "status_stopped": (0.4, 0.3),
    "who_running": (0.75, 1.0),
    "who_stopped": (0.8, 1.1),
}


def test_ratios_are_those_of_a_round_whatever_the_machine_did_in_others() -> None:
    slower = {name: (9 * wall, 3 * cpu) for name, (wall, cpu) in ROUND.items()}
    rounds = {name: [ROUND[name], slower[name], slower[name]] for name in start.TITLES}
    found = {name: round(ratio, 6) for name, ratio in start.ratios(rounds).items()}
    assert found == {
        "help_over_python": 2.0,
        "status_over_server": 4.0,
        "who_running_over_libraries": 2.5,
        "who_cpu_over_libraries": 2.0,
        "who_stopped_over_libraries_and_server": 2.0,
    }


def test_every_ratio_has_a_limit_and_can_go_beyond() -> None:
    usual = start.ratios({name: [ROUND[name]] for name in start.TITLES})
    assert set(figures.read_limits("start")) == set(usual)
    assert start.over_limits({"ratios": usual}) == []
    twice = {name: 2.6 * ratio for name, ratio in usual.items()}
    assert len(start.over_limits({"ratios": twice})) == len(usual)


def test_models_are_opened_by_turns_and_the_first_round_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, bool]] = []

    def measured(*_: Any, record: str, optimised: bool) -> dict[str, float]:
        asked.append((record, optimised))
        seconds = (0.2 if optimised else 0.05) if len(asked) > 5 else 9.0
        return {"seconds": seconds, "cpu_seconds": 2 * seconds}

    monkeypatch.setattr(start, "measured", measured)
    models = start._models(2)
    assert len(asked) == 3 * 5
    assert asked[:5] == asked[5:10] == asked[10:]
    assert models["centerface"]["seconds"] == figures.spread([0.2, 0.2])
    assert models["centerface"]["plain_cpu_seconds"] == figures.spread([0.1, 0.1])
    assert set(models["dlib_landmarks"]) == {"seconds", "cpu_seconds"}
    usual = {name: figures.spread([1.0]) for name in start.TITLES}
    page = start.render({"seconds": usual, "cpu_seconds": usual, "models": models})
    assert "| `dlib_landmarks` | 0.200 (0.200 - 0.200) | 0.400 (0.400 - 0.400) |  |  |" in page
    assert "at most 0.30 s less, and 0.60 CPU seconds" in page
    assert "opened" not in start.render({"seconds": usual, "cpu_seconds": usual})


@pytest.mark.parametrize("optimised", [True, False])
def test_a_network_is_opened_with_its_graph_optimised_or_not(
    monkeypatch: pytest.MonkeyPatch, optimised: bool
) -> None:
    runtime, seen = session._runtime(), list[Any]()
    levels = runtime.GraphOptimizationLevel
    real = runtime.InferenceSession

    def noted(*given: Any, sess_options: Any, **more: Any) -> Any:
        seen.append(sess_options.graph_optimization_level)
        return real(*given, sess_options=sess_options, **more)

    monkeypatch.setattr(runtime, "InferenceSession", noted)
    monkeypatch.setattr(session, "_options", session._options)
    assert start.opened("centerface", optimised)["seconds"] > 0
    assert seen == [levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL]
