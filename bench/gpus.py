"""What is a training step on SageMaker's GPUs? XLA compiles it for them; none needs to be here.

    python bench/gpus.py [--preset default --preset wide-28-10 …] [--on T4 --on A10G:4 …] [--json]

XLA's compiler for NVIDIA GPUs needs a GPU's description, not the GPU. The training job's own code
plans and builds a run on GPUs that are described so, up to its first step, which is compiled and
not run. Printed for each preset and GPU (`A10G:4`: a host with four):

- the precision that the job chooses there
- how many of the step's convolutions, forward and backward, give which type
- how many of a batch's images each GPU gets, and whether the training rows lie there
- memory of each GPU, most at any moment of a step: rows; weights, their averages and the
  optimizer's state, before and after it; activations. Not in it are what cuDNN's faster algorithms
  take besides, and the variables' values of the last epoch's end, as much as weights and state
- exchanges between the GPUs in a step

Images are blank, as many and as large as Fashion-MNIST's 60,000; for the ResNets 2,000 photos. One
in ten is for validation. Keras' backend is JAX, whose compiler can be had alone. SageMaker's jobs
use TensorFlow and its copy of the compiler, on one GPU; on several TensorFlow compiles nothing.
"""

# ruff: noqa: PLC0415 - what the training environment has is imported there

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

REPO = Path(__file__).resolve().parents[1]
VENVS = REPO / os.environ.get("PIGEONHOLE_VENVS", ".venvs")
PYTHON = VENVS / "training" / "bin" / "python"
ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join([str(VENVS / "jax"), str(VENVS / "cuda")]),
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",  # CUDA's libraries are not there, and not needed
}
CONVOLUTION = re.compile(r'= \(?(\w+)\[[^\n]*custom_call_target="__cudnn\$conv')
OTHERWISE = re.compile(r" convolution\(|__cudnn\$fusion")
EXCHANGE = re.compile(r" all-reduce(?:-start)?\(")
PICKED = re.compile(r"entry_computation_layout=\{.*s32\[(\d+)\]\{0\}, u8\[\d+,")
BATCH = re.compile(r"entry_computation_layout=\{.*u8\[(\d+),")
LONG = {"f16": "float16", "bf16": "bfloat16", "f32": "float32"}
MIB, GIB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Gpu:
    """What XLA asks of a GPU, from NVIDIA's data sheets and tuning guides: bandwidth in bytes a
    second, cache in MiB, shared memory of a multiprocessor in KiB, clock in GHz; memory in GiB as
    its driver reports it."""

    instances: str
    name: str
    capability: tuple[int, int]
    multiprocessors: int
    lanes: int
    threads: int
    memory: int
    bandwidth: float
    cache: int
    shared: int
    clock: float

    def description(self) -> str:
        """As XLA reads it (`GpuTargetConfigProto`, in protobuf's text format)."""
        # A block may have all of a multiprocessor's shared memory but one KiB (Turing: all).
        block = self.shared - (self.capability > (7, 5))
        major, minor = self.capability
        return f"""
            platform_name: "CUDA"
            device_description_str: "{self.name}"
            runtime_version {{ major: 12 minor: 9 }}
            dnn_version_info {{ major: 9 minor: 8 }}
            gpu_device_info {{
              cuda_compute_capability {{ major: {major} minor: {minor} }}
              core_count: {self.multiprocessors}
              fpus_per_core: {self.lanes}
              threads_per_warp: 32
              threads_per_block_limit: 1024
              threads_per_core_limit: {self.threads}
              block_dim_limit_x: 2147483647
              block_dim_limit_y: 65535
              block_dim_limit_z: 65535
              registers_per_block_limit: 65536
              registers_per_core_limit: 65536
              shared_memory_per_block: 49152
              shared_memory_per_block_optin: {block << 10}
              shared_memory_per_core: {self.shared << 10}
              l2_cache_size: {self.cache * MIB}
              device_memory_size: {self.memory * GIB}
              memory_bandwidth: {self.bandwidth:.0f}
              clock_rate_ghz: {self.clock}
            }}"""


