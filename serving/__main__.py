"""`python -m serving serve`: what SageMaker runs in the inference container."""

from __future__ import annotations

import logging
import os
import sys
import warnings

from serving.errors import ArtifactError, SettingsError
from serving.invocations import Invocations
from serving.model import Model
from serving.server import Application, listen, run
from serving.settings import read


def main(arguments: list[str]) -> int:
    """Serve; returns an exit status only when it cannot."""
    if arguments != ["serve"]:
        print("usage: python -m serving serve", file=sys.stderr)
        return 2
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    # Pillow remarks on odd TIFFs; the caller gets an answer or an error, the log nothing.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    try:
        settings = read(os.environ)
        model = Model(settings.model_dir, settings.workers)
        server = listen(settings.host, settings.port)
    except (SettingsError, ArtifactError) as error:
        print(f"serving: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        print(f"serving: cannot listen on {where}: {error.strerror}", file=sys.stderr)
        return 1
    run(Application(Invocations(model, settings), settings.workers), server)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
