"""The explorer as a person uses it, on a desk and on a phone."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from blindspots.images.shapes import shape_images
from blindspots.reporting.selection import striking_case
from blindspots.settings import Trust
from blindspots.store.reader import Run
from tests.browser.conftest import DESKTOP, PHONE, violations
from tests.browser.explorer_page import (
    DROP,
    answered_weights,
    jpeg,
    middle,
    opened_at,
    own_explorer,
    pick,
    quick,
    shown_image,
    start_and_wait,
    stop,
    until,
    until_contrasted,
    until_found,
    until_still,
)
from tests.support.explorer_client import explorer, wait_until
from tests.support.path_proxy import PREFIX, path_proxy

pytestmark = pytest.mark.browser
on_a_desk = pytest.mark.parametrize("context", ["desktop"], indirect=True)
dark_too = pytest.mark.parametrize("context", ["desktop", "dark phone"], indirect=True)

FIRST, SECOND, SLOW = (
    f"python:tests.support.browser_model:{n}" for n in ("first", "second", "slow")
)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with explorer(tmp_path_factory.mktemp("cases"), models=[FIRST, SECOND, SLOW]) as running:
        yield running


@pytest.fixture(params=["desktop", "phone"])
def context(chromium, request):
    """A window that fails on any console error and any request that leaves 127.0.0.1."""
    context = chromium.new_context(
        viewport=PHONE if "phone" in request.param else DESKTOP,
        color_scheme="dark" if "dark" in request.param else "light",
        reduced_motion="reduce",
    )
    context.faults = []
    context.on("page", lambda page: watch(page, context.faults))
    yield context
    context.close()
    assert context.faults == []


def watch(page, faults):
    page.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda r: None if stays(r.url) else faults.append(r.url))


def stays(address):
    """Whether it is the server's, or a picture that the page itself made."""
    return address.removeprefix("blob:").startswith("http://127.0.0.1:")


@pytest.fixture
def page(context, client):
    """The opened page, its images loaded."""
    return opened_at(context, client.url)


