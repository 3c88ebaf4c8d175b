"""Names and addresses for the hosts of a job: `algo-1`, `algo-2` … on the loopback interface.

    with network.lease(["algo-1", "algo-2"]) as hosts:      # {"algo-1": "127.77.3.9", …}
        Spec(…, hosts=hosts, hostname="algo-1"), Spec(…, hosts=hosts, hostname="algo-2")

Each host of each running job has an address of its own, so that two hosts may listen on the same
port as they do on AWS, as long as each listens on its own name. One that listens on all addresses
(0.0.0.0) takes the port from all hosts of this machine: they share its network. TensorFlow's own
server does, which is why `toolkit.py` derives a port from the address: address number N of the
pool has the port 20000 + N.

Where containers have a private /etc/hosts (`private.available()`), the addresses come from
127.77.1.1 to 127.77.20.254, all of which Linux answers to. Elsewhere a job of one host gets
127.0.0.1, and one of several runs when the system resolves their names to loopback addresses of
their own, one job at a time; see docs/local-containers.md for what makes macOS do so.

An address is held by a socket that is bound on it and never listens: the system itself keeps two
jobs, or two local clouds, from having the same, and gives it back when its holder is killed.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence

from localcloud.sagemaker import private

_GUARD_PORT = 61877  # above the range that Linux hands out by itself
_NETWORK = "127.77.{}.{}"
_SIZE = 20 * 254
_TRIES = 512


class NoNetwork(Exception):
    """These hosts cannot have addresses here; the message is fit for a FailureReason."""


@contextlib.contextmanager
def lease(
    names: Sequence[str],
    *,
    own_hosts_file: Callable[[], bool] = private.available,
    look_up: Callable[[str], str] = socket.gethostbyname,
) -> Iterator[Mapping[str, str]]:
    """Hold an address for each of the hosts `names`; keep it until their processes are gone.

    own_hosts_file: whether containers can have an /etc/hosts of their own
    look_up: the system's resolver, asked where they cannot

    Raises NoNetwork.
    """
    with contextlib.ExitStack() as held:
        if own_hosts_file():
            yield _free(names, held)
        elif len(names) == 1:
            yield {names[0]: "127.0.0.1"}
        else:
            yield _resolved(names, held, look_up)


def _free(names: Sequence[str], held: contextlib.ExitStack) -> dict[str, str]:
    start = random.randrange(_SIZE)
    found: dict[str, str] = {}
    waiting = list(reversed(names))
    for number in itertools.islice(itertools.count(start), len(names) + _TRIES):
        if not waiting:
            break
        high, low = divmod(number % _SIZE, 254)
        address = _NETWORK.format(high + 1, low + 1)
        with contextlib.suppress(OSError):
            held.enter_context(_guard(address))
            found[waiting.pop()] = address
    if waiting:
        raise NoNetwork(f"no loopback address is free for the host {waiting[-1]}")
    return found


def _resolved(
    names: Sequence[str], held: contextlib.ExitStack, look_up: Callable[[str], str]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        try:
            address = look_up(name)
        except OSError as error:
            raise NoNetwork(
                f"A job of {len(names)} hosts needs names that resolve, and {name} does not: this "
                "system gives processes no /etc/hosts of their own. "
                "See docs/local-containers.md, or use one host."
            ) from error
        if not address.startswith("127.") or address in found.values():
            raise NoNetwork(f"The host {name} needs a loopback address of its own, not {address}.")
        try:
            held.enter_context(_guard(address))
        except OSError as error:
            raise NoNetwork(
                f"The address {address} of the host {name} cannot be used: {error.strerror}. "
                "Here one job of several hosts runs at a time."
            ) from error
        found[name] = address
    return found


def _guard(address: str) -> socket.socket:
    """Bind the address's guard. Raises OSError when somebody holds it or the system lacks it."""
    guard = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        guard.bind((address, _GUARD_PORT))
    except OSError:
        guard.close()
        raise
    return guard


def hosts_file(hosts: Mapping[str, str], system: str) -> str:
    """The content of an /etc/hosts with these names before what the `system`'s own says."""
    own = "".join(f"{address}\t{name}\n" for name, address in hosts.items())
    return f"127.0.0.1\tlocalhost\n{own}{system}"
