"""What `scripts/bench start` makes of what it measured."""

from __future__ import annotations

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
