"""Which kind of processor this is. Figures belong to a kind: RESULTS.md has a section for each.

Virtual machines hide the name of the model ("AMD EPYC"), so a kind is told by its maker, by what family and model stand
for, and by the widest instruction set.
"""

import platform
from pathlib import Path

VENDORS = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel"}

# Family, models from and to, name; of AMD as in Linux's arch/x86/kernel/cpu/amd.c, of Intel as in its intel-family.h.
MICROARCHITECTURES = {
    "AMD": (
        (0x17, ((0x00, 0x2F), (0x50, 0x5F)), "Zen"),
        (0x17, ((0x30, 0x4F), (0x60, 0x7F), (0x90, 0x91), (0xA0, 0xAF)), "Zen 2"),
        (0x19, ((0x00, 0x0F), (0x20, 0x5F)), "Zen 3"),
        (0x19, ((0x10, 0x1F), (0x60, 0xAF)), "Zen 4"),
        (0x1A, ((0x00, 0x2F), (0x40, 0x4F), (0x60, 0x7F)), "Zen 5"),
    ),
    "Intel": (
        (6, ((0x3C, 0x3C), (0x3F, 0x3F), (0x45, 0x46)), "Haswell"),
        (6, ((0x3D, 0x3D), (0x47, 0x47), (0x4F, 0x4F), (0x56, 0x56)), "Broadwell"),
        (6, ((0x4E, 0x4E), (0x5E, 0x5E), (0x8E, 0x8E), (0x9E, 0x9E), (0xA5, 0xA6)), "Skylake"),
        (6, ((0x55, 0x55),), "Skylake server"),  # Cascade Lake and Cooper Lake are steppings of it
        (6, ((0x6A, 0x6A), (0x6C, 0x6C)), "Ice Lake server"),
        (6, ((0x7D, 0x7E),), "Ice Lake"),
        (6, ((0x8C, 0x8D),), "Tiger Lake"),
        (6, ((0xA7, 0xA7),), "Rocket Lake"),
        (6, ((0x97, 0x97), (0x9A, 0x9A)), "Alder Lake"),
        (6, ((0xB7, 0xB7), (0xBA, 0xBA), (0xBF, 0xBF)), "Raptor Lake"),
        (6, ((0xAA, 0xAA), (0xAC, 0xAC)), "Meteor Lake"),
        (6, ((0x8F, 0x8F),), "Sapphire Rapids"),
        (6, ((0xCF, 0xCF),), "Emerald Rapids"),
        (6, ((0xAD, 0xAE),), "Granite Rapids"),
    ),
}
ARM_CORES = {"0xd0c": "Neoverse N1", "0xd40": "Neoverse V1", "0xd49": "Neoverse N2", "0xd4f": "Neoverse V2"}


def cpuinfo() -> dict[str, str]:
    """Return what Linux says of the first processor; nothing elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    return fields(text)


def fields(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def kind(info: dict[str, str]) -> str:
    """Return the kind, from what `cpuinfo` found: "AMD Zen 4 (AVX-512)"."""
    if "vendor_id" in info:
        return f"{microarchitecture(info)} ({instruction_sets(info.get('flags', '').split())})"
    if part := info.get("CPU part"):
        return f"Arm {ARM_CORES.get(part, f'part {part}')}"
    return platform.processor() or platform.machine() or "unknown processor"


def microarchitecture(info: dict[str, str]) -> str:
    vendor = VENDORS.get(info["vendor_id"], info["vendor_id"])
    family, model = int(info.get("cpu family", 0)), int(info.get("model", 0))
    for known, ranges, name in MICROARCHITECTURES.get(vendor, ()):
        if known == family and any(low <= model <= high for low, high in ranges):
            return f"{vendor} {name}"
    return f"{vendor} family {family}, model {model}"


def instruction_sets(flags: list[str]) -> str:
    """Return the widest that matter to a matrix product."""
    widest = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "without AVX2"
    return f"{widest}, AMX" if "amx_tile" in flags else widest


def description(info: dict[str, str]) -> str:
    """Return the name that the processor gives itself, and the numbers that tell its kind."""
    name = info.get("model name") or platform.processor() or "unknown processor"
    numbers = f" (family {info['cpu family']}, model {info['model']})" if "cpu family" in info else ""
    return name + numbers
