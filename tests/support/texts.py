"""Strings for Hypothesis, whose own strategies list all of Unicode first, which takes seconds."""

from hypothesis import strategies as st

# Some of every part of it, and no surrogates, which no file holds.
CHARACTERS = "".join(
    map(chr, (*range(0x800), *range(0x800, 0xD800, 37), *range(0xE000, 0x110000, 997)))
)
texts = st.text(CHARACTERS)
