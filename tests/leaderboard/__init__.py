"""Protocols, entries, their witnesses, and the pages made of them."""
