"""PostgreSQL refuses to run as root, so root puts on a disguise that this machine allows."""

from local.cluster import DISGUISES, disguise


def test_an_ordinary_user_needs_none() -> None:
    assert disguise(1000, lambda words: False) == ()


def test_root_takes_the_first_that_works() -> None:
    assert disguise(0, lambda words: True) == DISGUISES["unshare"]


def test_root_without_user_namespaces_takes_another_id() -> None:
    assert disguise(0, lambda words: words[0] == "setpriv") == DISGUISES["setpriv"]


def test_root_that_may_do_neither_is_told_apart() -> None:
    assert disguise(0, lambda words: False) is None
