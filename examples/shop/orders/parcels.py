"""What carriers say of parcels."""

from examples.shop.orders.models import Order
from examples.shop.orders.signals import parcel_scanned


def scanned(order: Order, place: str) -> list[Exception]:
    """Tell everybody, though one of them may fail; the failures."""
    answers = parcel_scanned.send_robust(sender=Order, order=order, place=place)
    return [answer for _, answer in answers if isinstance(answer, Exception)]


async def scanned_by_stream(order: Order, place: str) -> None:
    await parcel_scanned.asend(sender=Order, order=order, place=place)
