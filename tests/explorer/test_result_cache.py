"""The explorer's memory for found images: it forgets what was longest unused, never the latest."""

import pytest
import torch

from blindspots.engine.batch import Pair, TraversalResult
from blindspots.explorer.image_catalog import Missing
from blindspots.explorer.result_cache import CachedResult, ResultCache
from blindspots.methods.star import Star
from blindspots.schema import Ending

SIDE = 4


def result():
    image = torch.zeros(3, SIDE, SIDE)
    outcome = TraversalResult(
        pair=Pair("pair", image, image),
        label=0,
        found=image,
        p_source=1.0,
        p_found=1.0,
        ending=Ending.REACHED,
        steps=1,
        evaluations=1.0,
        seconds=0.0,
        path=None,
        path_step=[],
        path_confidence=[],
        p_path_min=None,
    )
    return CachedResult("model", "a", "b", Star(), outcome, {}, (1, "other"))


def test_what_was_longest_unused_is_forgotten_first():
    first, second, third = result(), result(), result()
    cache = ResultCache(most=2 * first.bytes)
    cache.put(first)
    cache.put(second)
    assert cache.get(first.id) is first
    cache.put(third)
    assert cache.get(first.id) is first
    assert cache.get(third.id) is third
    with pytest.raises(Missing, match="no longer kept"):
        cache.get(second.id)


def test_a_result_larger_than_the_memory_is_kept_until_the_next():
    first, second = result(), result()
    cache = ResultCache(most=1)
    cache.put(first)
    assert cache.get(first.id) is first
    cache.put(second)
    assert cache.get(second.id) is second
    with pytest.raises(Missing):
        cache.get(first.id)