def test_nothing_is_wider_than_the_window(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    pick(page, "second", 4)
    quick(page, steps=3)
    start_and_wait(page)
    page.wait_for_selector("#contrast-view figure:nth-child(3)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_person_picks_starts_watches_and_slides(page, client):
    pick(page, "source", 2)
    pick(page, "target", 5)
    quick(page)
    start_and_wait(page)
    panel = page.locator(".panel").first
    assert "You see" in page.inner_text("h1")
    slider = panel.locator("input[type=range]")
    assert slider.is_enabled()
    slider.focus()
    slider.press("Home")
    assert "0\u00a0% of the way" in panel.locator(".readout").inner_text()
    source = client.hub.subjects[FIRST].images.take([2])[0]
    assert (shown_image(page, ".panel .stage") - source).abs().max() <= 1 / 255
    for _ in range(3):
        slider.press("ArrowRight")
    assert "3\u00a0% of the way" in panel.locator(".readout").inner_text()
    box = slider.bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert 40 < int(slider.input_value()) < 60
    own = said_on_the_way(client, 2, 5, int(slider.input_value()))
    shown = panel.locator(".sure").inner_text()
    assert shown_percent(shown) == pytest.approx(min(100 * own, 99.9), abs=0.06)


@on_a_desk
def test_the_page_opens_playing_a_finished_case_under_a_large_start(context, client):
    page = context.new_page()
    page.goto(client.url)
    until_found(page)
    assert "You see" in page.inner_text("h1")
    assert page.locator(".panel input[type=range]").first.is_enabled()
    assert page.locator("#go").bounding_box()["height"] >= 48
    assert not page.locator("#settings").is_visible()
    page.locator("#more summary").click()
    sentences = page.locator("#settings p").all_inner_texts()
    assert len(sentences) == 5
    assert all(len(one) > 20 for one in sentences)


@on_a_desk
def test_a_search_is_muted_and_says_nothing_of_the_model(page):
    page.select_option("#model-1", SLOW)
    page.select_option("#model-2", "")
    quick(page, steps=60)
    page.click("#go")
    until(page, "document.querySelector('.panel .readout').textContent.includes('searching')")
    panel = page.locator(".panel").first
    assert "searching" in panel.get_attribute("class")
    assert "the model:" not in panel.locator(".readout").inner_text()
    page.click("#go")
    page.click("#restart")
    page.reload()


@on_a_desk
def test_the_headline_claims_nothing_while_another_picture_is_searched(page):
    quick(page, steps=3)
    start_and_wait(page)
    assert "The model" in page.inner_text("h1")
    page.select_option("#model-1", SLOW)
    page.select_option("#model-2", "")
    pick(page, "target", 7)
    quick(page, steps=900)
    page.click("#go")
    until(page, "document.querySelector('.panel .readout').textContent.includes('searching')")
    assert page.inner_text("h1") == "Searching for a picture that looks like a mushroom …"
    assert page.get_attribute("h1", "class") == "quiet"
    assert page.locator("#report").is_disabled()
    loaded = "[...document.querySelectorAll('.panel img')].every((one) => one.naturalWidth > 0)"
    until(page, loaded)
    stop(page)
    assert page.inner_text("h1") == "Stopped on the way to a mushroom."
    page.click("#restart")
    page.reload()


@on_a_desk
def test_the_headline_is_of_the_picture_that_is_shown(page, client):
    pick(page, "second", 4)
    quick(page, steps=3)
    start_and_wait(page)
    first, second = (client.hub.gallery.known(client.images[at]) for at in (1, 4))
    assert first in page.inner_text("h1")
    panel = page.locator(".panel").nth(1)
    panel.locator(".tabs button", has_text=second).click()
    assert second in page.inner_text("h1")
    assert panel.locator("h3").inner_text() in page.inner_text("#lead")
    assert agree(page, panel)
    slider = panel.locator("input[type=range]")
    slider.focus()
    slider.press("Home")
    assert page.inner_text("h1").startswith("On the way to")
    assert agree(page, panel)
    limb = page.locator("#star-view .spoke").first
    limb.locator(".tip").click()
    assert limb.locator("text.person").text_content() in page.inner_text("h1")
    assert agree(page, page.locator(".panel").first)


def agree(page, panel):
    """Whether headline and panel say the same of the same picture."""
    return shown_percent(page.inner_text("h1")) == shown_percent(
        panel.locator(".sure").inner_text()
    )


@on_a_desk
def test_a_run_opens_with_its_finished_case(context, client, tmp_path):
    source, *targets = client.images[:3]
    asked = {"models": [FIRST], "settings": {"max_steps": 3}}
    events = client.traverse(source, targets, **asked)
    ids = [event["id"] for event in events if event["kind"] == "result"]
    _, saved = client.post("/api/cases", {"found": ids})
    path, trusted = client.hub.out / saved["path"], Trust(run_code=True)
    with own_explorer(context, tmp_path, models=[], run=path, trust=trusted) as own:
        page = context.new_page()
        page.goto(own.url)
        until_found(page)
        case = own.get("/api/start")[1]["run"]["case"]
        assert case["pair_id"] == striking_case(Run(path))
        assert case["target_name"] in page.inner_text("h1")
        assert page.get_attribute("h1", "class") == ""
        assert page.evaluate("scrollY") == 0
        assert [one.target for one in own.hub.shelf._kept.values()] == [case["target_id"]]


@on_a_desk
def test_it_opens_with_two_classes_and_a_source_that_the_model_names(context, tmp_path):
    drawings = [image for image, _ in shape_images("test", 4)]
    # A butterfly among the apples: it comes first, and is no source.
    folder = {"apple": (1, 0), "car": (2,), "cup": (3,)}
    for label, numbers in folder.items():
        (tmp_path / "images" / label).mkdir(parents=True)
        for place, number in enumerate(numbers):
            drawings[number].save(tmp_path / "images" / label / f"{place}.png")
    images = f"folder:{tmp_path / 'images'}"
    with own_explorer(context, tmp_path / "out", models=[FIRST], images=images) as running:
        page = opened_at(context, running.url)
        assert page.locator(".slot .choose b").all_inner_texts()[:2] == ["car", "cup"]


@on_a_desk
def test_a_proxy_may_put_the_page_below_a_path(context, tmp_path):
    with (
        path_proxy() as proxy,
        own_explorer(context, tmp_path, models=[FIRST], origins=[proxy.origin]) as running,
    ):
        proxy.behind = running.port
        page = context.new_page()
        page.goto(f"{proxy.origin}{PREFIX}/")
        until_found(page)
        assert page.locator(".thumb img").first.evaluate("(image) => image.naturalWidth") > 0


WORDS = """() => {
  const broken = [], walker = document.createTreeWalker(document.querySelector('main'), 4);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.parentElement.checkVisibility() || node.parentElement.closest('svg, code')) continue;
    for (const {0: word, index} of node.textContent.matchAll(/[\\p{L}]+/gu)) {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      if (new Set([...range.getClientRects()].map((one) => one.top)).size > 1) broken.push(word);
    }
  }
  return broken;
}"""


def test_no_word_is_broken_in_the_middle(context, tmp_path):
    with own_explorer(context, tmp_path, models=[FIRST]) as running:
        page = opened_at(context, running.url)
        pick(page, "source", 1)
        pick(page, "target", 7)
        quick(page, steps=3)
        start_and_wait(page)
        page.wait_for_selector("#contrast-view figure:nth-child(3)")
        assert "mushroom" in page.locator(".player").first.inner_text()
        assert page.evaluate(WORDS) == []


@on_a_desk
def test_a_model_is_called_in_words(context, tmp_path):
    with own_explorer(context, tmp_path, models=[FIRST]) as running:
        (told,) = running.get("/api/start")[1]["models"]
        assert told["title"] != FIRST
        page = opened_at(context, running.url)
        quick(page, steps=3)
        start_and_wait(page)
        page.wait_for_selector("#contrast-view article")
        assert page.locator("article h3").all_inner_texts() == [told["title"]] * 3
        assert page.locator("#model-1 option").all_inner_texts() == [told["title"]]
        assert FIRST not in page.inner_text("main")


@on_a_desk
def test_of_two_models_each_panel_has_the_letter_of_its_answers(page):
    before = "one => getComputedStyle(one, '::before').content"
    headings = page.locator(".panel h3")
    assert [headings.nth(i).evaluate(before) for i in range(2)] == ['"A: "', '"B: "']
    assert page.locator("#slots .said").first.inner_text().startswith("A: ")


@on_a_desk
def test_the_contrast_comes_second(page):
    sections = page.locator("main > section").evaluate_all("all => all.map((one) => one.id)")
    shown = [one for one in sections if one in ("contrast", "triangle", "star", "keep")]
    assert shown == ["contrast", "triangle", "star", "keep"]
    beside = page.locator("#report").evaluate(
        "one => [...one.parentElement.children].map((e) => e.id)"
    )
    assert "share" in beside


@on_a_desk
def test_a_case_is_downloaded_as_a_report_that_needs_nothing_beside_it(page, context, tmp_path):
    quick(page, steps=4)
    start_and_wait(page)
    with page.expect_download() as waiting:
        page.click("#report")
    file = tmp_path / "sent.html"
    waiting.value.save_as(file)
    text = file.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "You see" in text or "On the way to" in text
    assert str(tmp_path.parent) not in text


def shown_percent(text):
    return float(re.search(r"([\d.]+)\u00a0%", text)[1])


def newest(client, source):
    """What the first model found last from an image, by target."""
    kept = [one for one in client.hub.shelf._kept.values() if one.model == FIRST]
    return {one.target: one.outcome for one in kept if one.source == client.images[source]}


def said_on_the_way(client, source, target, place):
    """The first model's own confidence at a hundredth of the way to what it found last."""
    outcome = newest(client, source)[client.images[target]]
    image = outcome.pair.source + place / 100 * (outcome.found - outcome.pair.source)
    return said_by(client, FIRST, image, outcome.label)


def said_by(client, model, image, label):
    with torch.no_grad():
        return float(client.hub.subjects[model].model(image[None]).softmax(dim=1)[0, label])


def test_a_walk_is_shown_step_by_step(page):
    pick(page, "source", 0)
    pick(page, "target", 3)
    quick(page, "reference", 30)
    start_and_wait(page)
    readout = page.locator(".panel .readout").first
    assert "step 30 of 30" in readout.inner_text()
    slider = page.locator(".panel input[type=range]").first
    slider.focus()
    slider.press("Home")
    assert "step 0 of 30" in readout.inner_text()


def test_the_triangle_says_what_the_model_says(page, client):
    pick(page, "source", 0)
    pick(page, "target", 1)
    pick(page, "second", 4)
    quick(page)
    start_and_wait(page)
    page.wait_for_selector("#triangle-view .map")
    page.locator("#triangle-view .map").first.scroll_into_view_if_needed()
    box = page.locator("#triangle-view .map").first.bounding_box()
    card = page.locator("#triangle-view article").first.bounding_box()
    aside = page.locator("#triangle-view .under").first.bounding_box()
    beside = aside["y"] < box["y"] + box["height"]
    assert box["width"] + beside * aside["width"] > 0.8 * card["width"]
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    page.mouse.move(box["x"] + box["width"] * 0.55, box["y"] + box["height"] * 0.6, steps=5)
    page.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + box["height"] * 0.55)
    weights = answered_weights(page)
    shown = float("0" + page.locator("#triangle-view .exact output").first.inner_text().lstrip("0"))
    exact, label = exact_mixture(client, weights)
    assert shown == pytest.approx(said_by(client, FIRST, exact, label), abs=1e-3)
    assert (shown_image(page, "#triangle-view .stage") - exact).abs().max() <= 2 / 255
    words = "document.querySelector('#triangle-view .aside').textContent"
    until(page, f"{words}.includes('mean confidence')")


def exact_mixture(client, weights):
    """Of the newest triangle of the first model: the exact image, and the class that is kept."""
    outcomes = newest(client, 0)
    first, second = (outcomes[client.images[at]] for at in (1, 4))
    corners = (first.pair.source, first.found, second.found)
    image = sum(w * corner for w, corner in zip(weights, corners, strict=True))
    return image, first.label


def test_the_triangle_is_walked_by_keyboard(page):
    pick(page, "second", 4)
    quick(page, steps=3)
    start_and_wait(page)
    page.wait_for_selector("#triangle-view .exact output")
    before = page.locator("#triangle-view .told").first.inner_text()
    page.locator("#triangle-view .map").first.focus()
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    after = page.locator("#triangle-view .told").first.inner_text()
    assert after != before
    assert after.startswith("53\u00a0% source")
    both = page.locator("#triangle-view article").all()
    assert [one.locator(".told").first.inner_text() for one in both] == [after] * 2


def test_the_star_grows_with_every_target_and_opens_its_pairs(page):
    quick(page, steps=3)
    start_and_wait(page)
    assert page.locator("#star-view article").first.locator(".spoke").count() == 1
    pick(page, "target", 7)
    page.click("#go")
    until(page, "document.querySelectorAll('#star-view article .spoke').length === 4")
    until(page, "document.querySelector('#go').textContent === 'Start'")
    limb = page.locator("#star-view .spoke").first
    limb.locator(".tip").click()
    assert page.locator(".panel .tabs button").count() >= 2
    limb.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.type") == "range"


@on_a_desk
def test_limbs_of_the_star_are_as_long_as_their_images_are_far(page, client):
    pick(page, "second", 7)
    quick(page, steps=3)
    start_and_wait(page)
    star = page.locator("#star-view article").first
    named = [client.hub.gallery.known(client.images[at]) for at in (1, 7)]
    assert star.locator(".spoke text.person").all_text_contents() == named
    shown = star.locator(".spoke").all()
    assert all(re.search(r"\d %$", one.text_content().replace("\u00a0", " ")) for one in shown)
    outcomes = newest(client, 0)
    found = [outcomes[client.images[at]] for at in (1, 7)]
    far = [float((one.found - one.pair.source).square().mean().sqrt()) for one in found]
    tips = [f".spoke:nth-of-type({n}) .tip rect" for n in (1, 2)]
    core, *ends = (middle(star.locator(one)) for one in (".core rect", *tips))
    long = [np.hypot(*(end - core)) for end in ends]
    assert long[0] / long[1] == pytest.approx(far[0] / far[1], rel=0.01)


def test_the_contrast_shows_both_failures(page):
    quick(page, steps=8)
    start_and_wait(page)
    until_contrasted(page)
    over, under = (one.inner_text() for one in page.locator("#contrast-view .sum").all()[:2])
    assert "no pixel by more than 8/255" in over
    before, after = re.findall(r"the model:\s*(\S+)", over)
    assert before != after
    same = re.findall(r"the model:\s*(\S+)", under)
    assert same == [before, before]


@on_a_desk
def test_a_click_that_was_meant_for_start_does_not_stop(page):
    page.select_option("#model-1", SLOW)
    quick(page, "reference", 3000)
    page.evaluate("""new Promise((done) => {
        const go = document.querySelector('#go');
        new MutationObserver(() => { if (go.textContent === 'Stop') { go.click(); done(); } })
            .observe(go, { childList: true, characterData: true, subtree: true });
        go.click();
    })""")
    assert page.inner_text("#go") == "Stop"
    stop(page)
    assert page.inner_text("#go") == "Continue"
    page.reload()


@on_a_desk
def test_stop_continue_and_restart(page, client):
    page.select_option("#model-1", SLOW)
    quick(page, "reference", 3000)
    page.click("#go")
    until(page, "/step [1-9]/.test(document.querySelector('.readout').textContent)")
    stop(page)
    assert page.inner_text("#go") == "Continue"
    before = until_still(page, ".readout span")
    assert re.fullmatch(r"step \d{1,3}", before)
    page.click("#go")
    until(page, f"document.querySelector('.readout span').textContent !== {json.dumps(before)}")
    page.fill("#steps", "5")
    page.locator("#steps").blur()
    page.click("#restart")
    until(page, "document.querySelector('.readout').textContent.includes('step 5 of 5')")
    wait_until(lambda: all(worker.tasks == 0 for worker in client.hub.workers.values()))


def test_two_dropped_photographs_become_source_and_target(page, client):
    files = [["one.jpg", jpeg((255, 80, 40))], ["two.jpg", jpeg((40, 120, 255))]]
    page.evaluate(DROP, [".slot[data-slot=source]", files])
    until(
        page,
        "[...document.querySelectorAll('.slot .choose b')].slice(0, 2)"
        ".map((one) => one.textContent).join() === 'one,two'",
    )
    quick(page, steps=3)
    start_and_wait(page)
    address = page.url
    page.reload()
    until_found(page)
    assert page.url == address
    names = page.locator(".slot .choose b").all_inner_texts()
    assert names[:2] == ["one", "two"]


@on_a_desk
def test_photographs_for_a_model_that_knows_drawings_get_a_word(page):
    page.evaluate(DROP, [".slot[data-slot=source]", [["one.jpg", jpeg((255, 80, 40))]]])
    until(page, "document.querySelector('#status').textContent.includes('ten kinds of drawings')")
    assert "blindspots explore --model timm:" in page.inner_text("#status")


@on_a_desk
def test_a_source_that_the_model_is_not_sure_of_is_said(page, client):
    model = client.hub.subjects[FIRST].model
    colours = [(r, g, b) for r in (0, 90, 255) for g in (0, 90, 255) for b in (0, 90, 255)]
    pictures = [Image.open(io.BytesIO(base64.b64decode(jpeg(colour)))) for colour in colours]
    small = np.stack([np.array(one.resize((16, 16)), dtype=np.float32) / 255 for one in pictures])
    with torch.no_grad():
        sure = model(torch.from_numpy(small).permute(0, 3, 1, 2)).softmax(dim=1).amax(dim=1)
    assert sure.min() < 0.4
    unsure = colours[int(sure.argmin())]
    page.evaluate(DROP, [".slot[data-slot=source]", [["vague.jpg", jpeg(unsure)]]])
    until(page, "document.querySelector('.slot .choose b').textContent === 'vague'")
    pick(page, "target", 5)
    quick(page, steps=40)
    page.click("#go")
    until(
        page, "document.querySelector('#status').textContent.includes('is not sure of this source')"
    )


@on_a_desk
def test_what_is_no_image_is_refused_on_the_page(page):
    page.set_input_files(
        "#file-target", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"x"}
    )
    assert "a.txt is no JPEG" in page.inner_text("#status")


