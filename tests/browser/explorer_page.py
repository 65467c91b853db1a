"""What a person does on the explorer's page, and when it has come to pass."""

import base64
import io
import json
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image

from tests.support.explorer_client import explorer

DROP = """([selector, files]) => {
  const box = new DataTransfer();
  for (const [name, text] of files) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    box.items.add(new File([bytes], name, {type: 'image/jpeg'}));
  }
  const at = document.querySelector(selector);
  for (const kind of ['dragover', 'drop']) {
    at.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: box}));
  }
}"""
# The shares below the mixed image are those of the mark, the weights those of the answer.
ANSWERED = """(() => {
  const exact = document.querySelector('#triangle-view .exact');
  if (!exact.dataset.weights) return false;
  const shares = JSON.parse(exact.dataset.weights).map((w) => Math.round(100 * w));
  const told = document.querySelector('#triangle-view .told').textContent;
  return told.match(/\\d+(?=\\u00a0%)/g).join() === shares.join();
})()"""


@contextmanager
def own_explorer(context, *arguments, **wanted):
    """A server for one test, whose tabs close before it ends: one still computing would ask on."""
    with explorer(*arguments, **wanted) as running:
        try:
            yield running
        finally:
            for page in context.pages:
                page.close()


def opened_at(context, address):
    """A new tab at an address, its images loaded."""
    page = context.new_page()
    page.goto(address if "#" in address else f"{address}#pick")
    page.wait_for_selector("#slots .seen b")
    page.evaluate("document.querySelector('#more').open = true")
    return page


def pick(page, slot, index):
    page.click(f".slot[data-slot={slot}] .choose")
    page.locator(".thumb").nth(index).click()


def quick(page, method="star", steps=8):
    page.select_option("#method", method)
    page.fill("#steps", str(steps))
    page.locator("#steps").blur()


def until(page, expression, seconds=60):
    """Come back when it holds on the page, whose policy forbids Playwright's own way to wait."""
    for _ in range(50 * seconds):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"it did not come to hold in time: {expression}")


def until_still(page, selector, pause=200, seconds=20):
    """The text there once it has not changed for `pause` milliseconds."""
    place, before = page.locator(selector).first, None
    for _ in range(1000 * seconds // pause):
        now = place.inner_text()
        if now == before:
            return now
        before = now
        page.wait_for_timeout(pause)
    raise AssertionError(f"{selector} did not come to rest in time: {before}")


def start_and_wait(page):
    page.click("#go")
    until_found(page)


def stop(page):
    """Press Stop as a person does, who reads it first: at once, it would be a click on Start."""
    until(page, "document.querySelector('#go').textContent === 'Stop'")
    page.wait_for_timeout(300)
    page.click("#go")


def until_found(page):
    page.wait_for_selector(".panel .facts dd", state="attached", timeout=60_000)
    until(page, "document.querySelector('#go').textContent === 'Start'")
    # A run once ended like that by itself.
    assert "Stopped" not in page.inner_text("#status")


def until_contrasted(page):
    """Wait until the prediction of every model was changed."""
    every = "[...document.querySelectorAll('#contrast-view article')]"
    until(page, f"{every}.length && {every}.every((one) => one.textContent.includes('8/255'))")


def answered_weights(page):
    """The weights that the shown confidence belongs to, once they are those of the mark."""
    page.wait_for_selector("#triangle-view .exact output")
    until(page, ANSWERED)
    return json.loads(page.locator("#triangle-view .exact").first.get_attribute("data-weights"))


def shown_image(page, selector):
    """What a canvas shows, as a float image in [0, 1]."""
    text = page.locator(selector).first.evaluate("one => one.toDataURL('image/png')")
    picture = Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2]))).convert("RGB")
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


def middle(rect):
    """The middle of a drawing's rectangle, in the drawing's own units."""
    return np.array(
        rect.evaluate("""one => {
      const box = one.getBBox();
      return [box.x + box.width / 2, box.y + box.height / 2];
    }""")
    )


def jpeg(colour):
    """A file as a person would drop it, in base 64."""
    out = io.BytesIO()
    picture = Image.radial_gradient("L").resize((80, 80))
    Image.merge("RGB", [picture.point(lambda v, c=c: v * c // 255) for c in colour]).save(
        out, "JPEG"
    )
    return base64.b64encode(out.getvalue()).decode()
