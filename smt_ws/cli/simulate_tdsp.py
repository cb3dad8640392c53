"""``smt-ws simulate-tdsp``: a TDSP with meters and homes, for a hub that has no real one to talk to (K2)."""

from __future__ import annotations

from pathlib import Path

import click

from smt_ws.settings import ports

__all__ = ["simulate_tdsp"]

_EXAMPLE = f"""\
# A simulated TDSP. Paths are relative to this file.
[tdsp]
duns = ["4444444440000"]
port = {ports.SIMULATED_TDSP}
tls_certificate = "certs/lone-star-wires-tls.crt"
tls_key = "certs/lone-star-wires-tls.key"
signing_certificate = "certs/lone-star-wires-signing.crt"
signing_key = "certs/lone-star-wires-signing.key"
ca = "certs/ca.crt"
state = "tdsp.db"                    # survives kill -9
meters = "market/meters.csv"         # as sent to the hub; read when the state is new
clock_shift_seconds = 0              # as in the hub's settings

[hub]
url = "https://127.0.0.1:{ports.SOAP}/soap/TDSPCallback"
tls_certificate = "certs/hub-tls.crt"
signing_certificate = "certs/hub-signing.crt"

[scenario]
seed = 7                             # the same seed, the same course
slots = 5                            # devices a meter takes
events = 8                           # load control events a device keeps

[scenario.delays]                    # seconds, or [least, most]
acknowledge = [0.0, 0.1]
pending = [0.1, 0.2]
meter_ready = [0.1, 0.3]
join = [0.2, 0.6]
join_window = 2592000
remove = [0.1, 0.4]
carry = [0.0, 0.3]                   # a message, from the head end to the device
confirm = [0.2, 0.6]                 # until somebody confirms a text
unreachable = 5                      # until the meter gives up on a device
held_back = [0.5, 2.0]

[scenario.chances]                   # from 0, never, to 1, always
offline = 0.0                        # a device hears no message
never_joins = 0.0
opts_out = 0.0                       # of every load control event, before it begins
leaves = 0.0                         # every load control event, half-way
returns = 0.0                        # to every load control event, after an opt-out
confirms = 1.0
repeat = 0.0                         # a status is posted twice
hold_back = 0.0                      # a status is posted after those that follow it
lose_answer = 0.0                    # the hub's answer is lost: all its posts go again

[[scenario.device]]                  # good, offline, never_joins, opts_out, leaves, returns, stuck
eui64 = "000D6F000ABCDEF0"
behaviour = "never_joins"
install_code = "83FED3407A93972397FC" # with another one it cannot join

[[scenario.meter]]                   # single meters
esiid = "10443720007574303"
han_capable = false
"""


@click.command("simulate-tdsp")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Play the [scenario] of this file instead.")  # fmt: skip
@click.option("--show", is_flag=True, help="Print what its state holds, and end.")
@click.option("--exchange", nargs=2, metavar="ESIID SERIAL", help="Hang another meter at an ESI ID, and end.")
@click.option("--example", is_flag=True, help="Print a file with every key, and end.")
@click.option("--ready-file", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the bound address here, as JSON, once calls are taken.")  # fmt: skip
def simulate_tdsp(
    file: Path | None,
    scenario: Path | None,
    show: bool,
    exchange: tuple[str, str] | None,
    example: bool,
    ready_file: Path | None,
) -> None:
    """Run a TDSP as FILE describes it: it takes what the hub asks, and posts statuses back over the wire.

    It keeps meters, devices and messages in a file of its own, reads the SEP 1.0 frames that it is given and refuses
    wrong ones. A sandbox has a FILE ready, and its hub knows the address.

    \b
    Examples:
      smt-ws simulate-tdsp sandbox/simulator.toml
      smt-ws simulate-tdsp sandbox/simulator.toml --scenario bad-day.toml
      smt-ws simulate-tdsp sandbox/simulator.toml --exchange 10443720007574303 104999999LG
      smt-ws simulate-tdsp sandbox/simulator.toml --show
      smt-ws simulate-tdsp --example > simulator.toml
    """
    if example:
        click.echo(_EXAMPLE, nl=False)
        return
    if file is None:
        raise click.UsageError("Name the simulator's FILE; --example prints one.")
    from adapters.tdsp.config import read_config
    from adapters.tdsp.scenario import ScenarioError
    from adapters.tdsp.simulator import exchange_meter, prepare, run
    from adapters.tdsp.state import State

    try:
        config = read_config(file, scenario=scenario)
        prepare(config)
    except (ScenarioError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if exchange is not None:
        exchange_meter(config, *exchange)
        click.echo(f"{exchange[0]}: meter {exchange[1]} is hung as soon as the simulator runs.")
    elif show:
        for name, counts in State(config.state).summary().items():
            click.echo(f"{name:<14}{', '.join(f'{count:,} {of}' for of, count in counts.items()) or 'none'}")
    else:
        from smt_ws.serve import lifeline
        from smt_ws.serve.logs import start_logging

        start_logging("simulate-tdsp")
        lifeline.follow()
        run(config, ready_file=ready_file)
