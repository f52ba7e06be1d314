"""XMP as bytes: read without trusting it, and changed in places while every other byte stays.

XMP is RDF written as XML, and programs write the same facts in several spellings: properties as
attributes or as elements, structures as ``rdf:parseType="Resource"`` or as a nested
``rdf:Description``, any namespace prefix. `fields`, `items` and `text` see through these. Source:
Adobe's XMP specification part 1 (ISO 16684-1), section 7.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias
from xml.parsers import expat
from xml.sax.saxutils import escape

from facefind.errors import PhotoError

MAX_BYTES = 64 * 1024**2
"""Larger packets are refused before they are parsed."""

_MAX_ELEMENTS = 300_000
_MAX_DEPTH = 100

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_RDF = RDF + " "
_TOOLKIT = "adobe:ns:meta/ xmptk"
_DESCRIPTION, _LI, _VALUE = _RDF + "Description", _RDF + "li", _RDF + "value"
_CONTAINERS = (_RDF + "Bag", _RDF + "Seq", _RDF + "Alt")

# Quoted values may hold ">".
_TAG = re.compile(rb"""<[^<>"']*(?:"[^"]*"[^<>"']*|'[^']*'[^<>"']*)*>""")
_XML_DECLARATION = re.compile(r"<\?xml\s[^>]*\?>")
_BLANK = "\ufeff\0 \t\r\n"
_BLANK_BYTES = b"\xef\xbb\xbf\xfe\xff\0 \t\r\n"

# Longer marks first: UTF-32's little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)

# What XML 1.0 cannot hold in any spelling.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True, eq=False)
class Element:
    """An XML element and where it lies in its document's bytes.

    Attributes:
        tag: Namespace and name with a blank between: "adobe:ns:meta/ xmpmeta".
        start, end: Its first byte, and the one after its last.
        close: The first byte of its end tag; None for one that has none (``<a/>``).
    """

    tag: str
    attributes: dict[str, str]
    start: int
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    close: int | None = None
    end: int = 0

    def find_all(self, tag: str) -> Iterator[Element]:
        """The elements of that tag, itself included, in the document's order."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            if element.tag == tag:
                yield element
            waiting.extend(reversed(element.children))


def q(namespace: str, name: str) -> str:
    """A tag as `Element` has it."""
    return f"{namespace} {name}"


Field: TypeAlias = Element | str
"""A property: an attribute's value, or an element that holds it."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A parsed packet: its root, and its bytes in UTF-8."""

    source: bytes
    root: Element

    @property
    def toolkit(self) -> str:
        """Which program or library wrote it; "" where it does not say."""
        return self.root.attributes.get(_TOOLKIT, "")

    @property
    def rdf(self) -> Element | None:
        """The element that holds all descriptions."""
        return next(self.root.find_all(_RDF + "RDF"), None)


# --- reading -------------------------------------------------------------------------------------


def is_blank(data: bytes) -> bool:
    """Whether a packet holds nothing: some programs reserve room before they have metadata."""
    return not data.strip(_BLANK_BYTES)


def parse(data: bytes) -> Document:
    """Parses a packet or sidecar in any of the encodings that XMP allows.

    Raises:
        PhotoError: It is no XML, is damaged, nests too deeply or is too large, or it has a document
            type declaration, which XMP never needs and which can make a short text expand endlessly
            or read other files. The message is the reason alone.
    """
    if len(data) > MAX_BYTES:
        raise PhotoError("the XMP is too large")
    content = _decoded(data)
    # Without a declaration there are no entities but XML's own five.
    if "<!DOCTYPE" in content or "<!ENTITY" in content:
        raise PhotoError("the XMP declares entities, which facefind refuses to expand")
    source = content.encode("utf-8")
    return Document(source, _Builder(source).build())


def _decoded(data: bytes) -> str:
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        content = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise PhotoError("the XMP is damaged: it is not Unicode text") from error
    if not encoding.startswith("utf-8"):
        # What is kept is UTF-8, whatever the declaration says.
        content = _XML_DECLARATION.sub("", content, count=1)
    return content.strip(_BLANK)


class _Builder:
    """Makes a tree of `Element` from UTF-8 bytes."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._open: list[Element] = []
        self._root: Element | None = None
        self._count = 0
        self._parser = expat.ParserCreate("utf-8", " ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def build(self) -> Element:
        try:
            self._parser.Parse(self._source, True)
        except expat.ExpatError as error:
            reason = expat.errors.messages.get(error.code, "not well-formed")
            raise PhotoError(f"the XMP is damaged: {reason}, line {error.lineno}") from error
        if self._root is None:
            raise PhotoError("the XMP is damaged: it is empty")
        return self._root

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MAX_ELEMENTS or len(self._open) >= _MAX_DEPTH:
            raise PhotoError("the XMP has too many elements, or they nest too deeply")
        element = Element(tag, attributes, self._parser.CurrentByteIndex)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, _tag: str) -> None:
        element = self._open.pop()
        opening = _TAG.match(self._source, element.start)
        assert opening is not None, "expat has found a tag here"
        if opening.group().endswith(b"/>"):
            element.end = opening.end()
        else:
            element.close = self._parser.CurrentByteIndex
            element.end = self._source.index(b">", element.close) + 1

    def _characters(self, data: str) -> None:
        self._open[-1].pieces.append(data)


def fields(element: Element) -> dict[str, Field]:
    """The properties of a structure, by namespace and name, however it is spelled."""
    found: dict[str, Field] = {}
    inner = [child for child in element.children if child.tag == _DESCRIPTION]
    for holder in (element, *inner):
        found.update(holder.attributes)
        found.update((child.tag, child) for child in holder.children)
    return found


def container(property_: Field | None) -> Element | None:
    """The bag, sequence or alternative that holds a list's items."""
    if not isinstance(property_, Element):
        return None
    return next((child for child in property_.children if child.tag in _CONTAINERS), None)


def items(property_: Field | None) -> list[Element]:
    """The items of a list; none where there is no list."""
    holder = container(property_)
    return [child for child in holder.children if child.tag == _LI] if holder else []


def text(property_: Field | None) -> str:
    """A simple value; of alternatives the first; "" where there is none."""
    if property_ is None or isinstance(property_, str):
        return property_ or ""
    alternatives = items(property_)
    if alternatives:
        return text(alternatives[0])
    qualified = fields(property_).get(_VALUE)
    return text(qualified) if qualified is not None else "".join(property_.pieces)


# --- writing -------------------------------------------------------------------------------------


def escaped(value: str) -> str:
    """A value as an element's content; signs that XML cannot hold are left out."""
    return escape(_FORBIDDEN.sub("", value), {"\r": "&#13;"})


def spliced(source: bytes, edits: Iterable[tuple[int, int, str]]) -> bytes:
    """The bytes with some parts replaced: (first, after the last, what comes there instead)."""
    result = source
    for start, end, new in sorted(edits, key=lambda edit: edit[:2], reverse=True):
        result = result[:start] + new.encode("utf-8") + result[end:]
    return result
