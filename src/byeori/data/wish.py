"""What a caller wants of a source: the parameters of `byeori.data.read.read_rows`, as reading passes them on.

Wish(settings, ("text", "label"), ("text",)).wants("label")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from byeori.data.cleaning import Cleaner


@dataclass(frozen=True, slots=True)
class Wish:
    """See `byeori.data.read.read_rows`, whose parameters these are (`bad` is its `on_bad`)."""

    settings: Any = None
    roles: Sequence[str] = ("text", "text_pair", "label")
    required: Sequence[str] = ("text",)
    label_names: Sequence[str] | None = None
    bad: str = "raise"
    keep: bool = False
    before: Mapping[str, str | list[str]] = field(default_factory=dict)
    forms: Sequence[Sequence[str]] = ()
    judged: bool = (
        False  # of rows that are kept: right answers that can't be used are errors too, as they are in training
    )

    @property
    def cleaner(self) -> Cleaner:
        """What is to be done to the texts. Raises SettingError."""
        return Cleaner.of(self.settings)

    def setting(self, name: str) -> Any:
        return getattr(self.settings, name, None)

    def wants(self, *roles: str) -> bool:
        """Whether any of these roles is looked for."""
        return any(role in self.roles for role in roles)

    def given(self, role: str) -> Any:
        """The column a person named for a role; `--label` names the tags where there are no other labels."""
        if role == "tags" and not self.wants("label"):
            return self.setting("tags") or self.setting("label")
        return self.setting(role)

    @property
    def documents(self) -> bool:
        """Whether plain text is running text, to be cut into documents: not where each line is asked about."""
        learns = hasattr(self.settings, "document") or any("completion" in form for form in self.forms)
        return (
            learns and self.wants("text") and not self.wants("label", "tokens") and (self.bad != "keep" or self.judged)
        )


def wanted(task: Any, labels: bool = True) -> dict[str, Any]:
    """`roles`, `required` and `forms` of `read_rows` for a task's rows: with its right answers, or without."""
    roles, forms = task.roles, task.forms
    if not labels:
        roles = tuple(role for role in roles if role not in task.answers)
        forms = tuple(dict.fromkeys(tuple(role for role in form if role in roles) for form in forms))
    needed = {*task.needed, *(task.answers if labels else ())}
    return {"roles": roles, "required": () if forms else tuple(r for r in roles if r in needed), "forms": forms}
