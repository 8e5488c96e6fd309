"""What the shop answers to."""

from django.urls import path

from examples.shop.customers import views as customers
from examples.shop.orders import views as orders

urlpatterns = [
    path("login", customers.log_in),
    path("logout", customers.log_out),
    path("password", customers.change_password),
    path("customers", customers.register),
    path("customers/<int:customer_id>", customers.one),
    path("orders", orders.place),
    path("orders/<int:order_id>", orders.one),
    path("orders/<int:order_id>/labels", orders.label),
    path("orders/<int:order_id>/parcels", orders.scan),
    path("orders/<int:order_id>/payments", orders.pay),
    path("labels/<str:name>", orders.forget_label),
]