def test_a_shared_link_restores_the_case(page, context):
    pick(page, "source", 6)
    pick(page, "target", 2)
    page.select_option("#model-2", "")
    quick(page, "adaptive", 12)
    for name, value in (("delta", "0.3"), ("clearance", "2")):
        page.fill(f"#{name}", value)
        page.locator(f"#{name}").blur()
    start_and_wait(page)
    address, heading = page.url, page.inner_text("h1")
    assert "delta=0.3" in address
    page.reload()
    until_found(page)
    other = context.new_page()
    other.goto(address)
    until_found(other)
    for one in (page, other):
        assert one.inner_text("h1") == heading
        kept = {n: one.input_value(f"#{n}") for n in ("method", "steps", "delta", "clearance")}
        assert kept == {"method": "adaptive", "steps": "12", "delta": "0.3", "clearance": "2"}
        assert one.locator(".panel").count() == 1


@on_a_desk
def test_a_link_with_images_that_are_gone_says_so(context, client):
    page = context.new_page()
    page.goto(f"{client.url}#source=photo-01234567&target={client.images[0]}")
    until(page, "document.querySelector('#status').textContent.length > 0")
    assert "as long as the server" in page.inner_text("#status")


@on_a_desk
def test_two_tabs_do_not_wait_for_each_other(page, context, client):
    page.select_option("#model-1", SLOW)
    quick(page, "reference", 5000)
    page.click("#go")
    until(page, "document.querySelector('#go').textContent === 'Stop'")
    other = opened_at(context, client.url)
    other.select_option("#model-1", SLOW)
    quick(other, steps=3)
    start_and_wait(other)
    assert page.inner_text("#go") == "Stop"
    page.close()
    wait_until(lambda: all(worker.tasks == 0 for worker in client.hub.workers.values()))


