"""A small image made of the host's own programs: git, a shell, the usual tools, Perl, Python.

It needs no registry and no package index and is made in seconds, as the playground and
the tests require. It serves as tools image and as agent image.
"""

import hashlib
import io
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import IO

from bot.domain.errors import BadSettings

_PROGRAMS = """
sh bash git env id ls echo cat cp mv rm mkdir rmdir ln chmod touch mkfifo tail head wc sort uniq tr cut
tee sed grep find xargs basename dirname readlink realpath stat du date sleep timeout true false seq dd
printf test perl
"""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FOLDERS = "etc home/agent proc sys dev tmp task usr/bin usr/sbin usr/lib usr/lib64 usr/local/bin workspace"
_LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
# Parts of Python's library that no script in a container needs, or that belong to the host alone.
_LEFT_OUT = re.compile(
    r"__pycache__|/(test|tests|idlelib|ensurepip|lib2to3|tkinter|turtledemo|pydoc_data|(site|dist)-packages"
    r"|config-[^/]*)(/|$)"
)
# Encodings that .gitattributes may name and that are separate modules of the C library.
_ENCODINGS = ("UTF-16.so", "UTF-32.so", "gconv-modules.cache")
_DEMO_TARGET = "usr/local/bin/forgehand-demo-agent"
_RELAY_TARGET = "usr/local/bin/forgehand-relay"
_PASSWD = "root:x:0:0:root:/root:/bin/sh\nagent:x:10001:10001:agent:/home/agent:/bin/sh\n"
_GROUP = "root:x:0:\nagent:x:10001:\n"


def root() -> dict[str, Path]:
    """Return the content of the image: path in it -> file of the host.

    Raises BadSettings if a program is missing.
    """
    content = {f"usr/bin/{name}": _program(name) for name in _PROGRAMS.split()}
    python, library = _python()
    content["usr/bin/python3"] = python
    # An interpreter finds its library relative to itself, so both also have the host's paths.
    content[_inside(python)] = python
    content |= {_inside(path): path for path in _library(library)}
    templates = Path("/usr/share/git-core/templates")
    content |= {_inside(path): path for path in templates.rglob("*") if path.is_file()}
    encodings = (path for name in _ENCODINGS for path in Path("/usr/lib").glob(f"*/gconv/{name}"))
    content |= {_inside(path): path for path in encodings}
    content |= {_inside(path): path for path in _shared({path for path in content.values() if _is_elf(path)})}
    cache = Path("/etc/ld.so.cache")
    return content | ({_inside(cache): cache} if cache.exists() else {})


def digest(content: dict[str, Path]) -> str:
    """Return a digest that identifies the image: it changes with any file, and with this module."""
    summary = hashlib.sha256(demo_agent() + relay() + Path(__file__).read_bytes())
    for target, source in sorted(content.items()):
        stat = source.stat()
        summary.update(f"{target} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return summary.hexdigest()


def archive(content: dict[str, Path]) -> IO[bytes]:
    """Return a tar archive of the root, in a temporary file that is deleted when it is closed."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with tarfile.open(fileobj=file, mode="w", dereference=True) as tar:
        for name in _FOLDERS.split():
            _add_folder(tar, name)
        for link, target in _LINKS.items():
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
        _add_text(tar, "etc/passwd", _PASSWD.encode(), 0o644)
        _add_text(tar, "etc/group", _GROUP.encode(), 0o644)
        _add_text(tar, _DEMO_TARGET, demo_agent(), 0o755)
        _add_text(tar, _RELAY_TARGET, relay(), 0o755)
        for target, source in content.items():
            tar.add(source, target, recursive=False, filter=_as_root)
    file.seek(0)
    return file


def demo_agent() -> bytes:
    """Return the script of the agent that ships for the playground."""
    return (files("bot.sandbox.inside") / "demo_agent.sh").read_bytes()


def relay() -> bytes:
    """Return the program that connects a sandbox to its gateway."""
    return (files("bot.sandbox.inside") / "relay.py").read_bytes()


def _program(name: str) -> Path:
    program = shutil.which(name, path=PATH)
    if program is None:
        raise BadSettings(f"The small image is made of this machine's programs, and {name} is not installed.")
    return Path(program).resolve()


def _python() -> tuple[Path, Path]:
    """Return an interpreter and its library: the system's, else the one of this process."""
    system = shutil.which("python3", path="/usr/bin")
    # The base executable, because the one of a virtual environment depends on it.
    interpreter: str = system or getattr(sys, "_base_executable")  # noqa: B009 - private to CPython
    ask = "import sys, sysconfig; print(sys.executable); print(sysconfig.get_path('stdlib'))"
    output = subprocess.run(
        [interpreter, "-I", "-S", "-c", ask], capture_output=True, text=True, check=True
    ).stdout
    executable, library = output.splitlines()
    return Path(executable).resolve(), Path(library)


def _library(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not _LEFT_OUT.search(str(path.relative_to(folder.parent))):
            yield path


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _shared(programs: set[Path]) -> Iterator[Path]:
    """Yield the shared libraries of these programs, and the loader itself, as ldd names them."""
    output = subprocess.run(["ldd", *map(str, sorted(programs))], capture_output=True, text=True, check=False)
    for match in re.finditer(r"(?:=> |^\t)(/\S+) \(0x", output.stdout, re.MULTILINE):
        yield Path(match[1])


def _inside(path: Path) -> str:
    top, _, rest = str(path).lstrip("/").partition("/")
    return f"{_LINKS.get(top, top)}/{rest}"


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.mode & 0o100 else 0o644
    return entry


def _add_folder(tar: tarfile.TarFile, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
    tar.addfile(entry)


def _add_text(tar: tarfile.TarFile, name: str, text: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text), mode
    tar.addfile(entry, io.BytesIO(text))
