from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from publisher.adapters.kafka_config import (
    DEFAULTS,
    Config,
    _problem,
    config_problems,
    converted,
    for_consumer,
)
from publisher.adapters.kafka_topics import _settings


def test_text_becomes_what_the_client_takes() -> None:
    config = {
        "linger_ms": "20",
        "ssl_check_hostname": "False",
        "compression_type": "gzip",
        "api_version": "3.9",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "007",
        "sasl_plain_password": "123456",
        "send_buffer_bytes": "65536",
    }
    assert config_problems(config) == []
    assert converted(config) == {
        **config,
        "linger_ms": 20,
        "ssl_check_hostname": False,
        "api_version": (3, 9),
        "send_buffer_bytes": 65536,
    }


def test_our_own_settings_are_settings_of_the_client() -> None:
    chosen = {name: value for name, value in DEFAULTS.items() if name not in {"acks"}}
    assert all("no setting" not in problem for problem in config_problems(chosen))


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("linger_ms", "abc", "digits"),
        ("linger_ms", "1.5", "digits"),
        ("linger_ms", "-1", "at least 0"),
        ("max_request_size", "-5", "at least 1"),
        ("max_in_flight_requests_per_connection", "6", "at most 5"),
        ("ssl_check_hostname", "yes", "true or false"),
        ("compression_type", "foo", "gzip, snappy, lz4, zstd"),
        ("security_protocol", "SASL", "SASL_PLAINTEXT, SASL_SSL"),
        ("sasl_mechanism", "MD5", "SCRAM-SHA-512"),
        ("client_dns_lookup", "never", "use_all_dns_ips"),
        ("ssl_cafile", "/nope", "no such file"),
        ("api_version", "new", "3.9"),
        ("socket_options", "[]", "remove this variable"),
    ],
)
def test_a_wrong_value_names_its_variable_the_value_and_the_cure(
    name: str, value: str, cure: str
) -> None:
    (problem,) = config_problems({name: value})
    assert problem.startswith(f"PUBLISHER_KAFKA_CONFIG__{name.upper()}={value!r}: ")
    assert cure in problem


def test_a_codec_whose_library_is_missing_is_found_before_any_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kafka.codec.has_zstd", lambda: False)
    (problem,) = config_problems({"compression_type": "zstd"})
    assert "the library for zstd is not installed" in problem


@pytest.mark.parametrize(
    "name",
    ["acks", "enable_idempotence", "delivery_timeout_ms", "retries", "transactional_id"],
)
def test_what_the_guarantees_rest_on_is_refused(name: str) -> None:
    (problem,) = config_problems({name: "1"})
    assert f"the guarantees rest on {name}" in problem


def possible(name: str) -> list[Config]:
    """The settings of that name which this machine takes."""
    values = ["true", "1", "400", "20000", "1000000", "PLAINTEXT", "PLAIN", "gzip", "text", "3.9"]
    return [{name: value} for value in values if _problem(name, value) is None]


@pytest.mark.parametrize("name", sorted(KafkaProducer.DEFAULT_CONFIG))
def test_what_a_producer_takes_makes_no_other_client_refuse_its_settings(name: str) -> None:
    for config in possible(name):
        settings = {"api_version": (3, 9), **for_consumer(config)}
        KafkaConsumer(**settings, bootstrap_servers="127.0.0.1:1").close()
        admins = _settings("127.0.0.1:1", config, 1_000, None)
        assert admins.keys() <= KafkaAdminClient.DEFAULT_CONFIG.keys()


def test_files_that_exist_are_taken(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    assert config_problems({"ssl_cafile": str(ca)}) == []


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        ({"sasl_mechanism": "PLAIN"}, "SECURITY_PROTOCOL=SASL_SSL"),
        ({"security_protocol": "SSL", "sasl_plain_password": "x"}, "SECURITY_PROTOCOL=SASL_SSL"),
        ({"security_protocol": "SASL_SSL"}, "SASL_MECHANISM is not set"),
        (
            {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "PLAIN",
                "sasl_plain_username": "me",
            },
            "SASL_PLAIN_PASSWORD is not set",
        ),
        (
            {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"},
            "choose another mechanism",
        ),
    ],
)
def test_a_login_that_would_not_be_used_or_cannot_work_is_refused(
    config: dict[str, str], missing: str
) -> None:
    (problem,) = config_problems(config)
    assert missing in problem


def test_no_secret_is_shown() -> None:
    secrets = {"sasl_plain_password": "hunter2", "ssl_password": "hunter2", "acks": "hunter2"}
    assert "hunter2" not in " ".join(config_problems({**secrets, "password": "hunter2"}))
