from django.apps import AppConfig


class ReferenceConfig(AppConfig):
    name = "examples.shop.reference"
    verbose_name = "Countries, languages, currencies"
