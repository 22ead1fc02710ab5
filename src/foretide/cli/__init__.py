"""The command line: one file per command, nothing heavy imported before a command runs."""

from __future__ import annotations

import sys

import typer

from foretide.cli import (
    accuracy,
    backtest,
    demand,
    demo,
    doctor,
    down,
    explain,
    forecast,
    ingest,
    init,
    install,
    logs,
    pause,
    peaks,
    plan,
    reference,
    replay,
    status,
    train,
    trial,
    up,
    whatif,
)
from foretide.errors import ForetideError

app = typer.Typer(
    name="foretide",
    help="Forecast what users are about to do, and move the platform first.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command(name="init")(init.init)
app.command(name="import")(ingest.ingest)
app.command(name="demand")(demand.demand)
app.command(name="reference", hidden=True)(reference.reference)
app.command(name="forecast")(forecast.forecast)
app.command(name="peaks")(peaks.peaks)
app.command(name="paths")(peaks.paths)
app.command(name="train")(train.train)
app.command(name="accuracy")(accuracy.accuracy)
app.command(name="explain")(explain.explain)
app.command(name="plan")(plan.plan)
app.command(name="backtest")(backtest.backtest)
app.command(name="try")(trial.trial)
app.command(name="whatif")(whatif.whatif)
app.command(name="replay")(replay.replay)
app.command(name="demo")(demo.demo)
app.command(name="install")(install.install)
app.command(name="up")(up.up)
app.command(name="status")(status.status)
app.command(name="pause")(pause.pause)
app.command(name="resume")(pause.resume)
app.command(name="logs")(logs.logs)
app.command(name="down")(down.down)
app.command(name="doctor")(doctor.doctor)


def main() -> None:
    """Run the command line; what a person got wrong is one line and exit code 2."""
    try:
        sys.exit(app(standalone_mode=False, prog_name="foretide"))
    except typer.Abort:
        sys.stderr.write("foretide: stopped\n")
        sys.exit(130)
    except typer.TyperException as error:
        _refuse(*_usage(error))
    except ForetideError as error:
        _refuse(str(error))


def _refuse(*lines: str) -> None:
    sys.stderr.writelines(f"foretide: {line}\n" for line in lines)
    sys.exit(2)


def _usage(error: typer.TyperException) -> list[str]:
    # help printed because nothing was asked leaves no message to add
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "foretide"
    message = " ".join(error.format_message().split()).rstrip(".")
    return [f"{message}; see `{path} --help`"] if message else []
