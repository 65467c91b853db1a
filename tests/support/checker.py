"""Shapes and types of the package's functions, checked at run time while a unit test runs.

jaxtyping's import hook decorates all of the package's 2,200 functions when they are imported. To
build a check costs milliseconds, so it is built at the first call that is checked: a function that
no test calls costs nothing. In every test the first calls of each function are checked; a loop that
calls one a million times is not. While `watching` is off, the function itself is called.
"""

import dataclasses
import functools
import inspect
import itertools
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

# As the type checker does it: an int will do where a float is asked for.
check_types = beartype(conf=BeartypeConf(is_pep484_tower=True))
watching = True
test = 0
build_check = jaxtyping.jaxtyped
# beartype looks at one item of a container; here so many stand for all.
MOST_ITEMS = 8
# So many calls of a function are checked in each test.
MOST_CALLS = 40
_NONE = object()
_PLACES = {}
_PLAIN = {bool, int, float, str, bytes, type(None)}


def install(package: str) -> None:
    """Every module of the package that is imported from now on is checked."""
    # The decorator that the hook writes before each function is looked up by this name.
    jaxtyping.jaxtyped = decorate
    jaxtyping.install_import_hook(package, "tests.support.checker.checked")


def checked(function):
    """The function with its types checked; jaxtyping asks for it twice.

    First for the parameters, whose result may be anything, then for the result: its parameters
    have passed, and to build their check again would take as long as the rest.
    """
    result = function.__annotations__.get("return", Any)
    if result is not Any:
        function.__annotations__ = {"return": result}
    return check_types(function)


def watch(on: bool) -> None:
    """Calls are checked, or not, until this is called again, at the beginning of the next test."""
    global watching, test
    watching, test = on, test + 1


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
    """The function with its check, which is built when it is first called for.

    A check depends on types and shapes, and takes longer than most functions: arguments and a
    result whose types and shapes have passed once are not checked again.
    """
    place, result = place_of(function), _NONE
    passed = place.passed

    @functools.wraps(function)
    def body(*args, **kwargs):
        return function(*args, **kwargs) if result is _NONE else result

    @functools.cache
    def check():
        return build_check(body, typechecker=typechecker)

    @functools.wraps(function)
    def either(*args, **kwargs):
        nonlocal result
        if not (watching and place.is_checked()):
            return function(*args, **kwargs)
        if passed is None:
            return check()(*args, **kwargs)
        key = describe(args), describe(kwargs)
        if key not in passed:
            value = check()(*args, **kwargs)
            passed[key] = {describe(value)}
            return value
        value = function(*args, **kwargs)
        if (said := describe(value)) not in passed[key]:
            result = value
            try:
                check()(*args, **kwargs)
            finally:
                result = _NONE
            passed[key].add(said)
        return value

    return either


class Place:
    """What was checked of a function, of one that is defined anew at every call too."""

    def __init__(self, function):
        literal = any("Literal" in str(kind) for kind in function.__annotations__.values())
        # None where all calls are checked, because an annotation names values.
        self.passed = None if literal else {}
        self.test, self.left = None, 0

    def is_checked(self):
        """Whether this call is one of the first in its test."""
        if self.test != test:
            self.test, self.left = test, MOST_CALLS
        self.left -= 1
        return self.left >= 0


def place_of(function):
    code = getattr(function, "__code__", None)
    place = (code.co_filename, code.co_qualname, code.co_firstlineno) if code else function
    if place not in _PLACES:
        _PLACES[place] = Place(function)
    return _PLACES[place]


def describe(value):
    """What the check of a value depends on, where no annotation names values: types and shapes."""
    kind = type(value)
    if kind in _PLAIN:
        return kind
    if kind is tuple or kind is list:
        return kind, tuple(map(describe, value[:MOST_ITEMS]))
    if kind is dict:
        return kind, tuple(map(describe, itertools.islice(value.items(), MOST_ITEMS)))
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return kind, value.shape, value.dtype
    return kind
