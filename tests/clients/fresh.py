"""The client's wheel, built and installed into a fresh environment that has none of the platform's packages."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(folder: Path) -> Path:
    """Build the wheel as its README says."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT / "clients" / "python", check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    return wheel


def fresh_environment(wheel: Path, folder: Path) -> Path:
    """The Python of a fresh environment with the wheel in it. What the wheel needs of others is this environment's: its
    folder is on the path, but not what is installed there as editable, which is the platform."""
    venv.create(folder / "fresh", with_pip=False)
    python = folder / "fresh" / "bin" / "python"
    uv = [
        str(Path(sys.executable).with_name("uv")),
        "pip",
        "install",
        "--python",
        str(python),
        "--offline",
        "--no-deps",
    ]
    subprocess.run([*uv, str(wheel)], check=True, capture_output=True)
    [packages] = (folder / "fresh" / "lib").glob("python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python
