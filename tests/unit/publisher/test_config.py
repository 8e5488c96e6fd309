import pytest

from publisher.adapters.kafka_python import DEFAULTS, config_problems
from publisher.config import Config, load
from publisher.errors import ConfigurationInvalid

GOOD = {
    "PUBLISHER_DATABASE_URL": "postgresql://app:hunter2@db:5432/shop",
    "PUBLISHER_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092,kafka2:9092",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def read(**flags: object) -> Config:
    return load(config_problems, **flags)


def test_two_variables_are_enough() -> None:
    config = read()
    assert config.name == "default"
    assert config.http == "127.0.0.1:9464"
    assert config.delivery == "at-least-once"


def test_flags_beat_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISHER_NAME", "from-environment")
    assert read(name="from-flag").name == "from-flag"
    assert read(name=None).name == "from-environment"


def test_client_settings_come_through_as_the_client_takes_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUBLISHER_KAFKA_CONFIG__LINGER_MS", "20")
    monkeypatch.setenv("PUBLISHER_KAFKA_CONFIG__SSL_CHECK_HOSTNAME", "false")
    monkeypatch.setenv("PUBLISHER_KAFKA_CONFIG__COMPRESSION_TYPE", "gzip")
    assert read().kafka_config == {
        "linger_ms": 20,
        "ssl_check_hostname": False,
        "compression_type": "gzip",
    }


def test_a_wait_for_kafka_has_no_end() -> None:
    assert DEFAULTS["delivery_timeout_ms"] == float("inf")
    assert DEFAULTS["acks"] == "all"
    assert DEFAULTS["enable_idempotence"] is True
    assert DEFAULTS["allow_auto_create_topics"] is False


def test_every_error_is_reported_at_once_with_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUBLISHER_DATABASE_URL", "mysql://root:hunter2@db/shop")
    monkeypatch.delenv("PUBLISHER_KAFKA_BOOTSTRAP_SERVERS")
    monkeypatch.setenv("PUBLISHER_HTTP", "9464")
    monkeypatch.setenv("PUBLISHER_KAFKA_CONFIG__LNGER_MS", "5")
    monkeypatch.setenv("PUBLISHER_KAFKA_CONFIG__ACKS", "1")
    with pytest.raises(ConfigurationInvalid) as caught:
        read()
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0].split("=")[0].split(" ")[0] for line in lines] == [
        "PUBLISHER_DATABASE_URL",
        "PUBLISHER_KAFKA_BOOTSTRAP_SERVERS",
        "PUBLISHER_HTTP",
        "PUBLISHER_KAFKA_CONFIG__ACKS",
        "PUBLISHER_KAFKA_CONFIG__LNGER_MS",
    ]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PUBLISHER_DATABASE_URL", "hunter2"),
        ("PUBLISHER_DATABASE_URL", "mysql://root:hunter2@db/shop"),
        ("PUBLISHER_KAFKA_CONFIG__PASSWORD", "hunter2"),
    ],
)
def test_no_secret_is_in_an_error(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationInvalid) as caught:
        read()
    assert "hunter2" not in str(caught.value)
    assert variable in str(caught.value)


def test_no_secret_is_in_the_settings_text() -> None:
    assert "hunter2" not in repr(read())


@pytest.mark.parametrize("servers", ["kafka", "http://kafka:9092", "kafka:9092,", "kafka:port"])
def test_bootstrap_servers_are_host_and_port(servers: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="host:9092"):
        read(kafka_bootstrap_servers=servers)


@pytest.mark.parametrize("rows", ["0", "-1", "many"])
def test_a_page_has_at_least_one_row(monkeypatch: pytest.MonkeyPatch, rows: str) -> None:
    monkeypatch.setenv("PUBLISHER_PAGE_ROWS", rows)
    with pytest.raises(ConfigurationInvalid, match="PUBLISHER_PAGE_ROWS"):
        read()
