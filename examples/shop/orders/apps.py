from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "examples.shop.orders"

    def ready(self) -> None:
        from examples.shop.orders import receivers  # noqa: F401 - importing connects
