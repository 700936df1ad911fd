"""The model card."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from azora.tasks import Signature


@cache
def environment() -> Environment:
    """The package's templates; a name that nobody filled in is an error."""
    return Environment(
        loader=PackageLoader("azora.report"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_card(figures: Mapping[str, Any], signature: Signature, digest: str, test_rows: int) -> str:
    """The text of the model folder's README.md."""
    template = environment().get_template("card.md.j2")
    return template.render(f=figures, signature=signature, digest=digest, test_rows=test_rows)
