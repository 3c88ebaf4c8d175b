"""SageMaker's common training instances: cores, memory and GPUs.

Figures are those of the EC2 instances of the same names (Amazon EC2 User Guide, "Instance types":
general purpose, compute optimized, accelerated computing), as of November 2026; memory is what the
guide gives, of which a container sees some per cent less. A GPU's memory is its maker's figure.
"""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole_training.watching.profile import GIB, Machine


@dataclass(frozen=True)
class Instance:
    """`memory` and `gpu_memory` (of each GPU) in GiB."""

    name: str
    cpus: int
    memory: int
    gpus: int = 0
    gpu_memory: int = 0

    @property
    def family(self) -> str:
        """`ml.g5` of `ml.g5.xlarge`."""
        return self.name.rpartition(".")[0]

    def __str__(self) -> str:
        gpus = ""
        if self.gpus:
            each = "" if self.gpus == 1 else "each "
            gpus = f", {self.gpus} GPU{'s' * (self.gpus > 1)} with {each}{self.gpu_memory} GiB"
        return f"{self.name} ({self.cpus} vCPUs, {self.memory} GiB{gpus})"


# Each family from small to large.
INSTANCES = (
    Instance("ml.m5.large", 2, 8),
    Instance("ml.m5.xlarge", 4, 16),
    Instance("ml.m5.2xlarge", 8, 32),
    Instance("ml.m5.4xlarge", 16, 64),
    Instance("ml.m5.12xlarge", 48, 192),
    Instance("ml.m5.24xlarge", 96, 384),
    Instance("ml.c5.xlarge", 4, 8),
    Instance("ml.c5.2xlarge", 8, 16),
    Instance("ml.c5.4xlarge", 16, 32),
    Instance("ml.c5.9xlarge", 36, 72),
    Instance("ml.c5.18xlarge", 72, 144),
    Instance("ml.r5.large", 2, 16),
    Instance("ml.r5.xlarge", 4, 32),
    Instance("ml.r5.2xlarge", 8, 64),
    Instance("ml.r5.4xlarge", 16, 128),
    Instance("ml.r5.12xlarge", 48, 384),
    Instance("ml.g4dn.xlarge", 4, 16, 1, 16),
    Instance("ml.g4dn.2xlarge", 8, 32, 1, 16),
    Instance("ml.g4dn.4xlarge", 16, 64, 1, 16),
    Instance("ml.g4dn.8xlarge", 32, 128, 1, 16),
    Instance("ml.g4dn.16xlarge", 64, 256, 1, 16),
    Instance("ml.g4dn.12xlarge", 48, 192, 4, 16),
    Instance("ml.g5.xlarge", 4, 16, 1, 24),
    Instance("ml.g5.2xlarge", 8, 32, 1, 24),
    Instance("ml.g5.4xlarge", 16, 64, 1, 24),
    Instance("ml.g5.8xlarge", 32, 128, 1, 24),
    Instance("ml.g5.16xlarge", 64, 256, 1, 24),
    Instance("ml.g5.12xlarge", 48, 192, 4, 24),
    Instance("ml.g5.48xlarge", 192, 768, 8, 24),
    Instance("ml.g6.xlarge", 4, 16, 1, 24),
    Instance("ml.g6.2xlarge", 8, 32, 1, 24),
    Instance("ml.g6.4xlarge", 16, 64, 1, 24),
    Instance("ml.g6.8xlarge", 32, 128, 1, 24),
    Instance("ml.g6.16xlarge", 64, 256, 1, 24),
    Instance("ml.g6.12xlarge", 48, 192, 4, 24),
    Instance("ml.g6.48xlarge", 192, 768, 8, 24),
    Instance("ml.p5.4xlarge", 16, 256, 1, 80),
    Instance("ml.p4d.24xlarge", 96, 1152, 8, 40),
    Instance("ml.p5.48xlarge", 192, 2048, 8, 80),
)

# What to look among where the machine is none of SageMaker's, or one that is not in the table.
CPU_FAMILY, GPU_FAMILY = "ml.m5", "ml.g5"
ROOMIER = {"ml.c5": "ml.m5", "ml.m5": "ml.r5"}  # the same cores with more memory
BIGGER_GPU = {"ml.g4dn": "ml.g5", "ml.g5": "ml.p5", "ml.g6": "ml.p5"}


@dataclass(frozen=True)
class Need:
    """What a run takes: cores, GiB, GPUs, GiB on each GPU."""

    cpus: float
    memory: float
    gpus: int = 0
    gpu_memory: float = 0.0


def family_of(machine: Machine) -> str:
    """The family whose members are compared with this machine."""
    family = machine.instance_type.rpartition(".")[0]
    if any(instance.family == family for instance in INSTANCES):
        return family
    return GPU_FAMILY if machine.gpus else CPU_FAMILY


def smallest(family: str, need: Need) -> Instance | None:
    """The family's smallest member that has all that is needed."""
    fitting = (
        i
        for i in INSTANCES
        if i.family == family
        and i.cpus >= need.cpus
        and i.memory >= need.memory
        and i.gpus >= need.gpus
        and (not need.gpus or i.gpu_memory >= need.gpu_memory)
    )
    return min(fitting, key=lambda i: (i.gpus, i.cpus), default=None)


def is_smaller(instance: Instance, machine: Machine) -> bool:
    """Whether it has fewer cores or fewer GPUs than the machine, and no more of either."""
    fewer = instance.cpus < machine.cpus or instance.gpus < len(machine.gpus)
    return fewer and instance.cpus <= machine.cpus and instance.gpus <= len(machine.gpus)


def roomier(machine: Machine, memory: float) -> Instance | None:
    """The next instance with `memory` GiB, at least the machine's cores and GPUs."""
    gpu_memory = max((gpu.memory for gpu in machine.gpus), default=0) / GIB
    need = Need(machine.cpus, memory, len(machine.gpus), 0.9 * gpu_memory)
    family: str | None = family_of(machine)
    found = []
    while family:
        found.append(smallest(family, need))
        family = ROOMIER.get(family)
    return min((i for i in found if i), key=lambda i: (i.cpus, i.memory), default=None)
