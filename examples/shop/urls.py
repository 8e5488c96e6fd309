"""What the shop answers to."""

from django.urls import path

from examples.shop.customers import views as customers
from examples.shop.orders import views as orders

urlpatterns = [
    path("login", customers.log_in),
    path("customers", customers.register),
    path("orders", orders.place),
    path("orders/<int:order_id>", orders.one),
    path("orders/<int:order_id>/payments", orders.pay),
]
