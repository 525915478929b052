"""Puts an object file of machine code into memory: ELF for x86-64, as LLVM writes it for a large code model.

LLVM does it anywhere, but its library costs each process 83 MiB and 55 ms, for what is here two loops: place
the sections, then write addresses into them. What is not of that kind (another system, another relocation)
is refused, and LLVM loads it.

Layouts and numbers are those of the System V ABI (gabi, chapters 4 and 5; psABI for AMD64, 4.4).
"""

from __future__ import annotations

import ctypes
import mmap
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_PAGE = mmap.PAGESIZE
_HEAD = b"\x7fELF\x02\x01"  # 64 bits, little-endian
_RELOCATABLE, _AMD64 = 1, 62
_SYMBOLS, _ADDENDS = 2, 4  # types of sections
_WRITTEN, _ALLOCATED = 1, 2  # flags of sections: data that changes, what has a place in memory
_FRAMES = b".eh_frame"  # for unwinding: nothing in here is thrown
_ADDRESS = 1  # R_X86_64_64: the whole address


class UnlinkableError(Exception):
    """An object file that only LLVM can load."""


@dataclass(frozen=True)
class _Section:
    name: bytes
    type: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int

    @property
    def placed(self) -> bool:
        return bool(self.flags & _ALLOCATED and self.size and self.name != _FRAMES)


def linked(code: bytes) -> Mapping[str, int]:
    """The addresses of an object file's global functions. Its memory is never given back.

    Raises `UnlinkableError` where it is none that can be read here, and `OSError` where memory may not be
    made executable.
    """
    if (
        sys.platform != "linux"
        or code[:6] != _HEAD
        or struct.unpack_from("<HH", code, 16) != (_RELOCATABLE, _AMD64)
    ):
        raise UnlinkableError("no object file of Linux on x86-64")
    sections = _sections(code)
    places, size = {}, 0
    for number, section in enumerate(sections):
        if section.placed:
            if section.flags & _WRITTEN:
                raise UnlinkableError("data that changes, where all is made read-only")
            size = -(-size // section.align) * section.align
            places[number] = size
            size += section.size
    base = _memory(size)
    for number, place in places.items():
        section = sections[number]
        ctypes.memmove(base + place, code[section.offset : section.offset + section.size], section.size)
    table = next(section for section in sections if section.type == _SYMBOLS)
    names = sections[table.link]
    addresses: list[int | None] = []
    entries: dict[str, int] = {}
    for name, info, section_number, value in _symbols(code, table):
        text = _text(code, names.offset + name)
        if section_number in places:
            address = base + places[section_number] + value
            if info >> 4 == 1:  # global
                entries[text] = address
            addresses.append(address)
        else:
            addresses.append(_elsewhere(text) if section_number == 0 and text else None)
    for section in sections:
        if section.type == _ADDENDS and section.info in places:
            _relocate(code, section, base + places[section.info], addresses)
    _executable(base, size)
    return entries


def _sections(code: bytes) -> list[_Section]:
    start, count, names = (
        struct.unpack_from("<Q", code, 40)[0],
        *struct.unpack_from("<HH", code, 60),
    )
    rows = [struct.unpack_from("<IIQQQQIIQQ", code, start + 64 * i) for i in range(count)]
    texts = rows[names][4]
    return [
        _Section(_text(code, texts + name).encode(), kind, flags, offset, size, link, info, max(align, 1))
        for name, kind, flags, _, offset, size, link, info, align, _ in rows
    ]


def _text(code: bytes, at: int) -> str:
    return code[at : code.index(b"\0", at)].decode()


def _symbols(code: bytes, table: _Section) -> Iterator[tuple[int, int, int, int]]:
    """Place of the name, binding and type, section, value: of each symbol."""
    for at in range(table.offset, table.offset + table.size, 24):
        name, info, _, section, value, _ = struct.unpack_from("<IBBHQQ", code, at)
        yield name, info, section, value


def _relocate(code: bytes, section: _Section, target: int, addresses: list[int | None]) -> None:
    for at in range(section.offset, section.offset + section.size, 24):
        offset, info, addend = struct.unpack_from("<QQq", code, at)
        address = addresses[info >> 32]
        if info & 0xFFFFFFFF != _ADDRESS or address is None:
            raise UnlinkableError(f"a relocation of type {info & 0xFFFFFFFF}")
        ctypes.c_uint64.from_address(target + offset).value = address + addend


def _elsewhere(name: str) -> int:
    """The address of a function of the C library's mathematics: the one that Python's own `math` calls."""
    for library in (None, "libm.so.6"):
        function = getattr(ctypes.CDLL(library), name, None)
        if function is not None:
            return int(ctypes.cast(function, ctypes.c_void_p).value or 0)
    raise UnlinkableError(f"nobody has {name}")


def _memory(size: int) -> int:
    """Pages that can be written; made by the C library, as nothing of Python's must ever give them back."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    kind = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    address = libc.mmap(None, max(size, 1), mmap.PROT_READ | mmap.PROT_WRITE, kind, -1, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "no memory for machine code")
    return int(address)


def _executable(address: int, size: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if libc.mprotect(address, -(-size // _PAGE) * _PAGE, mmap.PROT_READ | mmap.PROT_EXEC) != 0:
        raise OSError(ctypes.get_errno(), "memory may not be executable here")
