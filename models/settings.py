"""A member's settings: a preset, changed by ``--set MEMBER.NAME=VALUE``."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from models.registry import get_member
from tomograms.errors import InputError

PRESETS = ("demo", "short", "full")
Rule = tuple[str, bool, str]
"""Name of a setting, whether its rule holds, and what is expected."""


def resolve_settings(member: str, preset: str, overrides: Sequence[str]) -> Any:
    """Return the member's settings.

    Parameters
    ----------
    member
        Its name.
    preset
        One of `PRESETS`.
    overrides
        ``MEMBER.NAME=VALUE`` each, as typed by the user; those of other members are passed over.

    Raises
    ------
    InputError
        If an override is not of that form, names no setting, its value is not of the setting's type, or the member
        refuses the settings.
    """
    kind = get_member(member)
    settings = kind.presets[preset]
    changes: dict[str, Any] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        owner, dot, name = key.partition(".")
        if not equals or not dot:
            raise InputError(f"--set: expected MEMBER.NAME=VALUE, but got {override!r}")
        if owner == member:
            kinds = {field.name: str(field.type) for field in fields(settings)}
            if name not in kinds:
                raise InputError(f"--set: expected a setting of {member} ({', '.join(kinds)}), but got {name!r}")
            changes[name] = _parse(text, getattr(settings, name), override, any_length="..." in kinds[name])
    settings = replace(settings, **changes)
    kind.check(settings)
    return settings


def check_rules(member: str, settings: Any, rules: Iterable[Rule]) -> None:
    """Refuse the first setting whose rule does not hold.

    Parameters
    ----------
    member
        The settings' owner.
    settings
        Whose attributes the rules are about.
    rules
        Name of a setting, whether its rule holds, and what is expected.

    Raises
    ------
    InputError
        If there is one; the message names it, the rule and the value.
    """
    for name, holds, rule in rules:
        if not holds:
            raise InputError(f"--set {member}.{name}: expected {rule}, but got {getattr(settings, name)!r}")


def in_range(
    settings: Any, names: Iterable[str], low: float, high: float = math.inf, *, above: bool = False, below: bool = False
) -> Iterator[Rule]:
    """Yield the rules, for `check_rules`, that settings lie from ``low`` to ``high``.

    Parameters
    ----------
    settings
        Whose attributes the rules are about.
    names
        Of numbers, or of tuples of numbers.
    low, high
        The ends; they belong to the range.
    above, below
        Whether the lower or the upper end does not.
    """
    words = f"above {low:g}" if above else f"of at least {low:g}"
    if high < math.inf:
        words = f"{words} and below {high:g}" if below else f"from {low:g} to {high:g}"
    for name in names:
        value = getattr(settings, name)
        numbers = value if isinstance(value, tuple) else (value,)
        fits = (math.isfinite(n) and low <= n <= high for n in numbers)
        ends = (n != low if above else True for n in numbers), (n != high if below else True for n in numbers)
        yield name, all(fits) and all(map(all, ends)), f"a value {words}"


def check_owners(members: Sequence[str], overrides: Sequence[str]) -> None:
    """Refuse an override whose member does not take part.

    Raises
    ------
    InputError
        If there is one.
    """
    for override in overrides:
        owner = override.partition(".")[0]
        if owner not in members:
            raise InputError(f"--set: expected a setting of {' or '.join(members)}, but got {override!r}")


def to_record(settings: Any) -> dict[str, Any]:
    """Return the settings as plain JSON values (tuples become lists)."""
    return json.loads(json.dumps(asdict(settings)))


def from_record(member: str, record: Mapping[str, Any]) -> Any:
    """Return the settings that `to_record` wrote.

    Raises
    ------
    InputError
        If the record names other settings than this version of the member has.
    """
    kind = type(get_member(member).presets[PRESETS[0]])
    names = {field.name for field in fields(kind)}
    if set(record) != names:
        odd = ", ".join(sorted(set(record) ^ names))
        raise InputError(f"run.json: expected the settings that this version's {member} has, but {odd} differ")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in record.items()})


def _parse(text: str, old: Any, override: str, *, any_length: bool) -> Any:
    """Return ``text`` as a value of the type of ``old``: JSON's form, or plain text; a tuple without brackets."""
    if isinstance(old, str):
        return text
    try:
        value = json.loads(f"[{text}]" if isinstance(old, tuple) and not text.startswith("[") else text)
    except json.JSONDecodeError:
        value = None
    if isinstance(old, tuple):
        if isinstance(value, list) and all(_fits(v, old[0]) for v in value) and (any_length or len(value) == len(old)):
            return tuple(value)
    elif _fits(value, old):
        return float(value) if isinstance(old, float) else value
    raise InputError(f"--set: expected a value like {json.dumps(old)}, but got {override!r}")


def _fits(value: Any, like: Any) -> bool:
    if isinstance(like, bool) or isinstance(value, bool):
        return isinstance(like, bool) and isinstance(value, bool)
    if isinstance(value, float) and not math.isfinite(value):  # JSON as Python reads it knows NaN and Infinity
        return False
    if like is None:
        return value is None or isinstance(value, (int, float, str))
    return isinstance(value, (int, float) if isinstance(like, float) else type(like))
