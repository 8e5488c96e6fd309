"""Run one server in the foreground, print its address, stop it at Ctrl-C."""

import argparse
import signal
from contextlib import AbstractContextManager

from local.kafka import Broker, kafka
from local.ladder import KAFKA, POSTGRES, NothingAvailable
from local.postgres import Postgres, postgres


def main() -> int:
    arguments = _parser().parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with _server(arguments) as server:
            print(server.url if isinstance(server, Postgres) else server.bootstrap_servers)
            print(f"{server!r}; Ctrl-C stops it.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except NothingAvailable as why:
        print(why)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    services = parser.add_subparsers(dest="service", required=True)
    database = services.add_parser("postgres", help="PostgreSQL, empty")
    database.add_argument("--only", choices=POSTGRES, help="the one way to have it")
    broker = services.add_parser("kafka", help="Kafka, without topics")
    broker.add_argument("--only", choices=KAFKA, help="the one way to have it")
    broker.add_argument("--brokers", type=int, default=1, help="more than one needs Java")
    return parser


def _server(
    arguments: argparse.Namespace,
) -> AbstractContextManager[Postgres] | AbstractContextManager[Broker]:
    if arguments.service == "postgres":
        return postgres(only=arguments.only)
    return kafka(only=arguments.only, brokers=arguments.brokers)


if __name__ == "__main__":
    raise SystemExit(main())
