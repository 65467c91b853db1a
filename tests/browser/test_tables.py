"""Tables and the list of pairs: sorted, searched, filtered, kept as files."""

import csv
import io

import numpy as np
import pytest

from blindspots.reporting.page import write_report
from blindspots.reporting.tables import build_table, render
from blindspots.store.reader import Run
from tests.browser.conftest import MODELS, TITLES, downloaded, opened, pair_table, unfold
from tests.support.run_factory import Factory, hold

pytestmark = pytest.mark.browser


def shown_numbers(page, column):
    headings = page.locator(".pair-table thead th").all_inner_texts()
    at = [heading.strip() for heading in headings].index(column)
    rows = page.locator(".pair-table tbody tr").all()
    return [row.locator("th, td").nth(at).inner_text() for row in rows]


def text_of(page, press):
    return downloaded(page, press).path().read_text("utf-8")


def test_sorting_orders_the_rows_both_ways(page):
    pair_table(page)
    page.locator("#pair-list [data-key=segment_min]").click()
    rising = [float(text) for text in shown_numbers(page, "segment min") if text != "–"]
    assert rising == sorted(rising)
    page.locator("#pair-list [data-key=segment_min]").click()
    falling = [float(text) for text in shown_numbers(page, "segment min") if text != "–"]
    assert falling == sorted(falling, reverse=True)
    heading = page.locator("#pair-list th:has([data-key=segment_min])")
    assert heading.get_attribute("aria-sort") == "descending"


def test_filtering_leaves_the_pairs_that_match(page):
    pair_table(page)
    page.select_option("#pair-model", MODELS[1])
    assert "16 of 32 pairs" in page.locator("#pair-count").inner_text()
    page.fill("#pair-search", "Misclassified RESNET")
    assert "1 of 32 pairs" in page.locator("#pair-count").inner_text()
    page.select_option("#pair-model", "")
    rows = page.locator("#pair-list tbody tr")
    assert rows.count() == 2
    assert all("source misclassified" in text for text in rows.all_inner_texts())
    page.fill("#pair-search", "no such thing")
    assert rows.count() == 0


def test_a_number_can_be_searched_for(desk, report):
    rows = Run(report.parent).pair_rows(started=True)
    page = desk
    pair_table(page)
    page.fill("#pair-search", "rmse<.05 segment_min>=.5")
    expected = [row for row in rows if row["rmse"] < 0.05 and row["segment_min"] >= 0.5]
    assert 0 < len(expected) < len(rows)
    assert page.locator("#pair-count").inner_text() == f"{len(expected)} of 32 pairs"


def test_more_pairs_come_when_asked_for(page):
    pair_table(page)
    before = page.locator("#pair-list tbody tr").count()
    page.locator("#pair-more").click()
    assert page.locator("#pair-list tbody tr").count() == 32 > before
    assert page.locator("#pair-more").is_hidden()


def test_the_pairs_are_a_file_with_the_stored_numbers(desk, report):
    pair_table(desk)
    desk.select_option("#pair-model", MODELS[0])
    rows = list(csv.DictReader(io.StringIO(text_of(desk, desk.locator("#pair-csv").click))))
    known = {row["pair_id"]: row for row in Run(report.parent).pair_rows(MODELS[0])}
    assert {row["pair_id"] for row in rows} == known.keys()
    distances = [float(row["rmse"]) for row in rows if row["rmse"]]
    assert distances == sorted(distances)
    for row in rows:
        for key in ("rmse", "p_found", "segment_min"):
            kept = known[row["pair_id"]][key]
            assert (row[key] == "") == (kept is None)
            assert kept is None or float(row[key]) == pytest.approx(kept, abs=1e-5)
    assert {row["source_name"] for row in rows} >= {"a<b>", "c d"}


def test_a_class_that_begins_like_a_formula_is_kept_as_text_and_a_number_as_a_number(
    chromium, tmp_path
):
    names = ("=cmd", "@sum", "+1", "-2", "plain")
    Factory(size=8, sources=5, frames=3, models=MODELS[:1], classes=names).write(tmp_path)
    run = Run(hold(tmp_path, "margin", 2.0, lambda p: -p))
    with opened(chromium, write_report(run)) as page:
        pair_table(page)
        rows = list(csv.DictReader(io.StringIO(text_of(page, page.locator("#pair-csv").click))))
    assert {row["source_name"] for row in rows} == {"'=cmd", "'@sum", "'+1", "'-2", "plain"}
    assert {row["p_found"][:2] for row in rows if row["p_found"]} == {"-0"}


def test_the_selection_has_its_mean_and_deviation(desk, report):
    pair_table(desk)
    desk.select_option("#pair-model", MODELS[0])
    foot = desk.locator(".pair-table tfoot td").first.inner_text()
    values = [row["rmse"] for row in Run(report.parent).pair_rows(MODELS[0], started=True)]
    mean, deviation = (float(f"0{part}") for part in foot.split(" ± "))
    assert mean == pytest.approx(np.mean(values), abs=6e-4)
    assert deviation == pytest.approx(np.std(values), abs=6e-4)


def test_models_are_sorted_by_any_number_of_a_table(desk):
    unfold(desk, "over triangles and segments")
    rows = desk.locator("[data-table=confidence] tbody th")
    heading = desk.locator("[data-table=confidence] th:has(.sort)", has_text="Δ conf")
    heading.locator(".sort").click()
    heading.locator(".sort").click()
    assert heading.get_attribute("aria-sort") == "descending"
    falling = rows.all_inner_texts()
    heading.locator(".sort").click()
    assert rows.all_inner_texts() == falling[::-1]
    assert set(falling) == set(TITLES)


def test_in_a_turned_table_the_models_columns_change_places(desk):
    unfold(desk, "Summary")
    table = desk.locator("[data-table=summary] table")
    before = table.locator("tr", has_text="RMSE").first.locator("td").all_inner_texts()
    button = table.locator(".sort", has_text="RMSE").first
    button.click()
    button.click()
    assert table.locator("thead th").all_inner_texts() == list(reversed(TITLES))
    after = table.locator("tr", has_text="RMSE").first.locator("td").all_inner_texts()
    assert after == list(reversed(before))


def test_the_rows_of_a_table_are_filtered(page):
    unfold(page, "Summary")
    table = page.locator("[data-table=summary]")
    table.locator("input[type=search]").fill("segment")
    assert table.locator("tbody tr:visible th").all_inner_texts() == ["segment min"]


@pytest.mark.parametrize("kind", ["distance", "confidence", "summary"])
def test_a_table_is_the_same_as_the_file_that_is_kept_of_it(desk, report, kind):
    save = desk.locator(f"[data-table={kind}] button", has_text="CSV")
    desk.locator(f"details:has([data-table={kind}]) > summary").click()
    assert text_of(desk, save.click) == render(build_table(Run(report.parent), kind), "csv")


def test_the_spread_of_a_number_counts_every_traversed_pair(page):
    unfold(page, "How a number is spread")
    page.select_option("#spread-choice", "rmse")
    figures = page.locator(".spread svg")
    counts = figures.evaluate_all(
        "all => all.map((one) => [...one.querySelectorAll('rect title')]"
        ".reduce((sum, title) => sum + parseInt(title.textContent), 0))"
    )
    assert counts == [15, 15]
