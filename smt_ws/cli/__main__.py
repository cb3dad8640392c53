"""``python -m smt_ws.cli``: the same as ``smt-ws``, for children of the supervisor."""

from smt_ws.cli.main import main

main(prog_name="smt-ws")
