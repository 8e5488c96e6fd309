"""Every statement of the publisher, one in a file, by the name of the method that runs it."""

from importlib.resources import files


def statement(name: str) -> bytes:
    """Read `<name>.sql`, as psycopg takes it."""
    return files(__name__).joinpath(f"{name}.sql").read_bytes()
