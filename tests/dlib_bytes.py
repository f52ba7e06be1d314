"""Writes values as dlib serialises them."""

from __future__ import annotations


def integer(value: int) -> bytes:
    magnitude = abs(value)
    length = max(1, (magnitude.bit_length() + 7) // 8)
    control = length | (0x80 if value < 0 else 0)
    return bytes([control]) + magnitude.to_bytes(length, "little")


def integers(*values: int) -> bytes:
    return b"".join(map(integer, values))


def real(value: float) -> bytes:
    numerator, denominator = value.as_integer_ratio()
    return integers(numerator, 1 - denominator.bit_length())


def text(value: str) -> bytes:
    return integer(len(value)) + value.encode()
