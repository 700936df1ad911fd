"""The model card."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from azora.tasks import Signature
from azora.tasks.tables import Table


@cache
def environment() -> Environment:
    """The package's templates; a name that nobody filled in is an error."""
    made = Environment(
        loader=PackageLoader("azora.report"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["plain"] = _plain
    return made


def _plain(text: object) -> str:
    """A name as Markdown that shows it as it is, on one line."""
    return re.sub(r"([\\`*_<>\[\]|#])", r"\\\1", " ".join(str(text).split()))


def write_card(
    figures: Mapping[str, Any], signature: Signature, digest: str, test_rows: int, table: Table | None = None
) -> str:
    """The text of the model folder's README.md."""
    template = environment().get_template("card.md.j2")
    return template.render(f=figures, signature=signature, digest=digest, test_rows=test_rows, table=table)
