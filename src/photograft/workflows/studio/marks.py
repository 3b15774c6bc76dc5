"""What the user says of photos and classes, as the sum of all changes; and the way back.

Nothing here knows which photos there are: the same changes give the same marks, whatever the
folders hold today.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from photograft.core.text import count
from photograft.workflows.studio.journal import Record

#: So many changes can be undone.
MAX_UNDO = 100


@dataclass(frozen=True, slots=True)
class Mark:
    """What the user says of a photo.

    Attributes:
        label: The name of its class; None for none.
        has_label: Whether that counts; else the source's label does.
        excluded: Whether it is left out.
        group: Its group; None for none.
        has_group: Whether that counts; else the source's group does.
        answer: What was answered to a finding, and its value.
        before: What was said before that answer, which comes back with it.
    """

    label: str | None = None
    has_label: bool = False
    excluded: bool = False
    group: str | None = None
    has_group: bool = False
    answer: tuple[str, str] | None = None
    before: Mark | None = None


_NO_MARK = Mark()
#: Begins the names of groups that nobody chose a name for.
_UNNAMED = "together-"


@dataclass(frozen=True, slots=True)
class Part:
    """What a change touches, as it was before or is after it."""

    marks: Mapping[str, Mark]
    classes: tuple[str, ...]
    alias: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Change:
    """A change that can be undone.

    Attributes:
        what: It in words, such as ``"Label 3 photos bee"``.
        before: What it touched, as it was.
        after: The same, as it is.
    """

    what: str
    before: Part
    after: Part


@dataclass
class Marks:
    """The sum of all changes.

    Attributes:
        photos: By path; of others nothing was said.
        classes: Those that the user made, in that order.
        alias: By the name of a class in the source: what it is called now; None if it is no more.
    """

    photos: dict[str, Mark] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    alias: dict[str, str | None] = field(default_factory=dict)
    _done: list[Change] = field(default_factory=list)
    _undone: list[Change] = field(default_factory=list)

    def of(self, path: str) -> Mark:
        """Return what was said of a photo."""
        return self.photos.get(path, _NO_MARK)

    def named(self, label: str | None) -> str | None:
        """Return what a class of the source is called now."""
        return self.alias.get(label, label) if label is not None else None

    @property
    def can_undo(self) -> str | None:
        """The last change in words."""
        return self._done[-1].what if self._done else None

    @property
    def can_redo(self) -> str | None:
        """The change that was undone last."""
        return self._undone[-1].what if self._undone else None

    def take(self, record: Record) -> str:
        """Follow a record of the journal; return what it does, in words.

        Raises:
            ValueError: It is of no kind that is known.
        """
        do = record["do"]
        if do == "undo":
            change = self._done.pop()
            self._put(change.before)
            self._undone.append(change)
            return f"Undone: {change.what}"
        if do == "redo":
            change = self._undone.pop()
            self._put(change.after)
            self._done.append(change)
            return f"Done again: {change.what}"
        what, after = self._after(do, record)
        touched = {path: self.photos.get(path, _NO_MARK) for path in after.marks}
        before = Part(touched, self.classes, dict(self.alias))
        self._put(after)
        if do == "bring":  # a photo that has come stays: its file is there
            self._done = [_apart(change, after.marks) for change in self._done]
            self._undone = [_apart(change, after.marks) for change in self._undone]
        else:
            self._done.append(Change(what, before, after))
            del self._done[:-MAX_UNDO]
            self._undone.clear()
        return what

    def _put(self, part: Part) -> None:
        for path, mark in part.marks.items():
            if mark == _NO_MARK:
                self.photos.pop(path, None)
            else:
                self.photos[path] = mark
        self.classes, self.alias = part.classes, dict(part.alias)

    def _after(self, do: str, record: Record) -> tuple[str, Part]:
        paths: Sequence[str] = record.get("paths", ())
        if do in ("label", "exclude", "group", "answer", "bring"):
            label = record.get("label")
            made = record.get("value") if record.get("action") == "relabel" else label
            classes = self._with(made) if made else self.classes
            marks = {path: _marked(self.of(path), do, record) for path in paths}
            return _told(do, len(paths), record), Part(marks, classes, self.alias)
        if do == "class" and record["action"] == "create":
            name = record["name"]
            return f"New class {name}", Part({}, self._with(name), self.alias)
        if do == "class":
            return self._renamed(record["action"], record["name"], record.get("to"))
        raise ValueError(f"no such change: {do}")

    def _with(self, name: str) -> tuple[str, ...]:
        return self.classes if name in self.classes else (*self.classes, name)

    def _renamed(self, action: str, name: str, to: str | None) -> tuple[str, Part]:
        """Rename, merge and remove: all photos of one class are of another, or of none."""
        alias = {old: to if now == name else now for old, now in self.alias.items()}
        alias.setdefault(name, to)
        marks = {
            path: found
            for path, mark in self.photos.items()
            if (found := _of_class(mark, name, to)) != mark
        }
        renamed = [to if old == name else old for old in self.classes]
        classes = tuple(dict.fromkeys(old for old in renamed if old is not None))
        if to is not None and to not in classes:
            classes = (*classes, to)
        what = {
            "rename": f"Rename {name} to {to}",
            "merge": f"Merge {name} into {to}",
            "remove": f"Remove the class {name}",
        }[action]
        return what, Part(marks, classes, alias)


def _apart(change: Change, paths: Mapping[str, Mark]) -> Change:
    """Return a change without what it says of photos whose names others have taken."""
    if paths.keys().isdisjoint(change.after.marks):
        return change
    before, after = (
        replace(part, marks={path: m for path, m in part.marks.items() if path not in paths})
        for part in (change.before, change.after)
    )
    return replace(change, before=before, after=after)


def _of_class(mark: Mark, name: str, to: str | None) -> Mark:
    """Return a mark as it is when a class is called something else, or is no more."""
    if mark.before is not None:
        mark = replace(mark, before=_of_class(mark.before, name, to))
    if not mark.has_label or mark.label != name:
        return mark
    return replace(_without(mark, ("relabel", name)), label=to)


def _without(mark: Mark, *answers: object) -> Mark:
    """Return a mark without its answer, if that or its action is one of these."""
    if mark.answer is None or not {mark.answer, mark.answer[0]} & set(answers):
        return mark
    return replace(mark, answer=None, before=None)


def _taken_back(mark: Mark) -> Mark:
    """Return a mark without its answer, and without what that did."""
    action, before = mark.answer[0] if mark.answer else "", mark.before or _NO_MARK
    mark = replace(mark, answer=None, before=None)
    if action == "relabel":
        return replace(mark, label=before.label, has_label=before.has_label)
    if action == "group":
        return replace(mark, group=before.group, has_group=before.has_group)
    return replace(mark, excluded=before.excluded) if action == "exclude" else mark


def _marked(mark: Mark, do: str, record: Record) -> Mark:
    value: Any = record.get("value")
    if do == "label":
        return replace(_without(mark, "relabel", "ok"), label=record["label"], has_label=True)
    if do == "exclude":
        return replace(_without(mark, "exclude"), excluded=record["excluded"])
    if do == "group":
        return replace(_without(mark, "group"), group=record["group"], has_group=True)
    if do == "bring":
        given, group = record.get("label"), record.get("group")
        # Whatever was said of a photo of this name was said of one that is gone.
        return Mark(given, given is not None, group=group, has_group=group is not None)
    action = record["action"]
    if action is None:
        return _taken_back(mark)
    is_again = mark.answer is not None and mark.answer[0] == action
    before = mark.before if is_again else replace(mark, answer=None, before=None)
    mark = replace(mark, answer=(action, str(value or "")), before=before)
    if action == "relabel":
        return replace(mark, label=value, has_label=True)
    if action == "group":
        return replace(mark, group=value, has_group=True)
    return replace(mark, excluded=True) if action == "exclude" else mark


def _told(do: str, number: int, record: Record) -> str:
    photos = count(number, "photo")
    if do == "label":
        label = record["label"]
        return f"Label {photos} {label}" if label is not None else f"Take the label off {photos}"
    if do == "exclude":
        return f"Leave {photos} out" if record["excluded"] else f"Take {photos} back in"
    if do == "group":
        group = record["group"]
        return _grouped(photos, group) if group is not None else f"Ungroup {photos}"
    if do == "bring":
        return f"Bring {photos}"
    action, value = record["action"], record.get("value")
    return {
        "relabel": f"Label {photos} {value}",
        "exclude": f"Leave {photos} out",
        "group": _grouped(photos, str(value)),
        "ok": f"Call {photos} right",
        None: f"Take the answer to {photos} back",
    }[action]


def _grouped(photos: str, group: str) -> str:
    return f"Group {photos}" if group.startswith(_UNNAMED) else f"Group {photos} as {group}"


def replayed(records: Iterable[Record]) -> Marks:
    """Return the sum of records."""
    marks = Marks()
    for record in records:
        marks.take(record)
    return marks
