"""`blindspots traverse` and `blindspots sensitivity`: one pair, one image."""

from pathlib import Path
from typing import Any

from blindspots.cli.options import MachineFlags, MethodFlags, ModelFlags, Output, model_specs
from blindspots.cli.startup import check_image_files, check_typed, start
from blindspots.progress import Reporter

DEFAULT_OUTPUT, DEFAULT_MODEL = Output(), ModelFlags()
DEFAULT_METHOD, DEFAULT_MACHINE = MethodFlags(), MachineFlags()


def traverse(
    source: Path,
    target: Path,
    /,
    *,
    model: str,
    out: Path,
    model_flags: ModelFlags = DEFAULT_MODEL,
    method: MethodFlags = DEFAULT_METHOD,
    seed: int = 0,
    machine: MachineFlags = DEFAULT_MACHINE,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Traverse from one image file towards another: strip, found image, a line of result.

    Parameters
    ----------
    source
        Image file whose class the model must keep.
    target
        Image file to look like.
    model
        Model spec, such as zoo:shapes-resnet or timm:resnet50.a1_in1k.
    out
        Directory for found.png, found.safetensors, path.png, path.svg and result.json.
    seed
        Seed of the method's random draws.
    """
    check_image_files(source, target)
    reporter, spec = _start(model, model_flags, output)
    from blindspots.api.single import traverse_files

    traversal, score = method.build()
    _check_out(out, '"evaluations": ', "found.png", "found.safetensors", "path.png", "path.svg")
    loaded = _load(spec, model_flags, machine, reporter)
    files, precision = (source, target), machine.precision
    row = traverse_files(
        loaded, files, traversal, seed, out, reporter, score=score, precision=precision
    )
    output.show(lambda: row, lambda: _traversed(row, out))


def sensitivity(
    image: Path,
    /,
    *,
    model: str,
    target: str,
    out: Path,
    model_flags: ModelFlags = DEFAULT_MODEL,
    machine: MachineFlags = DEFAULT_MACHINE,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """The contrast: targeted PGD, a change nobody sees that changes the prediction.

    Parameters
    ----------
    image
        Image file.
    model
        Model spec.
    target
        Class to reach, by name or number.
    out
        Directory for perturbed.png, sensitivity.png, sensitivity.svg and result.json.
    """
    check_image_files(image)
    reporter, spec = _start(model, model_flags, output)
    from blindspots.api.single import sensitivity_of
    from blindspots.engine.pgd import PGD

    stems = ("perturbed.png", "perturbed.safetensors", "sensitivity.png", "sensitivity.svg")
    _check_out(out, '"reached": ', *stems)
    loaded = _load(spec, model_flags, machine, reporter)
    row = sensitivity_of(loaded, image, target, PGD(), out)
    holds = ", the prediction holds" if row["before"] == row["after"] else ""
    text = (
        f"{row['before']} {row['p_before']:.3f} → {row['after']} {row['p_after']:.3f}{holds}, "
        f"no pixel changed by more than {255 * row['linf']:.3g}/255; {out / 'sensitivity.png'}"
    )
    output.show(lambda: row, lambda: text)


def _start(model: str, flags: ModelFlags, output: Output) -> tuple[Reporter, str]:
    (spec,) = model_specs((model,), flags)
    check_typed((spec,), classes=flags.classes)
    return start(output), spec


def _check_out(out: Path, mark: str, *names: str) -> None:
    from blindspots.store.paths import check_made_here, check_writable

    check_writable(out)
    check_made_here(out, ("result.json", *names), mark)


def _load(spec: str, flags: ModelFlags, machine: MachineFlags, reporter: Reporter) -> Any:
    from blindspots.engine.device import check_precision, find_device, lay_out
    from blindspots.models.load import load_trusted

    device, settings = find_device(machine.device), machine.settings()
    check_precision(machine.precision, device)
    with reporter.busy(f"loading {spec}"):
        return lay_out(load_trusted(spec, flags.trust()).to(device), settings.layout)


def _traversed(row: dict[str, Any], out: Path) -> str:
    from blindspots.reporting.score_labels import CONFIDENCE, words_for

    words = words_for(row["score"])
    name = words.caption(row["source_name"])
    name = name if words is CONFIDENCE else f"{name} {words.noun}"
    kept = f"{name} {row['p_source']:.3f}"
    if row["p_found"] is None:
        return f"{kept}: {row['ending']}, so there was nothing to traverse"
    return (
        f"{kept} → looks like {row['target_name']}, RMSE {row['rmse']:.4f}; the model still says "
        f"{name} {row['p_found']:.3f} (8-bit {row['p_found_8bit']:.3f}, segment "
        f"{row['segment_mean']:.3f}, at least {row['segment_min']:.3f}); "
        f"{row['evaluations']:.0f} evaluations, {row['ending']}; {out / 'path.png'}"
    )
