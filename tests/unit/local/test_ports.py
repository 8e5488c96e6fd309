"""Ports for servers that are stopped and started again."""

import socket
from contextlib import closing
from pathlib import Path

import pytest

from local.ports import LOOPBACK, RANGE, free_ports

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_several_ports_differ_and_can_be_bound() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        with closing(socket.socket()) as server:
            server.bind((LOOPBACK, port))


@pytest.mark.skipif(not EPHEMERAL.exists(), reason="no such setting on this system")
def test_a_client_that_keeps_connecting_is_never_given_the_port_of_its_server() -> None:
    lowest = int(EPHEMERAL.read_text().split()[0])
    if lowest < 32_768:
        pytest.skip(f"outgoing connections begin at {lowest} here")
    assert RANGE.stop <= lowest
