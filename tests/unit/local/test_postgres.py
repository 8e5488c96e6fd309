"""How a PostgreSQL server is named."""

import pytest

from local.postgres import NotAUrl, Postgres, postgres


def test_keywords_in_place_of_a_url_are_refused_without_a_word_of_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "host=db user=shop password=secret")
    with (
        pytest.raises(NotAUrl, match="DATABASE_URL is no URL: write postgresql://") as refused,
        postgres(),
    ):
        pass
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://shop:secret@db:5433/shop", "db:5433"),
        ("postgresql://shop:secret@db/shop", "db:5432"),
        ("postgresql:///shop", "its socket:5432"),
        ("postgresql://shop:secret@one:1,two:2/shop", "one,two:1,2"),
    ],
)
def test_a_server_is_told_by_its_address_alone(url: str, where: str) -> None:
    assert repr(Postgres(url, "external")) == f"PostgreSQL at {where} (external)"
