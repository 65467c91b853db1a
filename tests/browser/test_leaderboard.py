"""The pages of a leaderboard, opened from disk: four entries that differ in their numbers."""

import json
import shutil
from dataclasses import replace

import pytest

from blindspots.leaderboard.entry import EntryFiles, read_entry
from blindspots.leaderboard.protocol import write_json
from blindspots.leaderboard.site import build_site
from tests.browser.conftest import DEVICES, violations
from tests.leaderboard.conftest import tiny_board as tiny_board

pytestmark = pytest.mark.browser
REACH = {"tiny": 0.5, "seer": 0.25, "blind + bold": 0.75, "most": 0.9}


@pytest.fixture(scope="module")
def site(tiny_board, tmp_path_factory):
    """Four entries that differ in their numbers alone."""
    board = tiny_board.copy(tmp_path_factory.mktemp("three") / "board")
    entry, shown = read_entry(board.entry), board.files.shown
    for name, reach in REACH.items():
        level = replace(entry.numbers.delta, reach=(reach, reach - 0.05, reach + 0.05))
        changed = replace(entry, name=name, numbers=replace(entry.numbers, delta=level)).sealed()
        path = board.entry.with_name(f"{'blind-bold' if ' ' in name else name}.json")
        path.write_text(write_json(changed))
        if path != board.entry:
            shutil.copy(shown, EntryFiles(path).shown)
    known = {"data": "", "model": entry.fingerprint, "accuracy": 0.5, "under": "PGD"}
    (board.folder / "robust-accuracy.json").write_text(json.dumps([known]))
    return build_site(board.folder, tmp_path_factory.mktemp("site") / "site").index.parent


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


PAGES = ("index.html", "tiny-v1.html", "tiny-v1/tiny.html")


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(tabs, site, device, name):
    with tabs.opened(site / name, device, acted_on=False) as page:
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        broken = "[...document.images].filter((i) => i.complete && !i.naturalWidth).length"
        assert page.evaluate(broken) == 0


def test_the_ranking_is_sorted_and_filtered(tabs, site, device):
    with tabs.opened(site / "tiny-v1.html", device) as page:
        names = page.locator(".ranking tbody th")
        assert names.all_inner_texts() == ["seer", "tiny", "blind + bold", "most"]
        button = page.locator("[data-key=reach] .sort")
        button.click()
        button.click()
        assert names.all_inner_texts() == ["most", "blind + bold", "tiny", "seer"]
        page.get_by_role("searchbox").fill("see")
        assert page.locator(".ranking tbody tr:visible").count() == 1


def test_a_point_of_the_scatter_leads_to_the_models_page(tabs, site, device):
    with tabs.opened(site / "tiny-v1.html", device) as page:
        page.locator(".scatter a", has_text="seer").first.click()
        page.wait_for_url("**/tiny-v1/seer.html")
        assert page.locator("h1").inner_text() == "seer"
        assert "leaderboard verify" in page.locator("pre").inner_text()
        page.get_by_role("link", name="Blindspots").click()
        page.wait_for_url("**/index.html")
