# SPDX-License-Identifier: Apache-2.0
"""Where Tightrope and NNCF put quantizers, in one form, without data; and how the two decisions differ.

A decision is a dict. "points": one dict per quantizer with kind ("post": an output, "pre": an input, "weight"), op,
port and configuration. "unified": groups of points with one range. "half_range": weights with half of the levels.

Options are those of `quantize` as plain values, named as in JSON: {"preset": "mixed", "advanced_parameters": {...}}.
"""

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest import mock

import openvino as ov

from tightrope import _runtime
from tightrope._runtime import _core
from tightrope.errors import QuantizationError

Decision = dict[str, Any]
Site = tuple[str, str, int]  # kind, operation, port

_KINDS = {"output": "post", "input": "pre", "weight": "weight"}
_NNCF_KINDS = {"POST_LAYER_OPERATION": "post", "PRE_LAYER_OPERATION": "pre", "OPERATION_WITH_WEIGHTS": "weight"}


def our_decision(model: ov.Model, **options: Any) -> Decision:
    """What Tightrope decides with the reference placement; nothing where it finds nothing to quantize.

    Raises what `quantize` would raise for other reasons.
    """
    core = _core.Model(_runtime.handle(model), _runtime.handle(model.clone()))
    return decide(functools.partial(_core.place, core), options)


def decide(place: Callable[[str], Any], options: dict[str, Any], rename: Callable[[str], str] = str) -> Decision:
    """The same where `place` turns options in JSON into a plan; `rename` gives operations NNCF's names."""
    try:
        plan = json.loads(place(json.dumps({"placement": "reference", **options})).to_json())
    except QuantizationError:
        return {"points": [], "unified": [], "half_range": []}
    points, half_range = [], []
    groups: dict[int, list[list[Any]]] = {}
    for quantizer in plan["quantizers"]:
        config = quantizer["config"]
        site = [_KINDS[quantizer["kind"]], rename(quantizer["node"]), quantizer["port"]]
        points.append(
            {
                **dict(zip(("kind", "op", "port"), site, strict=True)),
                "bits": config["bits"],
                "mode": config["mode"],
                "per_channel": config["per_channel"],
                "narrow": config["narrow_range"],
                "signed": config["forced_sign"],
            }
        )
        if quantizer["half_range"]:
            half_range.append(site)
        if quantizer["shared_scale"] >= 0:
            groups.setdefault(quantizer["shared_scale"], []).append(site)
    return {
        "points": points,
        "unified": sorted(sorted(group) for group in groups.values()),
        "half_range": sorted(half_range),
    }


def nncf_decision(model: ov.Model, **options: Any) -> Decision:
    """What the installed NNCF decides. Raises what NNCF raises."""
    from nncf.openvino.graph.nncf_graph_builder import GraphConverter
    from nncf.quantization.algorithms.min_max.algorithm import MinMaxQuantization

    def site(target: Any) -> list[Any]:
        return [_NNCF_KINDS[target.type.name], target.target_node_name, target.port_id]

    graph = GraphConverter.create_nncf_graph(model)
    algorithm = MinMaxQuantization(**_nncf_arguments(options))
    algorithm._set_backend_entity(model)
    configs, groups = algorithm._get_quantization_target_points(model, graph)
    half_range = algorithm._get_quantization_points_overflow_fix(algorithm._overflow_fix, configs, graph)
    for target in half_range:
        if configs[target].mode.value != "symmetric":  # NNCF finds this out when it has ranges
            raise ValueError(f"asymmetric weights of '{target.target_node_name}' can't use half of their levels")
    return {
        "points": [
            {
                **dict(zip(("kind", "op", "port"), site(target), strict=True)),
                "bits": config.num_bits,
                "mode": config.mode.value,
                "per_channel": config.per_channel,
                "narrow": config.narrow_range,
                "signed": config.signedness_to_force,
            }
            for target, config in configs.items()
        ],
        "unified": sorted(sorted(site(target) for target in group) for group in groups),
        "half_range": sorted(site(target) for target in half_range),
    }


def _nncf_arguments(options: dict[str, Any]) -> dict[str, Any]:
    """Our options as the arguments of NNCF's algorithm."""
    import nncf
    from nncf.common.quantization.structs import QuantizationScheme
    from nncf.quantization.advanced_parameters import OverflowFix, QuantizationParameters, QuantizerPropagationRule

    def parameters(values: dict[str, Any]) -> QuantizationParameters:
        mode = values.get("mode")
        return QuantizationParameters(**{**values, "mode": mode and QuantizationScheme(mode)})

    def scope(values: dict[str, Any]) -> nncf.IgnoredScope:
        subgraphs = [nncf.Subgraph(**subgraph) for subgraph in values.get("subgraphs", [])]
        return nncf.IgnoredScope(**{**values, "subgraphs": subgraphs})

    convert: dict[str, Callable[[Any], Any]] = {
        "preset": nncf.QuantizationPreset,
        "target_device": nncf.TargetDevice,
        "model_type": nncf.ModelType,
        "ignored_scope": scope,
        "quantize_outputs": bool,
        "overflow_fix": OverflowFix,
        "activations_quantization_params": parameters,
        "weights_quantization_params": parameters,
        "quantizer_propagation_rule": lambda name: QuantizerPropagationRule[name],
    }
    flat = {**options, **options.get("advanced_parameters", {})}
    flat.pop("advanced_parameters", None)
    return {name: convert[name](value) for name, value in flat.items()}


