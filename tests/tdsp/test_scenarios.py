"""Scenarios and the simulator's file: what they may say, and that a draw is the same every time."""

import pytest
from click.testing import CliRunner

from adapters.tdsp.config import read_config
from adapters.tdsp.scenario import Behaviour, Scenario, ScenarioError, scenario_of
from smt_ws.cli.simulate_tdsp import simulate_tdsp


def test_draws_depend_on_the_seed_and_on_what_they_are_for_alone():
    one, same, other = (scenario_of({"seed": seed, "chances": {"repeat": 0.5}}) for seed in (7, 7, 8))
    drawn = [one.chance("repeat", number) for number in range(200)]
    assert drawn == [same.chance("repeat", number) for number in range(200)]
    assert drawn != [other.chance("repeat", number) for number in range(200)]
    assert 70 < sum(drawn) < 130


def test_never_and_always():
    scenario = scenario_of({"chances": {"repeat": 0, "hold_back": 1}, "delays": {"carry": [2, 5], "join": 3}})
    cases = range(500)
    assert not any(scenario.chance("repeat", case) for case in cases)
    assert all(scenario.chance("hold_back", case) for case in cases)
    assert all(2 <= scenario.delay("carry", case) <= 5 for case in cases)
    assert {scenario.delay("join", case) for case in cases} == {3}


def test_a_named_device_behaves_as_named_and_the_others_as_drawn():
    scenario = scenario_of({"chances": {"offline": 1}, "device": [{"eui64": "000d6f000abcdef0"}]})
    assert scenario.behaviour("000D6F000ABCDEF0") is Behaviour.GOOD
    assert scenario.behaviour("000D6F000ABCDEF1") is Behaviour.OFFLINE
    assert Scenario().behaviour("000D6F000ABCDEF1") is Behaviour.GOOD


@pytest.mark.parametrize(
    "table",
    [
        {"speed": 1},
        {"delays": {"jion": 1}},
        {"delays": {"join": [2, 1]}},
        {"delays": {"join": -1}},
        {"delays": {"join": "1"}},
        {"chances": {"repeat": 1.1}},
        {"chances": {"repeat": -0.1}},
        {"chances": {"explode": 0.1}},
        {"device": [{"eui64": "12"}]},
        {"device": [{"eui64": "000D6F000ABCDEF0", "behaviour": "sleepy"}]},
        {"device": [{"eui64": "000D6F000ABCDEF0", "mood": "good"}]},
        {"meter": [{"esiid": "10443720000000001"}]},
        {"slots": 0},
        {"seed": "x"},
    ],
)
def test_what_a_scenario_cannot_mean_is_an_error_that_names_it(table):
    with pytest.raises(ScenarioError):
        scenario_of(table)


def test_the_example_has_every_key_and_reads_back(tmp_path):
    told = CliRunner().invoke(simulate_tdsp, ["--example"])
    assert told.exit_code == 0
    file = tmp_path / "simulator.toml"
    file.write_text(told.output)
    config = read_config(file)
    assert config.state == tmp_path / "tdsp.db"
    assert (config.hub_url, config.port, config.posts_per_call) == (
        "https://127.0.0.1:5200/soap/TDSPCallback",
        5300,
        500,
    )
    assert config.scenario.delays == Scenario().delays
    assert config.scenario.chances == Scenario().chances
    for name in (*vars(Scenario().delays), *vars(Scenario().chances)):
        assert f"\n{name} = " in told.output
    other = tmp_path / "bad-day.toml"
    other.write_text("[scenario]\nseed = 99\n")
    assert read_config(file, scenario=other).scenario == Scenario(seed=99)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("[hub]", "[hob]"),
        lambda text: text.replace('state = "tdsp.db"', 'stat = "tdsp.db"'),
        lambda text: text.replace('duns = ["4444444440000"]', "duns = []"),
        lambda text: text.replace("port = 5300", ""),
        lambda text: text + "[",
    ],
)
def test_a_file_with_something_missing_or_unknown_is_refused(tmp_path, change):
    text = CliRunner().invoke(simulate_tdsp, ["--example"]).output
    file = tmp_path / "simulator.toml"
    assert change(text) != text
    file.write_text(change(text))
    told = CliRunner().invoke(simulate_tdsp, [str(file), "--show"])
    assert told.exit_code == 1
    assert "simulator.toml" in told.output
