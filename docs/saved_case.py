"""A case of the explorer, found and saved through its own server, and the page of it."""

from pathlib import Path

from blindspots.cli.main import call
from tests.support.explorer_client import explorer

MODEL, IMAGES = "zoo:shapes-resnet", "sample:shapes?n=12"
SOURCE, TARGETS = 0, (2, 8)


def saved_case(out: Path) -> Path:
    """The report of what *Start* finds between three embedded images and *Save* writes."""
    with explorer(out, models=[MODEL], images=IMAGES) as page:
        targets = [page.images[number] for number in TARGETS]
        events = page.traverse(page.images[SOURCE], targets)
        found = [event["id"] for event in events if event["kind"] == "result"]
        status, said = page.post("/api/cases", {"found": found})
    if status != 200:
        raise SystemExit(f"the explorer's case was not saved; the site shows it: {said}")
    # The page names its folder, and that of a saved case ends with the time.
    case = Path(said["path"]).rename(out / "explorer")
    if call(["report", str(case), "--quiet"]):
        raise SystemExit("the report of the explorer's case failed; the site shows it")
    return case / "report.html"
