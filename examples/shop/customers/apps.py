from django.apps import AppConfig


class CustomersConfig(AppConfig):
    name = "examples.shop.customers"

    def ready(self) -> None:
        from examples.shop.customers import receivers  # noqa: F401 - importing connects
