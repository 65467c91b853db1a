"""The facts of a run as the report lists them; whatever `run.json` lacks is left out."""

from collections.abc import Iterable, Mapping
from typing import Any

from blindspots.store.reader import ModelFacts, Run

Facts = list[tuple[str, str]]


def run_facts(run: Run) -> dict[str, Any]:
    """Groups of (name, text): plan, run, versions, models, notes, skipped and converted images."""
    info = run.info
    return {
        "plan": _plan(run),
        "run": _known(
            {
                "Command": info.command,
                "Started": info.started,
                "Finished": info.finished or "not yet",
                "Duration": _duration(info.seconds),
                "Device": info.device,
                "Pictures kept": info.keep,
                "Plan hash": info.plan_hash,
            }
        ),
        "versions": _known(info.versions),
        "models": [(facts.name, _model(facts)) for facts in run.models],
        "notes": list(info.notes),
        "skipped": _listed(info.images.skipped),
        "converted": _listed(info.images.converted),
    }


def _plan(run: Run) -> Facts:
    plan, images = run.plan, run.info.images
    score = plan.get("score") or {}
    return _known(
        {
            "Images": images.spec or plan.get("images"),
            "Images found": images.count,
            "Method": _settings(run.info.method),
            "Score": _settings(score),
            "Sources": plan.get("sources"),
            "Targets per source": plan.get("targets_per_source"),
            "Seed": plan.get("seed"),
            "Precision": plan.get("precision"),
        }
    )


def _settings(settings: Mapping[str, Any]) -> str:
    fields = ", ".join(
        f"{key.replace('_', ' ')} {_number(value)}"
        for key, value in settings.items()
        if key != "name"
    )
    name = settings.get("name", "")
    return f"{name} ({fields})" if fields else name


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _model(facts: ModelFacts) -> Facts:
    preflight = facts.preflight
    return _known(
        {
            "Spec": facts.spec if facts.spec != facts.name else None,
            "Fingerprint": facts.fingerprint,
            "Input": " × ".join(map(str, facts.size or ())) + (" px" if facts.size else ""),
            "Classes": facts.num_classes,
            "Trained to withstand": _epsilon(facts.training_epsilon),
            "Preflight images": preflight.images,
            "Clean accuracy": _share(preflight.accuracy),
            "Mean confidence": _share(preflight.mean_confidence),
        }
    )


def _epsilon(epsilon: float | None) -> str | None:
    return None if epsilon is None else f"ℓ∞ {255 * epsilon:.3g}/255"


def _share(value: float | None) -> str | None:
    return None if value is None else f"{100 * value:.1f} %"


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _listed(entries: Iterable[Mapping[str, str]]) -> Facts:
    return [(entry.get("name", "?"), entry.get("reason", "")) for entry in entries]


def _known(facts: Mapping[str, Any]) -> Facts:
    return [(name, str(value)) for name, value in facts.items() if value not in (None, "")]
