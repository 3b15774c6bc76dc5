"""Text for people: names and numbers as they are shown, durations and commands as given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from photograft.core.addresses import shown_address
from photograft.core.errors import InputError

#: What rounds to no tenth of a point is no gain, in points.
VISIBLE_POINTS = 0.05


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}

#: Joiners that scripts and emoji need to be drawn right; harmless, though they are not printable.
_JOINERS = "\u200c\u200d"


def shown(text: object) -> str:
    r"""Return text whose every character can be seen: others as ``\u202e``, the way Python does.

    What turns the direction of writing, moves the cursor or is no character at all would let a
    file's name look like another's, or is not allowed in HTML.

    >>> shown("cat\u202egpj.exe"), shown("a\x00b")
    ('cat\\u202egpj.exe', 'a\\x00b')
    """
    return "".join(
        c if c.isprintable() or c in _JOINERS else c.encode("unicode_escape").decode("ascii")
        for c in str(text)
    )


def short(text: object, most: int = 28) -> str:
    """Return text as `shown`, its middle left out where it is longer than `most`.

    >>> short("a_very_long_name_of_a_photo.jpg", 16)
    'a_ver…_photo.jpg'
    """
    text = shown(text)
    if len(text) <= most:
        return text
    tail = (most - 1) * 2 // 3
    return text[: most - 1 - tail] + "…" + text[-tail:]


def short_text(text: str, most: int) -> str:
    """Return text for a picture, its middle left out where it is longer than `most`.

    As `short`, but a question mark stands for what can't be drawn.
    """
    text = "".join(c if c.isprintable() else "?" for c in text)
    if len(text) <= most:
        return text
    tail = (most - 1) * 2 // 3
    return text[: most - 1 - tail] + "…" + text[-tail:]


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share of one as a percentage; a dash for None.

    What is not quite nothing or everything does not look like it.

    >>> percent(0.9411), percent(1.0), percent(0.99996), percent(0.0001), percent(None)
    ('94.1%', '100%', '>99.9%', '<0.1%', '–')
    """
    if share is None:
        return "–"
    if share in (0, 1):
        return f"{share:.0%}"
    least = 0.1**digits / 100
    if 0 < share < least / 2:
        return f"<{least:.{digits}%}"
    return f">{1 - least:.{digits}%}" if 1 - least / 2 < share < 1 else f"{share:.{digits}%}"


def with_interval(share: float, interval: Sequence[float]) -> str:
    """Return a share of one and its 95 % interval.

    >>> with_interval(0.9411, (0.92, 0.96))
    '94.1% (95% interval 92.0% to 96.0%)'
    """
    low, high = interval
    return f"{percent(share)} (95% interval {percent(low)} to {percent(high)})"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many digits after the point; a dash for None."""
    return "–" if value is None else f"{value:,.{digits}f}"


def count(value: int, noun: str, plural: str = "") -> str:
    """Return how many there are of something.

    >>> count(1, "photo"), count(1200, "photo"), count(2, "class", "classes")
    ('1 photo', '1,200 photos', '2 classes')
    """
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}"


def of(value: int, total: int, noun: str, plural: str = "") -> str:
    """Return how many there are of some, of all that there are.

    >>> of(1, 1, "photo"), of(1, 1200, "photo")
    ('1 of 1 photo', '1 of 1,200 photos')
    """
    return f"{value:,} of {count(total, noun, plural)}"


def times(counts: Mapping[str, int]) -> str:
    """Return how often something was so; what is said of one and of many is the same.

    >>> times({"truncated": 1200, "empty file": 2})
    '1,200 × truncated, 2 × empty file'
    """
    return ", ".join(f"{number:,} × {what}" for what, number in counts.items())


def brief(value: float | None) -> str:
    """Return a large number in three figures.

    >>> brief(950), brief(3373570), brief(385_000_000), brief(None)
    ('950', '3.37 M', '385 M', '–')
    """
    if value is None:
        return "–"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value:.3g}"


def size(num_bytes: float | None) -> str:
    """Return a size in bytes for people.

    >>> size(1_500_000), size(12)
    ('1.5 MB', '12 B')
    """
    if num_bytes is None:
        return "–"
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if num_bytes >= limit:
            return f"{num_bytes / limit:.1f} {unit}"
    return f"{num_bytes:.0f} B"


def duration(seconds: float | None) -> str:
    """Return a time for people.

    >>> duration(4.52), duration(75), duration(5000), duration(None)
    ('4.5 s', '1 min 15 s', '1 h 23 min', '–')
    """
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rough_duration(seconds: float) -> str:
    """Return a time for people that is only a guess.

    >>> rough_duration(45), rough_duration(600)
    ('45 s', '10 min')
    """
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Return names as they stand in a sentence, the first of them where they are many.

    >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d"], most=2)
    ('a, b and c', 'a, b and 2 more')
    """
    known = [short(name, 40) for name in names]
    if len(known) > most:
        known = [*known[:most], f"{len(known) - most:,} more"]
    return known[0] if len(known) == 1 else ", ".join(known[:-1]) + " and " + known[-1]


