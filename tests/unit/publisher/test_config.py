from datetime import timedelta

import pytest

from publisher.adapters.clients import client_problems
from publisher.adapters.kafka_config import DEFAULTS
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
    return load(client_problems, **flags)


def test_two_variables_are_enough() -> None:
    config = read()
    assert config.name == "default"
    assert config.http == "127.0.0.1:9464"
    assert config.delivery == "at-least-once"


def test_flags_beat_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISHER_NAME", "from-environment")
    assert read(name="from-flag").name == "from-flag"
    assert read(name=None).name == "from-environment"


def test_client_settings_come_through_as_the_text_that_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {
        "LINGER_MS": "20",
        "SECURITY_PROTOCOL": "SASL_SSL",
        "SASL_MECHANISM": "PLAIN",
        "SASL_PLAIN_USERNAME": "true",
        "SASL_PLAIN_PASSWORD": "0123456",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"PUBLISHER_KAFKA_CONFIG__{name}", value)
    assert read().kafka_config == {name.lower(): value for name, value in given.items()}


@pytest.mark.parametrize("text", ["abc", '["x"]', '{"linger_ms": 5}', ""])
def test_client_settings_are_given_one_by_one(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PUBLISHER_KAFKA_CONFIG", text)
    with pytest.raises(ConfigurationInvalid, match="PUBLISHER_KAFKA_CONFIG__LINGER_MS=5"):
        read()


@pytest.mark.parametrize(
    "address", ["nonsense", "19464", ":19464", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:²"]
)
def test_a_listener_without_host_or_port_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"write 127\.0\.0\.1:9464"):
        read(http=address)


@pytest.mark.parametrize("port", ["", "0", "65536", "²", "٣", "-1"])
def test_a_server_of_kafka_without_a_port_is_refused(port: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="is not host:port; write host:9092"):
        read(kafka_bootstrap_servers=f"kafka:9092,kafka2:{port}")


def test_a_flag_mends_what_is_wrong_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISHER_HTTP", "nonsense")
    assert read(http="127.0.0.1:0").http == "127.0.0.1:0"


@pytest.mark.parametrize("name", ["", "a b", "x" * 101])
def test_a_name_is_refused_in_plain_words(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("PUBLISHER_NAME", name)
    with pytest.raises(ConfigurationInvalid, match="write 1 to 100 letters, digits"):
        read()


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("PUBLISHER_DATABSE_URL", "write PUBLISHER_DATABASE_URL"),
        ("PUBLISHER_KAFKA_CONFIG_LINGER_MS", "write PUBLISHER_KAFKA_CONFIG__LINGER_MS"),
        ("PUBLISHER_BOOTSTRAP_SERVERS", "write PUBLISHER_KAFKA_BOOTSTRAP_SERVERS"),
        ("PUBLISHER_XYZZY", "remove it"),
    ],
)
def test_a_variable_that_nobody_reads_is_refused_with_the_one_that_is_meant(
    monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    monkeypatch.setenv(variable, "hunter2")
    with pytest.raises(ConfigurationInvalid) as caught:
        read()
    assert str(caught.value).startswith(f"{variable} is no setting: {meant}")
    assert "hunter2" not in str(caught.value)


def test_the_variables_of_a_service_in_kubernetes_are_no_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT": "9464",
        "SERVICE_PORT_HTTP": "9464",
        "PORT": "tcp://10.0.0.1:9464",
        "PORT_9464_TCP": "tcp://10.0.0.1:9464",
        "PORT_9464_TCP_ADDR": "10.0.0.1",
        "PORT_9464_TCP_PORT": "9464",
        "METRICS_SERVICE_HOST": "10.0.0.1",
        "METRICS_PORT_9464_TCP_PROTO": "tcp",
    }
    for name, value in service.items():
        monkeypatch.setenv(f"PUBLISHER_{name}", value)
    assert read().name == "default"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:hun@ter2@db/shop",
        "postgresql://app:hunter2@x@:er2@db/shop",
        "postgresql://app:hunter2/x@db/shop",
        "postgresql://app:1/hunter2@db/shop",
        "postgresql://app:hunter2@db:port/shop",
        "postgresql://app:hunter2@db:99999/shop",
        "postgresql://app:hunter2@db:0/shop",
        "postgresql://app:hunter2@db:²/shop",
        "postgresql://app:hunter2@db:5432,db2:port/shop",
        "host=db:5432 password=hunter2",
    ],
)
def test_a_url_that_shows_a_part_of_the_password_or_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="percent-encode the password: @ is %40") as no:
        read(database_url=url)
    assert "ter2" not in str(no.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:hun%40ter2@db/shop",
        "postgresql://app:hunter2@[::1]:5432/shop",
        "postgresql://app:hunter2@db,db2:5432,5433/shop?sslmode=verify-full",
        "postgresql://app:hunter2@db,db2:5433/shop",
        "postgresql:///shop?host=/var/run/postgresql",
        "host=db dbname=shop",
    ],
)
def test_every_form_of_a_url_is_taken(url: str) -> None:
    assert read(database_url=url).database_url.get_secret_value() == url


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
    monkeypatch.setenv("PUBLISHER_TOPIC", "orders")
    with pytest.raises(ConfigurationInvalid) as caught:
        read()
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0].split("=")[0].split(" ")[0] for line in lines] == [
        "PUBLISHER_DATABASE_URL",
        "PUBLISHER_KAFKA_BOOTSTRAP_SERVERS",
        "PUBLISHER_HTTP",
        "PUBLISHER_TOPIC",
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


def test_at_least_once_publishes_an_hour_again_on_another_timeline_unless_told_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read().margin == timedelta(hours=1)
    monkeypatch.setenv("PUBLISHER_REPUBLISH_MARGIN", "90s")
    assert read().margin == timedelta(seconds=90)
    monkeypatch.setenv("PUBLISHER_ON_TIMELINE_CHANGE", "stop")
    assert read().margin is None


@pytest.mark.parametrize("text", ["1", "1 h", "-1h", "now", "", "3651d", "9" * 30 + "d"])
def test_a_margin_that_is_no_duration_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("PUBLISHER_REPUBLISH_MARGIN", text)
    with pytest.raises(ConfigurationInvalid, match=r"PUBLISHER_REPUBLISH_MARGIN.*write 90s, 30m"):
        read()


@pytest.mark.parametrize("given", ["off", "OFF"])
def test_retention_may_be_switched_off(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    assert read().retention == timedelta(days=7)
    monkeypatch.setenv("PUBLISHER_RETENTION", given)
    assert read().retention is None


@pytest.mark.parametrize(
    ("variable", "text", "cure"),
    [
        ("PUBLISHER_RETENTION", "week", "write 90s, 30m, 1h or 7d, or off"),
        ("PUBLISHER_PRUNE_EVERY", "0s", "write 1s or more"),
        ("PUBLISHER_PRUNE_EVERY", "off", "write 90s, 30m, 1h or 7d"),
    ],
)
def test_a_wrong_retention_is_named_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, cure: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigurationInvalid, match=f"{variable}='{text}': .*{cure}$"):
        read()