GPUS = {
    "T4": Gpu("g4dn", "Tesla T4", (7, 5), 40, 64, 1024, 15, 320e9, 4, 64, 1.59),
    "A10G": Gpu("g5", "NVIDIA A10G", (8, 6), 80, 128, 1536, 22, 600e9, 6, 100, 1.71),
    "L4": Gpu("g6", "NVIDIA L4", (8, 9), 58, 128, 1536, 22, 300e9, 48, 100, 2.04),
    "A100": Gpu("p4d", "NVIDIA A100-SXM4-40GB", (8, 0), 108, 64, 2048, 39, 1555e9, 40, 164, 1.41),
    "H100": Gpu("p5", "NVIDIA H100 80GB HBM3", (9, 0), 132, 128, 2048, 79, 3352e9, 50, 228, 1.98),
}


@dataclass(frozen=True)
class Compiled:
    """A step on one of `count` equal GPUs; `memory` in bytes, `images` of a batch on each GPU."""

    preset: str
    gpu: str
    count: int
    precision: str
    images: int
    convolutions: dict[str, int]
    rows_on_device: bool
    memory: int
    device_memory: int
    exchanges: int


class _FirstStep(Exception):
    """What a run on described GPUs ends with: its compiled step."""

    def __init__(self, executable: Any) -> None:
        self.executable = executable


class DescribedJax:
    """JAX as the engine sees it, on GPUs that are described alone: arrays there are shapes, and a
    compiled function's first call ends the run with what it was compiled to."""

    def __init__(self, devices: list[Any]) -> None:
        self._devices = devices

    def __getattr__(self, name: str) -> Any:
        import jax

        return getattr(jax, name)

    def local_devices(self) -> list[Any]:
        """The described ones."""
        return self._devices

    def device_put(self, value: Any, sharding: Any) -> Any:
        """Nothing but the shape."""
        import jax

        return jax.ShapeDtypeStruct(value.shape, value.dtype, sharding=sharding)

    def jit(self, function: Callable[..., Any]) -> Callable[..., NoReturn]:
        """Compiled when it is called, for the GPUs."""
        import jax

        def compiled(*arguments: Any) -> NoReturn:
            traced = jax.jit(function).trace(*arguments)
            raise _FirstStep(traced.lower(lowering_platforms=("cuda",)).compile())

        return compiled


@contextlib.contextmanager
def described(gpu: Gpu, count: int) -> Iterator[None]:
    """Within it JAX's engine finds `count` of these GPUs."""
    from jax.experimental import topologies
    from pigeonhole_training.fitting import on_jax

    host = topologies.get_topology_desc(
        "described", "cuda", target_config=gpu.description(), topology=f"1x1x{count}"
    )
    memories = [gpu.memory * GIB] * count
    with (
        mock.patch.object(on_jax, "jax", DescribedJax(host.devices)),
        mock.patch.object(on_jax, "gpu_memories", return_value=memories),
    ):
        yield


