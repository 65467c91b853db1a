"""Leaderboards: fixed pairs, claims that carry their witnesses, and the pages made of them."""