@contextmanager
def quick_patterns() -> Iterator[None]:
    """Inside, NNCF decides the same in half of the time.

    It builds its patterns once per device and model type, and searches only for those whose pairs of neighbours all
    occur in the model.
    """
    from networkx.algorithms.isomorphism import MultiDiGraphMatcher
    from nncf.common.graph import graph_matching
    from nncf.common.graph.patterns.manager import PatternsManager

    class Matcher(MultiDiGraphMatcher):
        def subgraph_isomorphisms_iter(self) -> Iterator[dict[str, str]]:
            if all(any(self.alike(edge, want) for edge in self.G1.edges()) for want in self.G2.edges()):
                yield from super().subgraph_isomorphisms_iter()

        def alike(self, edge: tuple[str, str], want: tuple[int, int]) -> bool:
            return all(self.node_match(self.G1.nodes[n], self.G2.nodes[w]) for n, w in zip(edge, want, strict=True))

    names = ["get_full_hw_pattern_graph", "get_full_ignored_pattern_graph"]
    cached = {name: staticmethod(functools.cache(getattr(PatternsManager, name))) for name in names}
    matching = mock.patch.object(graph_matching, "ism", SimpleNamespace(MultiDiGraphMatcher=Matcher))
    with mock.patch.multiple(PatternsManager, **cached), matching:
        yield


@dataclass(frozen=True)
class Accepted:
    """A defect of NNCF's that we don't repeat. Configurations are words ("8 bits, symmetric"); None: no point."""

    name: str
    reason: str
    covers: Callable[[ov.Node, Site, str | None, str | None], bool]  # operation, point, our and NNCF's configuration


def _is_shape_of(op: ov.Node, site: Site, ours: str | None, theirs: str | None) -> bool:
    return ours is None and site[0] == "pre" and op.get_type_name() == "ShapeOf"


ACCEPTED = [
    Accepted(
        "shape of a quantized tensor",
        "A shape doesn't depend on values. NNCF gets here where a quantized operation has several outputs.",
        _is_shape_of,
    ),
]


@dataclass
class Comparison:
    unexplained: list[str] = field(default_factory=list)  # one line per difference
    accepted: Counter[str] = field(default_factory=Counter)  # by the name of the category


def compare(ours: Decision, theirs: Decision, model: ov.Model) -> Comparison:
    result = Comparison()
    nodes = {op.get_friendly_name(): op for op in model.get_ops()}
    mine, other = configurations_of(ours), configurations_of(theirs)
    dropped = set()
    for site in sorted(mine.keys() | other.keys()):
        configurations = mine.get(site), other.get(site)
        if configurations[0] == configurations[1]:
            continue
        known = next((entry for entry in ACCEPTED if entry.covers(nodes[site[1]], site, *configurations)), None)
        if known is None:
            ours_shown, theirs_shown = (words or "nothing" for words in configurations)
            result.unexplained.append(f"{_shown(site)}: ours {ours_shown}, NNCF's {theirs_shown}")
            continue
        result.accepted[known.name] += 1
        if configurations[0] is None:
            dropped.add(site)
    for name, smallest in (("unified", 2), ("half_range", 1)):
        our_sets, their_sets = site_sets(ours[name], (), smallest), site_sets(theirs[name], dropped, smallest)
        for who, only in (("ours", our_sets - their_sets), ("NNCF's", their_sets - our_sets)):
            result.unexplained += sorted(f"{name} only {who}: {', '.join(map(_shown, sorted(g)))}" for g in only)
    return result


def differences(ours: Decision, theirs: Decision, model: ov.Model) -> list[str]:
    """One line per difference that isn't in the table of accepted ones."""
    return compare(ours, theirs, model).unexplained


def configurations_of(decision: Decision) -> dict[Site, str]:
    """The configuration of each point as text, such as "8 bits, symmetric, per channel, narrow, signed"."""
    result = {}
    for point in decision["points"]:
        words = [f"{point['bits']} bits", point["mode"]]
        words += ["per channel"] * point["per_channel"] + ["narrow"] * point["narrow"]
        words += {True: ["signed"], False: ["unsigned"], None: []}[point["signed"]]
        result[point["kind"], point["op"], point["port"]] = ", ".join(words)
    return result


def site_sets(groups: list[Any], dropped: Iterable[Site] = (), smallest: int = 1) -> set[frozenset[Site]]:
    """Groups of sites as sets, without dropped sites and smaller groups; a single site is a group of one."""
    listed = [[group] if isinstance(group[0], str) else group for group in groups]
    sets = {frozenset(tuple(site) for site in group).difference(dropped) for group in listed}
    return {group for group in sets if len(group) >= smallest}


def _shown(site: Site) -> str:
    kind, op, port = site
    return f"{kind} '{op}':{port}"