def compile_step(preset: str, gpu_name: str, count: int) -> Compiled:
    """The first step of a training job of this preset."""
    import numpy as np
    from pigeonhole_training.config import Hyperparameters, JobConfig
    from pigeonhole_training.data.rows import Pool
    from pigeonhole_training.data.split import Split
    from pigeonhole_training.data.version import DatasetVersion, Shape
    from pigeonhole_training.fitting.engines import open_engine
    from pigeonhole_training.fitting.train import train
    from pigeonhole_training.models import preset_of

    photos = preset.startswith("resnet")
    side = preset_of(preset).photo_side if photos else 28
    shape, rows = Shape(side, side, 3 if photos else 1), 2_000 if photos else 60_000
    pixels = np.zeros((rows, side, side, shape.channels), np.uint8)
    pool = Pool(pixels, np.zeros(rows, np.int32), np.zeros(rows, np.uint64))
    tenth = rows // 10
    validation = pool.rows(np.arange(tenth))
    split = Split(pool.rows(np.arange(tenth, rows)), validation, validation, "test files")
    names = tuple("abcdefghij")
    version = DatasetVersion("described", "0" * 64, (), shape, names, names)
    gpu = GPUS[gpu_name]
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, described(gpu, count):
        engine = open_engine()
        none = Path(folder)
        config = JobConfig(
            none, none, None, none, none, none, None, "described", Hyperparameters(preset)
        )
        try:
            with contextlib.redirect_stdout(said):
                train(config, version, split, engine)
        except _FirstStep as reached:
            executable = reached.executable
        else:
            raise RuntimeError("the run ended without a step")
    text = executable.as_text()
    found = Counter(LONG.get(kind, kind) for kind in CONVOLUTION.findall(text))
    if OTHERWISE.search(text):
        raise RuntimeError("XLA made something else of a convolution than a call of cuDNN")
    # The last arguments: positions and the rows that they pick from, or a batch of pixels itself.
    picked = PICKED.search(text)
    return Compiled(
        preset=preset,
        gpu=gpu_name,
        count=count,
        precision=said.getvalue().strip().rpartition(", ")[2],
        images=int(picked[1]) if picked else int(BATCH.findall(text)[0]),
        convolutions=dict(found),
        rows_on_device=picked is not None,
        memory=int(executable.memory_analysis().peak_memory_in_bytes),
        device_memory=gpu.memory * GIB,
        exchanges=len(EXCHANGE.findall(text)),
    )


def parse(arguments: list[str]) -> argparse.Namespace:
    """The flags above."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--preset", action="append", help="default and wide-28-10, if none is named"
    )
    parser.add_argument("--on", action="append", metavar="GPU[:COUNT]", help=", ".join(GPUS))
    parser.add_argument("--json", action="store_true", help="a line of JSON for each, nothing else")
    flags = parser.parse_args(arguments)
    flags.preset = flags.preset or ["default", "wide-28-10"]
    flags.on = [on.partition(":") for on in flags.on or [*GPUS, "A10G:4"]]
    for name, _, count in flags.on:
        if name not in GPUS or not (count or "1").isdecimal() or int(count or 1) < 1:
            parser.error(f"--on takes {', '.join(GPUS)}, or A10G:4 for four of them")
    return flags


def main(arguments: list[str]) -> int:
    """Runs itself anew in the training environment, with JAX and its compiler beside it."""
    flags = parse(arguments)
    if not (VENVS / "cuda" / "jax_plugins").is_dir():
        print(f"XLA's compiler for GPUs is not in {VENVS / 'cuda'}: `make setup-test` installs it")
        return int(sys.platform == "linux")  # there is none for others
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        command = [str(PYTHON), str(Path(__file__).resolve()), *arguments]
        os.execve(PYTHON, command, os.environ | ENVIRONMENT)
    sys.path.insert(0, str(REPO / "training_job"))
    from train import choose_backend

    choose_backend(os.environ, gpus=1)
    from pigeonhole_training.errors import BadRequest
    from pigeonhole_training.progress import quiet_stderr

    if not flags.json:
        print(
            f"{'preset':<16}{'GPUs':<15}{'precision':<16}{'convolutions':<16}{'images each':>12}"
            f"{'rows there':>12}{'memory each':>13}{'of':>8}{'exchanges':>11}"
        )
    for preset in flags.preset:
        for gpu, _, count in flags.on:
            with quiet_stderr():  # CUDA's libraries are missed loudly
                try:
                    step = compile_step(preset, gpu, int(count or 1))
                except BadRequest as error:
                    sys.exit(str(error))
            print(json.dumps(asdict(step)) if flags.json else line(step), flush=True)
    return 0


def line(step: Compiled) -> str:
    """A line of the table."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in step.convolutions.items())
    host = f"{step.count} x {step.gpu}" if step.count > 1 else step.gpu
    host += f" ({GPUS[step.gpu].instances})"
    return (
        f"{step.preset:<16}{host:<15}{step.precision:<16}{kinds:<16}{step.images:>12}"
        f"{'yes' if step.rows_on_device else 'no':>12}{step.memory / GIB:>9.2f} GiB"
        f"{step.device_memory / GIB:>4.0f} GiB{step.exchanges:>11}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
