"""A private /opt/ml for a container, where the system can give it one.

On Linux with util-linux and user namespaces, `unshare -rm` gives a process mounts of its own: the
container's folder is bound to /opt/ml, and the model, read-only, to /opt/ml/model. When /opt has
no `ml`, a temporary /opt with the same entries and `ml` beside them is laid over it; nothing of
this is visible outside. Elsewhere containers find their tree by SAGEMAKER_BASE_DIR and the SM_*
variables.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

# $1 an empty folder to build /opt in, $2 becomes /opt/ml, $3 /opt/ml/model (or "-": nothing does).
_SCRIPT = """
set -e
stage=$1; root=$2; model=$3; shift 3
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
[ "$model" = - ] || mount -o bind,ro "$model" /opt/ml/model
exec "$@"
"""


def wrap(command: Sequence[str], *, stage: Path, root: Path, model: Path | None) -> list[str]:
    """`command` with `root` as its /opt/ml; `stage` is an empty folder, `root/model` exists."""
    mounts = [str(stage), str(root), str(model or "-")]
    return ["unshare", "-rm", "sh", "-c", _SCRIPT, "private-opt-ml", *mounts, *command]


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
        probe = wrap(["test", "-e", "/opt/ml/model/probe"], stage=stage, root=root, model=model)
        try:
            return (
                subprocess.run(probe, capture_output=True, timeout=20, check=False).returncode == 0
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
