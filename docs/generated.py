"""What pages of the site have from the code itself: the API, the commands, and Colab's buttons."""

import inspect
from collections.abc import Callable

import blindspots as bs
from blindspots.cli.main import app


def api() -> str:
    """A directive per public name, by kind."""
    kinds: dict[str, list[str]] = {"function": [], "class": [], "exception": [], "module": []}
    for name in bs.__all__:
        kinds[_kind(getattr(bs, name))].append(name)
    parts = [
        "## Functions\n",
        *(_directive("function", name) for name in kinds["function"]),
        "## Classes\n",
        *(_directive("class", name, ":members:") for name in kinds["class"]),
        "## Modules\n",
        *(_module(name) for name in kinds["module"]),
        "## Exceptions\n",
        *(_directive("exception", name) for name in kinds["exception"]),
    ]
    return "\n".join(parts)


def commands() -> str:
    """Every command with its options, as `--help` has them."""
    text = app.generate_docs(output_format="markdown", heading_level=1, max_heading_level=3)
    return text[text.index("\n## blindspots demo") :]


def colab(page: str, text: str, repository: str) -> str:
    """A tutorial with a button below its title that opens it as a notebook in Colab."""
    owner = repository.removeprefix("https://github.com/")
    name = page.removeprefix("tutorials/")
    address = f"https://colab.research.google.com/github/{owner}/blob/notebooks/{name}.ipynb"
    title, _, rest = text.partition("\n\n# ")[2].partition("\n")
    head = text.partition("\n\n# ")[0]
    return f"{head}\n\n# {title}\n\n[Open in Colab]({address}){{.colab}}\n{rest}"


def _kind(thing: object) -> str:
    if inspect.ismodule(thing):
        return "module"
    if inspect.isclass(thing):
        return "exception" if issubclass(thing, Exception) else "class"
    return "function"


def _directive(kind: str, name: str, *options: str) -> str:
    lines = [f".. auto{kind}:: blindspots.{name}", *(f"   {option}" for option in options)]
    return "\n".join(["```{eval-rst}", *lines, "```", ""])


def _module(name: str) -> str:
    module = getattr(bs, name)
    public = {one: thing for one, thing in vars(module).items() if not one.startswith("_")}
    names = sorted(one for one, thing in public.items() if _own(module, thing))
    own = (f".. autofunction:: {module.__name__}.{one}" for one in names)
    about = (inspect.getdoc(module) or "").partition("\n\n")[0]
    return "\n".join([f"### `blindspots.{name}`", "", about, "", "```{eval-rst}", *own, "```", ""])


def _own(module: object, thing: object) -> bool:
    home = getattr(thing, "__module__", "") or ""
    return inspect.isfunction(thing) and home.startswith(getattr(module, "__name__", "?"))


FILLED: dict[str, Callable[[], str]] = {"api": api, "commands": commands}
