"""Compile fastnet for arm64 and run its tests in an emulator: `make test-arm64` on Debian or Ubuntu.

The folder build/arm64/sysroot gets this system's own packages of Python for arm64, and build/arm64/venv the wheels of
what the tests need. Nothing is installed on the machine itself.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from emulation import PYTEST_OPTIONS, emulated_environment, require

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "arm64"
SYSROOT = FOLDER / "sysroot"
PROGRAMS = {
    "aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu",
    "qemu-aarch64": "qemu-user",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
}
MIRRORS = {
    "debian": ("http://deb.debian.org/debian", "main", "debian-archive-keyring.gpg"),
    "ubuntu": ("http://ports.ubuntu.com/ubuntu-ports", "main universe", "ubuntu-archive-keyring.gpg"),
}
PACKAGES = ["python3", "libpython3-dev", "libgomp1", "libstdc++6"]
WHEELS = ["numpy", "scipy", "pytest", "pytest-xdist", "hypothesis", "safetensors"]
# Modules of the tests' group that are not among them.
ABSENT = "sklearn pandas polars pyarrow onnx onnxruntime matplotlib h5py joblib threadpoolctl tqdm"


# ---- A Python for arm64 ---------------------------------------------------------------------------------------------


def apt_options() -> list[str]:
    """Return the options that let apt work in a folder of its own: for arm64, with no package installed yet."""
    system = platform.freedesktop_os_release()
    if system["ID"] not in MIRRORS:
        sys.exit(f"make test-arm64 downloads packages of Debian or Ubuntu, and this is {system.get('PRETTY_NAME')}")
    uri, components, keyring = MIRRORS[system["ID"]]
    apt = FOLDER / "apt"
    for folder in ("lists/partial", "archives/partial", "empty"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    source = f"deb [signed-by=/usr/share/keyrings/{keyring}] {uri} {system['VERSION_CODENAME']} {components}\n"
    (apt / "sources.list").write_text(source, encoding="utf-8")
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",  # who may write to this folder
        "Debug::NoLocking": "true",
        "Dir::Etc::sourcelist": str(apt / "sources.list"),
        "Dir::Etc::sourceparts": str(apt / "empty"),
        "Dir::Etc::preferencesparts": str(apt / "empty"),
        "Dir::State::lists": str(apt / "lists"),
        "Dir::State::status": str(apt / "status"),
        "Dir::Cache::archives": str(apt / "archives"),
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
    }
    return [option for name, value in settings.items() for option in ("-o", f"{name}={value}")]


def download_python() -> None:
    """Unpack Python for arm64, its headers and all libraries that it needs."""
    print("Downloading Python for arm64 ...", flush=True)
    options = apt_options()
    subprocess.run(["apt-get", *options, "-qq", "update"], check=True)
    subprocess.run(["apt-get", *options, "-qq", "install", "--download-only", "--yes", *PACKAGES], check=True)
    unpacked = FOLDER / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    for name in ("bin", "lib", "sbin"):  # as on the systems themselves; some packages still have files in /lib
        (unpacked / "usr" / name).mkdir(parents=True)
        (unpacked / name).symlink_to(f"usr/{name}")
    for package in sorted((FOLDER / "apt" / "archives").glob("*.deb")):
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as archive:
            command = ["tar", "--extract", "--keep-directory-symlink", "--no-same-owner", f"--directory={unpacked}"]
            subprocess.run(command, stdin=archive.stdout, check=True)
    unpacked.rename(SYSROOT)


def interpreter() -> Path:
    """Return the Python of the packages."""
    return (SYSROOT / "usr" / "bin" / "python3").resolve()


def install_wheels(site_packages: Path) -> None:
    """Install the wheels for arm64 that the tests need."""
    print("Downloading wheels for arm64 ...", flush=True)
    version = interpreter().name.removeprefix("python")
    glibcs = [f"manylinux_2_{minor}_aarch64" for minor in range(36, 16, -1)] + ["manylinux2014_aarch64"]
    platforms = [option for name in glibcs for option in ("--platform", name)]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:", "--python-version", version]
    subprocess.run([*pip, *platforms, "--target", site_packages, *WHEELS], check=True)


# ---- fastnet for arm64 ----------------------------------------------------------------------------------------------


def build(python: Path, site_packages: Path) -> None:
    """Compile the module for arm64 and put it and the package where that Python finds them."""
    pybind11 = subprocess.check_output([sys.executable, "-m", "pybind11", "--cmakedir"], text=True).strip()
    settings = {
        "CMAKE_SYSTEM_NAME": "Linux",
        "CMAKE_SYSTEM_PROCESSOR": "aarch64",
        "CMAKE_CXX_COMPILER": "aarch64-linux-gnu-g++",
        "CMAKE_CXX_FLAGS": f"-idirafter {SYSROOT}/usr/include",  # Python's headers include one below it
        "CMAKE_INSTALL_PREFIX": str(site_packages),
        "FASTNET_WERROR": "ON",
        "Python_EXECUTABLE": str(python),
        "Python_INCLUDE_DIR": f"{SYSROOT}/usr/include/{interpreter().name}",
        "pybind11_DIR": pybind11,
    }
    cmake, folder = Path(sys.prefix) / "bin" / "cmake", FOLDER / "cmake"
    path = f"{cmake.parent}{os.pathsep}{os.environ['PATH']}"
    configured = [
        cmake,
        "-S",
        ROOT,
        "-B",
        folder,
        "-G",
        "Ninja",
        *(f"-D{name}={value}" for name, value in settings.items()),
    ]
    for command in (configured, [cmake, "--build", folder], [cmake, "--install", folder]):
        subprocess.run(command, env={**os.environ, "PATH": path}, check=True)
    shutil.copytree(ROOT / "python" / "fastnet", site_packages / "fastnet", dirs_exist_ok=True)


def main() -> int:
    require(PROGRAMS, "make test-arm64")
    if not SYSROOT.is_dir():
        download_python()
    emulator = ["qemu-aarch64", "-L", str(SYSROOT)]
    python = emulated_environment(FOLDER / "venv", emulator, interpreter(), None)
    site_packages = FOLDER / "venv" / "lib" / interpreter().name / "site-packages"
    if not (site_packages / "numpy").is_dir():
        install_wheels(site_packages)
    build(python, site_packages)
    command = [python, "-m", "pytest", *PYTEST_OPTIONS, *sys.argv[1:]]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "FASTNET_ABSENT": ABSENT}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
