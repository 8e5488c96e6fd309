"""`manage.py load_reference`: countries, subdivisions, languages and currencies."""

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from examples.shop.reference.dataset import chunks, rows, store


class Command(BaseCommand):
    help = "Load ISO 3166, 639-3 and 4217; rows that are there already are left alone."

    def handle(self, *args: object, **options: object) -> None:
        found = rows()
        written = 0
        columns = (
            TextColumn("reference data"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console()) as progress:
            task = progress.add_task("", total=len(found))
            for chunk in chunks(found):
                written += store(chunk)
                progress.advance(task, len(chunk))
        self.stdout.write(f"{written} of {len(found)} rows written")
