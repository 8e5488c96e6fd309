"""The container files fit the project and each other, as far as that shows without an engine."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import yaml

from local.scratch import ROOT
from publisher.config import Config

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", "")


def stages() -> dict[str, str]:
    """The instructions of each stage of the Dockerfile."""
    _, *parts = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    return {part.splitlines()[0].rpartition(" AS ")[2]: part for part in parts}


def checked(service: str) -> bool:
    """Whether the service tells its health, by itself or by its image."""
    own = SERVICES[service].get("healthcheck", {})
    target = SERVICES[service].get("build", {}).get("target")
    return "test" in own or "HEALTHCHECK" in stages().get(target, "")


def environment(service: str) -> dict[str, str]:
    found: dict[str, str] = SERVICES[service]["environment"]
    return found


def test_the_services_are_those_of_the_main_job() -> None:
    assert set(SERVICES) == {"postgres", "kafka", "web", "topics", "publisher", "consumer"}


def test_each_image_is_pinned_or_built_by_a_stage_that_exists() -> None:
    for service in SERVICES.values():
        if "build" in service:
            assert service["build"]["target"] in stages()
        else:
            assert re.search(r":\d", service["image"])


def test_a_service_waits_only_for_what_can_be_waited_for() -> None:
    for service in SERVICES.values():
        for awaited, how in service.get("depends_on", {}).items():
            assert awaited in SERVICES
            assert checked(awaited) or how["condition"] == "service_completed_successfully"


def test_the_publisher_is_not_root_and_tells_its_health() -> None:
    publisher = stages()["publisher"]
    assert "\nUSER app\n" in publisher
    assert re.search(r"HEALTHCHECK .*python.*PUBLISHER_HTTP.*/healthz", publisher)
    assert environment("publisher")["PUBLISHER_HTTP"].endswith(":9464")


class Page(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False)])
def test_the_health_of_the_publisher_is_asked_past_a_proxy(
    status: int, well: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Page, "status", status)
    found = re.search(r"HEALTHCHECK .*?CMD (\[.*\])", stages()["publisher"])
    assert found
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        _, *words = json.loads(found[1])
        env = {
            "http_proxy": "http://127.0.0.1:1",
            "PUBLISHER_HTTP": f"0.0.0.0:{server.server_port}",
        }
        done = subprocess.run([sys.executable, *words], env=env, stderr=subprocess.PIPE, text=True)
        server.shutdown()
    assert (done.returncode == 0) is well, done.stderr


@pytest.mark.parametrize("stage", ["publisher", "web", "consumer"])
def test_no_image_runs_as_root(stage: str) -> None:
    assert "\nUSER app\n" in stages()[stage]


def test_each_variable_of_the_publisher_is_one_of_its_settings() -> None:
    settings = {f"PUBLISHER_{name.upper()}" for name in Config.model_fields}
    assert set(environment("publisher")) <= settings


def test_every_program_is_told_where_its_servers_are() -> None:
    assert "DATABASE_URL" in environment("web")
    assert {"REPLICA_DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"} <= set(environment("consumer"))
    for service in ("web", "publisher", "consumer"):
        for value in environment(service).values():
            for host in re.findall(r"(?:@|^)([a-z]+):\d+", value):
                assert host in SERVICES


def test_topics_are_never_made_by_a_typing_error() -> None:
    assert environment("kafka")["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_servers_are_reachable_from_this_machine_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_extra_that_an_image_installs_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = set(re.findall(r"\.whl\)\[(\w+)\]", DOCKERFILE))
    assert installed == {"django", "publisher"}
    assert installed <= set(project["optional-dependencies"])


def test_what_the_images_copy_exists_and_is_not_ignored() -> None:
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    for source in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, flags=re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists(), name
            assert f"!{name}" in kept


def test_the_programs_that_the_images_start_exist() -> None:
    for module in re.findall(r"examples\.[a-z.]+", DOCKERFILE):
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").exists(), module


def test_compose_itself_accepts_the_file() -> None:
    docker = shutil.which("docker")
    command = [docker or "docker", "compose", "--file", str(ROOT / "docker-compose.yml"), "config"]
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not installed here")
    done = subprocess.run([*command, "--quiet"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
