# SPDX-License-Identifier: Apache-2.0
"""Which operations of a model stay in floating point."""

from dataclasses import dataclass, field


@dataclass
class Subgraph:
    """All operations on any path from an input to an output, both ends included.

    inputs: names of the operations where it begins.
    outputs: names of the operations where it ends.
    """

    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


@dataclass
class IgnoredScope:
    """The operations that are not quantized: those which any of these rules matches.

    names: exact names.
    patterns: regular expressions; a name matches if it begins with a match.
    types: operation types as the framework spells them, such as "Multiply" in OpenVINO, "Mul" in ONNX.
    subgraphs: parts of the graph.
    validate: True to fail if a rule matches nothing, which is mostly a typing error; False to let it pass.
    """

    names: list[str] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    subgraphs: list[Subgraph] = field(default_factory=list)
    validate: bool = True
