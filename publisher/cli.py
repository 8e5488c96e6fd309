"""The command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

import schemas
from publisher.commands.base import DONE, FAILED, WRONG_USAGE
from publisher.commands.check import check
from publisher.commands.parked import parked
from publisher.commands.position import position
from publisher.commands.prune import prune
from publisher.commands.run import run
from publisher.commands.topics import topics
from publisher.errors import ConfigurationInvalid, PublisherError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(schemas.__version__, prog_name="outbox-publisher")
def commands() -> None:
    """Relay outbox rows from PostgreSQL to Kafka.

    Every setting is an environment variable PUBLISHER_*; flags beat the environment.

    Exit codes: 0 done or stopped politely, 1 failed, 2 wrong usage or configuration,
    3 a difference was found.
    """


for each in (check, parked, position, prune, run, topics):
    commands.add_command(each)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run a command. An error is a message on standard error and an exit code."""
    try:
        commands.main(args=args, prog_name="outbox-publisher", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        sys.exit(WRONG_USAGE)
    except click.Abort:
        sys.exit(FAILED)
    except ConfigurationInvalid as exc:
        click.echo(str(exc), err=True)
        sys.exit(WRONG_USAGE)
    except PublisherError as exc:
        click.echo(f"{type(exc).__name__}: {exc}", err=True)
        sys.exit(FAILED)
    sys.exit(DONE)


if __name__ == "__main__":
    main()
