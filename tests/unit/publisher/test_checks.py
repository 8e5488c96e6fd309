from publisher.checks import Inspection, findings
from publisher.ports import Topic

ORDERS = Topic("shop.orders", "state", 12)


def texts(inspection: Inspection, **states: int | str) -> list[str]:
    named = {name.replace("_", "."): state for name, state in states.items()}
    return [str(finding) for finding in findings(inspection, named)]


def test_nothing_is_found_where_all_is_well() -> None:
    assert texts(Inspection("on", 1, [ORDERS]), shop_orders=12) == []


def test_commits_that_a_crash_forgets_are_a_warning() -> None:
    (text,) = texts(Inspection("off", 1, []))
    assert text.startswith("warning: synchronous_commit is off")


def test_a_sequence_with_a_cache_inverts_the_order() -> None:
    (text,) = texts(Inspection("on", 20, []))
    assert text.startswith("error: the sequence of outbox_event.id caches 20 values")
    assert "SET CACHE 1" in text


def test_a_table_whose_key_has_no_sequence_is_an_error() -> None:
    (text,) = texts(Inspection("on", None, []))
    assert text.startswith("error: outbox_event.id has no sequence")


def test_an_unknown_topic_is_named() -> None:
    (text,) = texts(Inspection("on", 1, [ORDERS]), shop_orders="topic 'shop.orders' is unknown")
    assert text == "error: topic 'shop.orders' is unknown"


def test_another_number_of_partitions_is_a_difference() -> None:
    (text,) = texts(Inspection("on", 1, [ORDERS]), shop_orders=6)
    assert text.startswith("difference: topic 'shop.orders' has 6 partitions")
    assert "declares 12" in text
