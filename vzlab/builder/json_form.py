"""A builder as JSON: all that was chosen, without results and secrets."""

from __future__ import annotations

import json

from vzlab.builder.builder import Builder
from vzlab.builder.choices import Choices, CostOf, Proof, Sources, Target
from vzlab.builder.settings import check_choices, check_parser

SCHEMA = "vzlab-builder/1"
"""Name and version of the form."""


def to_json(builder: Builder) -> str:
    """Give the JSON of a builder."""
    document = {
        "schema": SCHEMA,
        "sources": builder.chosen_sources.to_json(),
        "look": builder.looked_at,
        "check": builder.is_checked,
        "choose": builder.choices.to_json(),
        "combine": builder.is_combined,
        "cost": None if builder.cost_of is None else builder.cost_of.to_json(),
        "write": builder.target.to_json(),
        "prove": None if builder.proof is None else builder.proof.to_json(),
    }
    return json.dumps(document, indent=2)


def from_json(text: str) -> Builder:
    """Give the builder that JSON stands for.

    Raises
    ------
    ValueError
        If it is not a builder's JSON.
    """
    document = json.loads(text)
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f'Found JSON that is not a builder\'s; expected an object with "schema": "{SCHEMA}"')
    cost, proof = document.get("cost"), document.get("prove")
    builder = Builder(
        chosen_sources=Sources.from_json(document.get("sources", {})),
        looked_at=document.get("look"),
        is_checked=bool(document.get("check")),
        choices=Choices.from_json(document.get("choose", {})),
        is_combined=bool(document.get("combine")),
        cost_of=None if cost is None else CostOf.from_json(cost),
        target=Target.from_json(document.get("write", {})),
        proof=None if proof is None else Proof.from_json(proof),
    )
    check_parser(builder.chosen_sources.parser, builder.chosen_sources.parser_options)
    check_choices(builder.choices)
    return builder
