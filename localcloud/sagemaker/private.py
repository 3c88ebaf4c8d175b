"""A private /opt/ml, /etc/hosts and host name for a container, where the system can give them.

On Linux with util-linux and user namespaces, `unshare -rmu` gives a process mounts and a host name
of its own: the container's folder is bound to /opt/ml, folders that it must not change (the model
of a server) are bound read-only below that, and a hosts file is bound over /etc/hosts. When /opt
has no `ml`, a temporary /opt with the same entries and `ml` beside them is laid over it; nothing of
this is visible outside. Elsewhere containers find their tree by SAGEMAKER_BASE_DIR and the SM_*
variables, and hosts have the names that the system resolves (see `network.py`).

This keeps containers out of each other's way; it does not lock anything up: a container runs as the
user who started the local cloud, and sees the user's files.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

# $1 an empty folder to build /opt in, $2 becomes /opt/ml, $3 /etc/hosts and $4 the host name ("-":
# as outside); then pairs of a folder and where below /opt/ml it is read-only; "--"; the command.
_SCRIPT = """
set -e
stage=$1; root=$2; hosts=$3; name=$4; shift 4
if [ ! -d /opt/ml ]; then
  mount -t tmpfs tmpfs "$stage"
  for entry in /opt/* /opt/.[!.]*; do
    [ -e "$entry" ] || continue
    target="$stage/${entry##*/}"
    if [ -d "$entry" ]; then mkdir "$target"; mount --rbind "$entry" "$target"
    else : > "$target"; mount --bind "$entry" "$target"; fi
  done
  mkdir "$stage/ml"
  mount --rbind "$stage" /opt
fi
mount --bind "$root" /opt/ml
while [ "$1" != -- ]; do mount -o bind,ro "$1" "/opt/ml/$2"; shift 2; done
shift
[ "$hosts" = - ] || mount --bind "$hosts" /etc/hosts
[ "$name" = - ] || ! command -v hostname > /dev/null || hostname "$name"
exec "$@"
"""


def wrap(
    command: Sequence[str],
    *,
    stage: Path,
    root: Path,
    read_only: Mapping[str, Path] | None = None,
    hosts: Path | None = None,
    hostname: str | None = None,
) -> list[str]:
    """`command` with `root` as its /opt/ml.

    stage: an empty folder
    read_only: by path below /opt/ml, which exists in `root`: the folder that lies there
    hosts: becomes /etc/hosts; by default that of the system
    hostname: what `gethostname` says; without the program `hostname`, that of the system
    """
    mounts = [str(stage), str(root), str(hosts or "-"), hostname or "-"]
    for target, folder in (read_only or {}).items():
        mounts += [str(folder), target]
    return ["unshare", "-rmu", "sh", "-c", _SCRIPT, "private-opt-ml", *mounts, "--", *command]


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether this system can; tried once, for real."""
    if not sys.platform.startswith("linux"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        stage, root, model = (Path(folder) / name for name in ("stage", "root", "artifact"))
        for path in (stage, root, model, root / "model"):
            path.mkdir()
        (model / "probe").touch()
        hosts = Path(folder) / "hosts"
        hosts.write_text("127.0.0.1 localhost\n", encoding="utf-8")
        probe = wrap(
            ["test", "-e", "/opt/ml/model/probe"],
            stage=stage,
            root=root,
            read_only={"model": model},
            hosts=hosts,
            hostname="algo-1",
        )
        try:
            return (
                subprocess.run(probe, capture_output=True, timeout=20, check=False).returncode == 0
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