@on_a_desk
def test_a_case_is_saved_as_a_run(page, client):
    quick(page, steps=3)
    start_and_wait(page)
    page.click("#save")
    until(page, "document.querySelector('#keep-status').textContent.startsWith('Saved')")
    assert str(client.hub.out) in page.inner_text("#keep-status")


@on_a_desk
def test_the_pairs_of_a_run_are_listed_and_opened(context, client, tmp_path):
    source, *targets = client.images[:3]
    asked = {"models": [FIRST, SECOND], "method": "adaptive", "settings": {"max_steps": 5}}
    events = client.traverse(source, targets, **asked)
    ids = [event["id"] for event in events if event["kind"] == "result"]
    _, saved = client.post("/api/cases", {"found": ids})
    trusted = Trust(run_code=True)
    with own_explorer(
        context, tmp_path, models=[], run=client.hub.out / saved["path"], trust=trusted
    ) as own:
        page = context.new_page()
        page.goto(own.url)
        page.wait_for_selector("#pair-table tbody tr")
        assert page.locator("#pair-table tbody tr").count() == 4
        sections = page.locator("main > section").evaluate_all("all => all.map((one) => one.id)")
        assert sections[1:4] == ["contrast", "pairs", "triangle"]
        assert page.locator("#pairs-link").is_visible()
        region = page.locator("#pairs .scroll")
        assert "gradient" in region.evaluate("one => getComputedStyle(one).backgroundImage")
        row = page.locator("#pair-table tbody tr", has_text=SECOND).first
        shown = row.locator("td").nth(1).inner_text()
        row.locator("button").click()
        until_found(page)
        assert page.input_value("#steps") == "5"
        assert shown in page.locator(".panel .sure").inner_text()
        # One model is left, and what it says of the images is said of it alone.
        page.locator("#slots .said", has_text="model: ").first.wait_for()
        assert "A: " not in page.inner_text("#slots")
        assert page.locator("#star #ramp-legend").is_visible()
        slider = page.locator(".panel input[type=range]")
        slider.focus()
        slider.press("Home")
        assert "step 0 of" in page.locator(".panel .readout").inner_text()


@dark_too
def test_text_stands_out_and_everything_has_a_name(page):
    pick(page, "second", 4)
    quick(page, steps=3)
    start_and_wait(page)
    until_contrasted(page)
    assert violations(page) == []
