"""One plainly named file in one zip, written and read as a stream (requirement R7).

Written: a zip with a single member, deflated at level 1 by ISA-L, to any binary stream. The stream need not seek,
so the sizes follow the data in a data descriptor (PKWARE APPNOTE 4.3.9). There is no zip64: a part of an order holds
at most 50,000 ESI-ID-days and stays far below 4 GiB.

Read: the same shape, perhaps in a folder and beside what macOS and Windows add unasked, with bounds on size and ratio,
for the files that TDSPs leave in their inbox. The directory at the end is read first and must agree with the headers in
front of the data, so that two programs can never see two different files in one zip.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import BinaryIO, ClassVar, Final, Self, cast

from isal import isal_zlib

from adapters.deflate_code import Deflated, plain_of

_LOCAL: Final = struct.Struct("<4s5H3I2H")  # APPNOTE 4.3.7
_DESCRIPTOR: Final = struct.Struct("<4s3I")  # APPNOTE 4.3.9
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")  # APPNOTE 4.3.12
_END: Final = struct.Struct("<4s4H2IH")  # APPNOTE 4.3.16
_LOCAL_MARK: Final = b"PK\x03\x04"
_DESCRIPTOR_MARK: Final = b"PK\x07\x08"
_CENTRAL_MARK: Final = b"PK\x01\x02"
_END_MARK: Final = b"PK\x05\x06"
_ZIP64_MARK: Final = b"PK\x06\x07"

_STORED: Final = 0
_DEFLATED: Final = 8
_ENCRYPTED_FLAGS: Final = 0x2041  # encrypted, strongly encrypted, masked headers
_SIZES_FOLLOW: Final = 0x0008
_NAME_IS_UTF8: Final = 0x0800
_MADE_BY_UNIX_2_0: Final = 0x0314
_REGULAR_FILE_0644: Final = 0o100644 << 16
#: Entries that a zip may have, with folders and what macOS and Windows add.
_MOST_ENTRIES: Final = 64
_BY_PRODUCTS: Final = {".ds_store", "thumbs.db", "desktop.ini"}
_LARGEST: Final = 0xFFFF_FFFE  # the value above it announces zip64

# ISA-L's output depends on how its input is cut; cutting it ourselves makes the zip depend on the content alone
_BLOCK: Final = 256 * 1024
_READ: Final = 128 * 1024
# a class, though its stub says an instance
_DAMAGED: Final = cast(type[Exception], isal_zlib.error)


class PackingError(Exception):
    """A zip could not be written or read."""

    code: ClassVar[str] = "ZIP_ERROR"


class UnusableMemberNameError(PackingError):
    """The name of the file in the zip is not a plain file name of printable ASCII; use one."""

    code = "ZIP_MEMBER_NAME"


class ZipTooLargeError(PackingError):
    """The file in the zip is larger, or expands further, than the hub accepts; send it in several files."""

    code = "ZIP_TOO_LARGE"


class UnreadableZipError(PackingError):
    """The file is not a zip, or it is damaged; send it again."""

    code = "ZIP_UNREADABLE"


class NotOneMemberError(PackingError):
    """The zip does not hold exactly one file; send one zip for each file."""

    code = "ZIP_NOT_ONE_MEMBER"


class UnsupportedZipError(PackingError):
    """The zip is encrypted, zip64 or compressed by another method than deflate; write a plain zip."""

    code = "ZIP_UNSUPPORTED"


@dataclass(frozen=True, slots=True)
class Packed:
    """What went into a zip: SHA-256 of the plain content (64 hex digits) and its size in bytes, for the manifest."""

    plain_sha256: str
    plain_size: int


@dataclass(frozen=True, slots=True)
class Member:
    """The one file of a zip: its name, and its content in chunks.

    The content is checked while it is read: a consumer that stops early, or that acts before the last chunk has come,
    has not seen the checksum compared.
    """

    name: str
    chunks: Iterator[bytes]


def _check_name(name: str) -> bytes:
    if not 0 < len(name) <= 255 or not (name.isascii() and name.isprintable()):
        raise UnusableMemberNameError(f"member name {name!r}: expected 1 to 255 printable ASCII characters")
    if name.startswith(".") or any(sign in name for sign in '/\\:"'):
        raise UnusableMemberNameError(f"member name {name!r}: expected a file name, without folder or leading dot")
    return name.encode("ascii")


class ZipWriter:
    """Writes one member to ``out``; use as a context manager, or call ``close`` when all content is written.

    The zip's bytes depend on the content, the name and the moment, not on how the content was cut into writes (pieces
    that come with their own deflate are taken as they are).
    ``moment`` is a timezone-aware instant and is stored as UTC, to two seconds, as zip does. After an exception
    inside the ``with`` block the end is not written, and what there is cannot be taken for a zip.

    Raises UnusableMemberNameError, ZipTooLargeError (4 GiB), ValueError for a naive or unrepresentable moment.
    """

    def __init__(self, out: BinaryIO, member_name: str, moment: datetime) -> None:
        self._name = _check_name(member_name)
        if moment.tzinfo is None:
            raise ValueError("a zip's moment must carry a time zone")
        at = moment.astimezone(UTC)
        if not 1980 <= at.year <= 2107:
            raise ValueError(f"a zip cannot hold the year {at.year}")
        self._time = at.hour << 11 | at.minute << 5 | at.second // 2
        self._date = (at.year - 1980) << 9 | at.month << 5 | at.day
        self._out = out
        self._deflate = isal_zlib.compressobj(1, _DEFLATED, -15)
        self._waiting = bytearray()
        self._crc = 0
        self._packed_size = 0
        self._closed = False
        self.plain_size = 0
        out.write(
            _LOCAL.pack(_LOCAL_MARK, 20, _SIZES_FOLLOW, _DEFLATED, self._time, self._date, 0, 0, 0, len(self._name), 0)
        )
        out.write(self._name)
        self._header_size = _LOCAL.size + len(self._name)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Add content."""
        self._waiting += data
        if len(self._waiting) >= _BLOCK:
            whole = len(self._waiting) // _BLOCK * _BLOCK
            # the view must be gone before the buffer can shrink
            with memoryview(self._waiting) as view:
                for start in range(0, whole, _BLOCK):
                    self._take(view[start : start + _BLOCK])
            del self._waiting[:whole]

    def write_deflated(self, piece: Deflated) -> None:
        """Add content that comes with its deflate; it may look back to what was added right before it."""
        if self._waiting:
            self._take(self._waiting)
            self._waiting.clear()
        # everything is out, on a byte, and later matches do not reach back over what is not ISA-L's own
        self._emit(self._deflate.flush(isal_zlib.Z_FULL_FLUSH))
        self._count(piece.plain)
        self._emit(piece.deflated)

    def _take(self, block: bytes | bytearray | memoryview) -> None:
        self._count(block)
        self._emit(self._deflate.compress(block))

    def _count(self, block: bytes | bytearray | memoryview) -> None:
        self.plain_size += len(block)
        if self.plain_size > _LARGEST:
            raise ZipTooLargeError(f"more than {_LARGEST} bytes: a plain zip cannot hold them")
        self._crc = isal_zlib.crc32(block, self._crc)

    def _emit(self, packed: bytes) -> None:
        self._packed_size += len(packed)
        if self._packed_size > _LARGEST:
            raise ZipTooLargeError(f"more than {_LARGEST} bytes compressed: a plain zip cannot hold them")
        self._out.write(packed)

    def close(self) -> None:
        """Write what is left, the data descriptor and the directory. Does not close the stream."""
        if self._closed:
            return
        self._closed = True
        if self._waiting:
            self._take(self._waiting)
        self._emit(self._deflate.flush())
        sums = (self._crc, self._packed_size, self.plain_size)
        directory_at = self._header_size + self._packed_size + _DESCRIPTOR.size
        entry = _CENTRAL.pack(
            _CENTRAL_MARK, _MADE_BY_UNIX_2_0, 20, _SIZES_FOLLOW, _DEFLATED, self._time, self._date, *sums,
            len(self._name), 0, 0, 0, 0, _REGULAR_FILE_0644, 0,
        )  # fmt: skip
        size = len(entry) + len(self._name)
        if directory_at > _LARGEST:
            raise ZipTooLargeError(f"more than {_LARGEST} bytes compressed: a plain zip cannot hold them")
        end = _END.pack(_END_MARK, 0, 0, 1, 1, size, directory_at, 0)
        self._out.write(_DESCRIPTOR.pack(_DESCRIPTOR_MARK, *sums) + entry + self._name + end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()


def pack(chunks: Iterable[bytes | Deflated], member_name: str, moment: datetime, out: BinaryIO) -> Packed:
    """Write ``chunks`` to ``out`` as a zip with the one member ``member_name``; see ZipWriter for what is raised.

    The SHA-256 of the plain content is taken on the way. On a processor without SHA instructions it costs more than
    the compression itself (``benchmarks/packing.py`` shows both).
    """
    digest = hashlib.sha256()
    with ZipWriter(out, member_name, moment) as zip_writer:
        for chunk in chunks:
            digest.update(plain_of(chunk))
            if isinstance(chunk, Deflated):
                zip_writer.write_deflated(chunk)
            else:
                zip_writer.write(chunk)
    return Packed(digest.hexdigest(), zip_writer.plain_size)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the directory says of a member, and where its data begins."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed_size: int
    plain_size: int
    header_at: int
    data_at: int


def open_member(stream: BinaryIO, *, largest: int = 2 * 1024**3, ratio: int = 250) -> Member:
    """Open the only file of a zip on a stream that can seek.

    ``largest`` bounds the plain content in bytes; ``ratio`` bounds plain over packed bytes (deflate itself stops near
    1,032; real LSE files stay under 40), counted beyond the first MiB. Names are checked as for writing.

    Raises UnreadableZipError, NotOneMemberError, UnsupportedZipError, UnusableMemberNameError, ZipTooLargeError; while
    the chunks are read, UnreadableZipError (damage, checksum) and ZipTooLargeError.
    """
    entry = _read_directory(stream)
    allowed = min(largest, entry.packed_size * ratio + 1024**2)
    if entry.plain_size > allowed:
        raise ZipTooLargeError(
            f"{entry.name}: {entry.packed_size} bytes would expand to {entry.plain_size}; at most {allowed} accepted"
        )
    return Member(entry.name, _content(stream, entry))


def _read_directory(stream: BinaryIO) -> _Entry:
    size = stream.seek(0, 2)
    tail_at = max(0, size - _END.size - 0xFFFF)
    stream.seek(tail_at)
    tail = stream.read()
    found = tail.rfind(_END_MARK)
    if found < 0 or len(tail) - found < _END.size:
        raise UnreadableZipError("no zip directory at the end of the file: not a zip, or cut short")
    _, disk, first_disk, here, total, directory_size, directory_at, comment = _END.unpack_from(tail, found)
    end_at = tail_at + found
    if _ZIP64_MARK in tail[max(0, found - 20) : found]:
        raise UnsupportedZipError("zip64: expected a plain zip")
    if here != total or not 1 <= total <= _MOST_ENTRIES:
        raise NotOneMemberError(f"the zip holds {total} files; expected exactly one")
    if disk or first_disk or end_at + _END.size + comment != size or directory_at + directory_size != end_at:
        raise UnreadableZipError("the zip directory does not fit the file")
    stream.seek(directory_at)
    raw = stream.read(directory_size)
    entries = list(_entries(raw, total))
    if any(entry.name == "[Content_Types].xml" for entry in entries):
        raise NotOneMemberError("an Office document (such as .xlsx); expected a zip of one plain file")
    files = [entry for entry in entries if not _is_by_product(entry.name)]
    if len(files) != 1:
        raise NotOneMemberError(f"the zip holds {len(files)} files; expected exactly one")
    file = files[0]
    if file.flags & _ENCRYPTED_FLAGS or file.method not in {_STORED, _DEFLATED}:
        raise UnsupportedZipError(
            f"flags {file.flags:#06x}, method {file.method}: expected an unencrypted stored or deflated file"
        )
    for name in file.name.split("/"):
        _check_name(name)
    file = {entry.raw_name: entry for entry in _laid_out(stream, entries, directory_at)}[file.raw_name]
    if file.method == _STORED and file.packed_size != file.plain_size:
        raise UnreadableZipError(f"{name}: the sizes in the zip do not fit the file")
    return replace(file, name=name)


def _is_by_product(name: str) -> bool:
    """Whether a member is a folder or something that macOS or Windows puts into zips unasked."""
    last = name.rsplit("/", 1)[-1]
    return not last or name.startswith("__MACOSX/") or last.startswith("._") or last.lower() in _BY_PRODUCTS


def _entries(raw: bytes, total: int) -> Iterator[_Entry]:
    """The entries of a directory, which they must fill."""
    at = 0
    for _ in range(total):
        if len(raw) - at < _CENTRAL.size or raw[at : at + 4] != _CENTRAL_MARK:
            raise UnreadableZipError("the zip directory is damaged")
        (_, _, _, flags, method, _, _, crc, packed, plain, name_size, extra, note, _, _, _, header_at) = (
            _CENTRAL.unpack_from(raw, at)
        )
        raw_name = raw[at + _CENTRAL.size : at + _CENTRAL.size + name_size]
        at += _CENTRAL.size + name_size + extra + note
        name = raw_name.decode("ascii", "backslashreplace")
        yield _Entry(name, raw_name, flags, method, crc, packed, plain, header_at, 0)
    if at != len(raw):
        raise UnreadableZipError("the zip directory is damaged")


def _laid_out(stream: BinaryIO, entries: list[_Entry], directory_at: int) -> Iterator[_Entry]:
    """Each entry with the place of its data. Nothing may hide between or under members."""
    ordered = sorted(entries, key=lambda entry: entry.header_at)
    if ordered[0].header_at != 0:
        raise UnreadableZipError("the zip directory is damaged")
    for entry, after in zip(ordered, [*(entry.header_at for entry in ordered[1:]), directory_at], strict=True):
        data_at = _read_local_header(stream, entry)
        gap = after - data_at - entry.packed_size
        if gap < 0 or (len(entries) > 1 and gap not in ((12, 16) if entry.flags & _SIZES_FOLLOW else (0,))):
            raise UnreadableZipError(f"{entry.name}: the sizes in the zip do not fit the file")
        yield replace(entry, data_at=data_at)


def _read_local_header(stream: BinaryIO, entry: _Entry) -> int:
    """Compare the header before the data with the directory; return where the data begins."""
    stream.seek(entry.header_at)
    raw = stream.read(_LOCAL.size + len(entry.raw_name))
    if len(raw) < _LOCAL.size + len(entry.raw_name) or raw[:4] != _LOCAL_MARK:
        raise UnreadableZipError("no file header at the start of the zip")
    _, _, local_flags, local_method, _, _, _, _, _, name_size, extra = _LOCAL.unpack_from(raw)
    # streamed archives may know the size and the name's encoding only at the end
    unlike = (local_flags ^ entry.flags) & ~(_SIZES_FOLLOW | _NAME_IS_UTF8)
    if (
        name_size != len(entry.raw_name)
        or raw[_LOCAL.size :] != entry.raw_name
        or local_method != entry.method
        or unlike
    ):
        raise UnreadableZipError("the file header and the zip directory disagree")
    return entry.header_at + _LOCAL.size + len(entry.raw_name) + int(extra)


def _content(stream: BinaryIO, entry: _Entry) -> Iterator[bytes]:
    stream.seek(entry.data_at)
    crc = plain = 0
    for chunk in _stored(stream, entry) if entry.method == _STORED else _inflated(stream, entry):
        plain += len(chunk)
        if plain > entry.plain_size:
            raise ZipTooLargeError(f"{entry.name}: expands beyond the {entry.plain_size} bytes its directory declares")
        crc = isal_zlib.crc32(chunk, crc)
        yield chunk
    if plain != entry.plain_size or crc != entry.crc:
        raise UnreadableZipError(f"{entry.name}: the content does not match its checksum")


def _stored(stream: BinaryIO, entry: _Entry) -> Iterator[bytes]:
    left = entry.packed_size
    while left and (chunk := stream.read(min(left, _READ))):
        left -= len(chunk)
        yield chunk


def _inflated(stream: BinaryIO, entry: _Entry) -> Iterator[bytes]:
    inflate = isal_zlib.decompressobj(-15)
    left = entry.packed_size
    waiting = b""
    try:
        while not inflate.eof:
            if not waiting and left:
                waiting = stream.read(min(left, _READ))
                left -= len(waiting)
                if not waiting:
                    break
            chunk = inflate.decompress(waiting, _BLOCK)
            if not chunk and not left and not inflate.unconsumed_tail:
                break
            waiting = inflate.unconsumed_tail
            if chunk:
                yield chunk
    except _DAMAGED as damage:
        raise UnreadableZipError(f"{entry.name}: the compressed data is damaged") from damage
    if not inflate.eof or left or inflate.unused_data:
        raise UnreadableZipError(f"{entry.name}: the compressed data does not end where the directory says")
