"""The `terrazzo` command: collects the verbs and turns errors into sentences and exit codes.

Exit codes: 0 done; 1 the work failed; 2 the request was wrong; 130 interrupted, with a usable result.
Nothing here imports torch: every verb imports what it needs when it runs.
"""

import sys
from typing import Annotated

import typer

from terrazzo import __version__
from terrazzo.cli.augment import augment
from terrazzo.cli.compare import compare
from terrazzo.cli.datasets import datasets
from terrazzo.cli.demo import demo
from terrazzo.cli.evaluate import evaluate
from terrazzo.cli.find_lr import find_lr
from terrazzo.cli.import_model import import_model
from terrazzo.cli.inspect import inspect
from terrazzo.cli.models import models
from terrazzo.cli.output import INTERRUPTED
from terrazzo.cli.points import points
from terrazzo.cli.predict import predict
from terrazzo.cli.train import train
from terrazzo.core.errors import TerrazzoError

app = typer.Typer(
    name="terrazzo",
    help="Semantic segmentation: from images and masks to a trained, honestly scored, deployed model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for verb in (demo, inspect, train, evaluate, compare, predict, points, models, datasets):
    app.command()(verb)
app.command("import")(import_model)  # a verb that Python keeps for itself
app.command("find-lr")(find_lr)
app.add_typer(augment)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"terrazzo {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; works after any verb too.")
    ] = False,
) -> None:
    """Semantic segmentation: from images and masks to a trained, honestly scored, deployed model."""


def run() -> None:
    """Run the command line; a person's mistake ends in one sentence and an exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(args=arguments, prog_name="terrazzo")
    except TerrazzoError as error:
        _fail(error, str(error), error.exit_code, debug=debug)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(error, f"{where}{error.strerror or error}", 1, debug=debug)
    except KeyboardInterrupt as stopped:  # some say what is kept
        typer.echo(str(stopped) or "Interrupted.", err=True)
        sys.exit(INTERRUPTED)


def _fail(error: Exception, message: str, code: int, *, debug: bool) -> None:
    if debug:
        raise error
    typer.secho("Error: ", fg=typer.colors.RED, bold=True, nl=False, err=True)
    typer.echo(message, err=True)
    sys.exit(code)


if __name__ == "__main__":
    run()
