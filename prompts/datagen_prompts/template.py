"""Prompt templates: Jinja files cut into chat turns, checked when loaded, known by name and hash.

A template is a text file. A line `--- system ---`, `--- user ---` or `--- assistant ---` starts a turn; a file without
such a line is one user turn, which is also the text that a completion endpoint continues.
"""

import hashlib
import re
from collections.abc import Collection
from importlib import resources
from pathlib import Path
from typing import Literal, NamedTuple, cast

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from datagen_schemas.errors import DataError

Role = Literal["system", "user", "assistant"]

_TURN = re.compile(r"^--- (system|user|assistant) ---\n", re.MULTILINE)
# Sandboxed: a user's template is text from somewhere, and must not reach Python objects.
_JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True)


class Turn(NamedTuple):
    """One message of a chat."""

    role: Role
    content: str


class PromptTemplate:
    """A template that is known to need only fields that exist."""

    def __init__(
        self, template_id: str, source: str, *, fields: Collection[str], optional: Collection[str] = ()
    ) -> None:
        """Check that the template is valid, shows every one of `fields`, and uses no others than these and `optional`.

        Raises:
            DataError: bad syntax, an unknown field, or a field that the template must show and does not.
        """
        self.id = template_id
        self.sha256 = hashlib.sha256(source.encode()).hexdigest()
        try:
            tree = _JINJA.parse(source)
            used = meta.find_undeclared_variables(tree)
        except TemplateSyntaxError as error:
            raise DataError(
                f"prompt {template_id} line {error.lineno}: {(error.message or 'bad syntax').rstrip('.')}."
            ) from error
        self.shown = frozenset(used)
        for name in sorted(used - {*fields, *optional}):
            known = ", ".join(sorted({*fields, *optional}))
            raise DataError(f"prompt {template_id}: unknown field '{name}'. It can use: {known}.")
        for name in sorted(set(fields) - used):
            raise DataError(f"prompt {template_id}: it never shows '{name}'. Add {{{{ {name} }}}} where it belongs.")
        head, *parts = _TURN.split(source)
        if parts and head.strip():
            raise DataError(f"prompt {template_id}: text before the first '--- role ---' line. Move it into a turn.")
        roles, texts = (parts[::2], parts[1::2]) if parts else (["user"], [head])
        self._turns: list[tuple[Role, Template]] = [
            (cast(Role, role), _JINJA.from_string(text)) for role, text in zip(roles, texts, strict=True)
        ]
        self._is_chat = bool(parts)
        # What the template itself writes, piece by piece: by it, text in a field is kept from posing as the template.
        self.literals: tuple[str, ...] = (
            *(node.data for node in tree.find_all(nodes.TemplateData)),
            *(str(node.value) for node in tree.find_all(nodes.Const)),
        )

    def render(self, **fields: str) -> tuple[Turn, ...]:
        """The turns with their fields filled in; white space around a chat turn is dropped."""
        turns = (Turn(role, template.render(**fields)) for role, template in self._turns)
        return tuple(Turn(turn.role, turn.content.strip()) if self._is_chat else turn for turn in turns)

    def render_text(self, **fields: str) -> str:
        """All turns as one text, for models that continue a text instead of answering a chat."""
        return "\n\n".join(turn.content for turn in self.render(**fields))


def load_prompt(name: str, *, fields: Collection[str], optional: Collection[str] = ()) -> PromptTemplate:
    """A built-in template by name, or a user's own by path (anything with a '/' or a dot).

    It must show every one of `fields`, and may show those of `optional`, which are empty where there is nothing.

    Raises:
        DataError: no such template, or one that `PromptTemplate` refuses.
    """
    if "/" in name or "." in name:
        try:
            return PromptTemplate(
                Path(name).name, Path(name).read_text(encoding="utf-8"), fields=fields, optional=optional
            )
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise DataError(f"prompt {name}: {reason}. Name a readable UTF-8 file.") from error
    folder = resources.files("datagen_prompts") / "templates"
    file = folder / f"{name}.jinja"
    if not file.is_file():
        known = ", ".join(sorted(entry.name.removesuffix(".jinja") for entry in folder.iterdir()))
        raise DataError(f"no prompt named '{name}'. Built in: {known}; or give the path of a file.")
    return PromptTemplate(name, file.read_text(encoding="utf-8"), fields=fields, optional=optional)
