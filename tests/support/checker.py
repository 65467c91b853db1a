"""Shapes and types of the package's functions, checked at run time while a unit test runs.

jaxtyping's import hook decorates all of the package's 2,200 functions when they are imported. To
build a check costs milliseconds, so it is built at the first call that is checked: a function that
no test calls costs nothing. While `watching` is off, the function itself is called.
"""

import dataclasses
import functools
import inspect

import jaxtyping
from beartype import BeartypeConf, beartype

# As the type checker does it: an int will do where a float is asked for.
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
watching = True
build_check = jaxtyping.jaxtyped


def install(package: str) -> None:
    """Every module of the package that is imported from now on is checked."""
    # The decorator that the hook writes before each function is looked up by this name.
    jaxtyping.jaxtyped = decorate
    jaxtyping.install_import_hook(package, "tests.support.checker.checked")


def watch(on: bool) -> None:
    """Calls are checked, or not, until this is called again."""
    global watching
    watching = on


def decorate(thing=None, *, typechecker):
    """What jaxtyping.jaxtyped does to a function, a method, a property or a dataclass, later."""
    later = functools.partial(check_later, typechecker=typechecker)
    if thing is None:
        return functools.partial(decorate, typechecker=typechecker)
    if inspect.isclass(thing):
        if dataclasses.is_dataclass(thing) and "__init__" in vars(thing):
            thing.__init__ = later(thing.__init__)
        return thing
    if isinstance(thing, classmethod | staticmethod):
        return type(thing)(later(thing.__func__))
    if isinstance(thing, property):
        return property(*(part and later(part) for part in (thing.fget, thing.fset, thing.fdel)))
    return later(thing)


def check_later(function, typechecker):
    """The function with its check, which is built when it is first called for."""
    check = None

    @functools.wraps(function)
    def either(*args, **kwargs):
        nonlocal check
        if not watching:
            return function(*args, **kwargs)
        if check is None:
            check = build_check(function, typechecker=typechecker)
        return check(*args, **kwargs)

    return either