def classes(names: Sequence[str], most: int = 6) -> str:
    """Return how many classes there are, and what the first of them are called.

    >>> classes(["cat", "dog"]), classes(["a", "b", "c"], most=2)
    ("2 classes: 'cat', 'dog'", "3 classes: 'a', 'b' and 1 more")
    """
    first = ", ".join(repr(short(name)) for name in names[:most])
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{count(len(names), 'class', 'classes')}: {first}{more}"


def exact_percent(share: float) -> str:
    """Return a share that somebody chose, in percent, and rounded to nothing else.

    >>> exact_percent(0.95), exact_percent(0.9999)
    ('95%', '99.99%')
    """
    return f"{100 * share:.10g}%"


def parse_duration(text: str | float, what: str = "the time") -> float:
    """Return a span of time in seconds.

    Args:
        text: A number of seconds, or one with its unit.
        what: What an error calls it.

    Raises:
        InputError: It can't be understood.

    >>> parse_duration("90s"), parse_duration("10m"), parse_duration("1.5h"), parse_duration(5)
    (90.0, 600.0, 5400.0, 5.0)
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return float(text)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh])\s*", str(text))
    if match is None:
        raise InputError(
            f"{what} can't be understood", expected="a time such as 90s, 10m or 2h", got=repr(text)
        )
    return float(match[1]) * _UNITS[match[2]]


def command_line(
    command: str,
    arguments: Sequence[object],
    options: Mapping[str, object],
    usual: Mapping[str, object] | None = None,
) -> str:
    """Return a command of `photograft` as a shell takes it.

    Args:
        command: Its name.
        arguments: That stand without a name; addresses are written without their secrets.
        options: By their names in Python; those that are None, empty or as usual are left out. Of
            several values, each has the option's name before it.
        usual: What an option is where nobody gives it.

    >>> command_line("doctor", ["my photos"], {"group_by": "", "seed": 1, "out": None})
    "photograft doctor 'my photos' --seed 1"
    """
    parts = ["photograft", command, *(shown_address(str(one)) for one in arguments)]
    for name, value in options.items():
        if value is None or value == "" or (usual and value == usual.get(name, object())):
            continue
        for one in value if isinstance(value, (list, tuple)) else (value,):
            parts += ["--" + name.replace("_", "-"), str(one)]
    return shlex.join(parts)


def signed(points: float) -> str:
    """Return points with their sign, but for none.

    >>> signed(1.26), signed(-0.01), signed(-3)
    ('+1.3', '0.0', '-3.0')
    """
    return "0.0" if abs(points) < VISIBLE_POINTS else f"{points:+.1f}"


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a sort key that puts numbers within names in the order of their size.

    The name itself tells ``"1"`` from ``"01"``, which would else come in any order.
    """
    parts = re.split(r"(\d+)", name)
    numbers = (part.lstrip("0") if part.isdecimal() else None for part in parts)
    return [
        (-1, part) if number is None else (len(number), number)
        for part, number in zip(parts, numbers, strict=True)
    ], name


def layers_text(names: Sequence[str]) -> str:
    """Return which layers a head sees, in words; those of several looks are ``LOOK/LAYER``.

    >>> layers_text(["blocks.6", "last"])
    'layers blocks.6, last'
    >>> layers_text(["a/blocks.6", "a/last", "b/blocks.6", "b/last"])
    'layers blocks.6, last of each'
    >>> layers_text(["a/blocks.6", "a/last", "b/last"])
    'layers blocks.6, last of a; last of b'
    """
    looks: dict[str, list[str]] = {}
    for name in names:
        look, _, layer = name.rpartition("/")
        looks.setdefault(look, []).append(layer)
    sets = [", ".join(layers) for layers in looks.values()]
    if len(looks) > 1 and len(set(sets)) == 1:
        return f"layers {sets[0]} of each"
    parts = (f"{own} of {look}" if look else own for look, own in zip(looks, sets, strict=True))
    return "layers " + "; ".join(parts)
