# SPDX-License-Identifier: Apache-2.0
"""Compares our reference placement with NNCF's on random models under random options.

    placement_fuzz.py --count 2000 --seed 0 --jobs 2     a summary; exit code 1 if a difference has no explanation
    placement_fuzz.py --count 2000 --keep DIR            and saves the models that differ
    placement_fuzz.py --shrink SEED                      the smallest model that still differs
    placement_fuzz.py --nncf SEED                        NNCF's decision as JSON

NNCF iterates sets of strings, so PYTHONHASHSEED matters; 0 is set if there is none. A difference where NNCF's decision
changes with three other values is counted as undecided.
"""

import argparse
import json
import logging
import multiprocessing
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import networkx as nx
import nncf
import openvino as ov
from nncf.common.graph.patterns import GraphPattern
from nncf.quantization.algorithms.min_max.algorithm import MinMaxQuantization
from openvino.passes import ConstantFolding, Manager

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "python" / "tests")]

import reference_placement  # noqa: E402
from random_models import random_model  # noqa: E402
from reference_placement import Decision, compare, nncf_decision, our_decision  # noqa: E402
from shrinking import listing, shrink  # noqa: E402

import tightrope  # noqa: E402

NNCF_REFUSALS = (ValueError, nncf.ValidationError, nncf.ParameterNotSupportedError)
RULES = ["DO_NOT_MERGE_BRANCHES", "MERGE_IF_ALL_BRANCHES_SAME", "MERGE_WITH_POTENTIAL_REQUANTIZATION"]
OTHER_HASH_SEEDS = (1, 2, 3)


@dataclass
class Outcome:
    seed: int
    verdict: str
    lines: list[str] = field(default_factory=list)  # what differs
    accepted: Counter[str] = field(default_factory=Counter)
    options: dict[str, Any] = field(default_factory=dict)
    types: set[str] = field(default_factory=set)
    patterns: set[str] = field(default_factory=set)


def random_options(rng: random.Random, model: ov.Model) -> dict[str, Any]:
    """Half of the time the defaults."""
    options: dict[str, Any] = {}
    advanced: dict[str, Any] = {}
    if rng.random() < 0.5:
        return options
    if rng.random() < 0.4:
        options["preset"] = rng.choice(["mixed", "performance"])
    if rng.random() < 0.35:
        options["model_type"] = "transformer"
    if rng.random() < 0.25:
        options["target_device"] = "CPU_SPR"
    if rng.random() < 0.3:
        options["ignored_scope"] = random_scope(rng, model)
    if rng.random() < 0.2:
        advanced["quantize_outputs"] = True
    if rng.random() < 0.2:
        advanced["quantizer_propagation_rule"] = rng.choice(RULES)
    if rng.random() < 0.15:
        advanced["overflow_fix"] = rng.choice(["enable", "disable"])
    if rng.random() < 0.08:
        advanced["activations_quantization_params"] = random_constraints(rng)
    if rng.random() < 0.08:
        advanced["weights_quantization_params"] = random_constraints(rng)
    if advanced:
        options["advanced_parameters"] = advanced
    return options


def random_constraints(rng: random.Random) -> dict[str, Any]:
    values = {
        "num_bits": [8, 16],
        "mode": ["symmetric", "asymmetric"],
        "signedness_to_force": [True, False],
        "per_channel": [False, False, True],
        "narrow_range": [False, True],
    }
    name = rng.choice(list(values))
    return {name: rng.choice(values[name])}


def random_scope(rng: random.Random, model: ov.Model) -> dict[str, Any]:
    nodes = [op for op in model.get_ordered_ops() if op.get_type_name() not in ("Constant", "Result")]
    names = [op.get_friendly_name() for op in nodes]
    form = rng.random()
    if form < 0.7:
        return {"names": rng.sample(names, rng.randint(1, min(2, len(names))))}
    if form < 0.8:
        return {"types": [rng.choice(nodes).get_type_name()]}
    if form < 0.9:
        return {"patterns": [f"[{rng.choice('abcdefgh')}{rng.choice('abcdefgh')}]"], "validate": False}
    ends = sorted(rng.sample(range(len(names)), min(2, len(names))))
    return {"subgraphs": [{"inputs": [names[ends[0]]], "outputs": [names[ends[-1]]]}], "validate": False}


@cache
def case(seed: int) -> tuple[ov.Model, dict[str, Any]]:
    model = random_model(seed)
    return model, random_options(random.Random(f"options of {seed}"), model)


def check(seed: int) -> Outcome:
    """Compares the two decisions on one model."""
    model, options = case(seed)
    with observed_patterns() as patterns:
        outcome = judge(model, options)
    if outcome.verdict == "different" and not is_stable(seed):
        outcome.verdict = "undecided by NNCF"
    outcome.seed, outcome.options, outcome.patterns = seed, options, patterns
    outcome.types = {op.get_type_name() for op in model.get_ops()}
    case.cache_clear()
    return outcome


def judge(model: ov.Model, options: dict[str, Any]) -> Outcome:
    theirs = attempt(nncf_decision, model, options)
    ours = attempt(our_decision, model, options)
    if isinstance(ours, Exception) and not isinstance(ours, tightrope.Error):
        raise ours
    if isinstance(theirs, Exception) and not isinstance(theirs, NNCF_REFUSALS):
        return Outcome(0, f"NNCF fails with {type(theirs).__name__}", [str(theirs)])
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        if isinstance(theirs, Exception) and isinstance(ours, Exception):
            return Outcome(0, "refused by both")
        if isinstance(theirs, ValueError) and isinstance(ours, dict) and concerns_no_quantizer(theirs, ours):
            return Outcome(0, "accepted", accepted=Counter(["wishes for operations that stay in floating point"]))
        return Outcome(0, "different", [f"ours: {shown(ours)}", f"NNCF's: {shown(theirs)}"])
    comparison = compare(ours, theirs, model)
    if not comparison.unexplained:
        return Outcome(0, "accepted" if comparison.accepted else "equal", accepted=comparison.accepted)
    for name, decide in VARIANTS.items():
        theirs = attempt(decide, model, options)
        if isinstance(theirs, dict) and not compare(ours, theirs, model).unexplained:
            return Outcome(0, "accepted", accepted=Counter([name]))
    return Outcome(0, "different", comparison.unexplained, comparison.accepted)


def concerns_no_quantizer(error: ValueError, ours: Decision) -> bool:
    """NNCF refuses wishes that an operation can't meet also where it would ignore the operation."""
    name = str(error).rpartition("First conflicting quantizer location: ")[2]
    return all(point["op"] != name for point in ours["points"])


def attempt(decide: Callable[..., Decision], model: ov.Model, options: dict[str, Any]) -> Decision | Exception:
    try:
        return decide(model, **options)
    except Exception as error:
        return error


def decide_folded(model: ov.Model, **options: Any) -> Decision:
    """NNCF on the model with constants in place of what is computed from constants, which is what we look at."""
    result = model.clone()
    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(result)
    if "ignored_scope" in options:  # may name what is gone
        options = {**options, "ignored_scope": {**options["ignored_scope"], "validate": False}}
    return nncf_decision(result, **options)


def decide_on_outputs(model: ov.Model, **options: Any) -> Decision:
    """NNCF with additions on CPU_SPR that lose the quantizer of an operand's output.

    It looks quantizers up by the name of their operation, and may take away the weight of the convolution there, or
    the quantizer of one of its inputs.
    """
    original = MinMaxQuantization._apply_spr_pass

    def on_outputs(algorithm: Any, setup: Any, graph: Any) -> Any:
        points = setup.quantization_points.items()
        outputs = {key: point for key, point in points if point.is_activation_quantization_point() and is_post(point)}
        original(algorithm, SimpleNamespace(quantization_points=outputs, discard=setup.discard), graph)
        return setup

    def is_post(point: Any) -> bool:
        return point.insertion_point.input_port_id is None

    with mock.patch.object(MinMaxQuantization, "_apply_spr_pass", on_outputs):
        return decide_folded(model, **options)


VARIANTS: dict[str, Callable[..., Decision]] = {
    "as NNCF with constants folded first": decide_folded,
    "as NNCF with outputs of operands on CPU_SPR": decide_on_outputs,
}


def shown(decision: Decision | Exception) -> str:
    if isinstance(decision, Exception):
        return f"{type(decision).__name__}: {decision}"
    return f"{len(decision['points'])} quantizers"


def is_stable(seed: int) -> bool:
    """Whether NNCF decides the same with other hash seeds."""
    command = [sys.executable, __file__, "--nncf", str(seed)]
    texts = {
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": str(h)}, capture_output=True, text=True).stdout
        for h in (0, *OTHER_HASH_SEEDS)
    }
    return len(texts) == 1


@contextmanager
def observed_patterns() -> Iterator[set[str]]:
    """The names of the patterns that NNCF finds inside."""
    from nncf.common import insertion_point_graph
    from nncf.common.graph import graph, graph_matching

    found: set[str] = set()

    def find(whole: Any, pattern: Any, strict: bool = True) -> list[list[str]]:
        matches = graph_matching.find_subgraphs_matching_pattern(whole, pattern, strict)
        for match in matches:
            found.update(pattern_names(whole.subgraph(match)))
        return matches

    with ExitStack() as stack:
        for module in (insertion_point_graph, graph):
            stack.enter_context(mock.patch.object(module, "find_subgraphs_matching_pattern", find))
        yield found


@cache
def pattern_components() -> list[tuple[str, Any]]:
    """Name and graph of each alternative of all patterns, without the nodes that are no part of a match."""
    from nncf.openvino.hardware.fused_patterns import OPENVINO_HW_FUSED_PATTERNS
    from nncf.openvino.quantization.ignored_patterns import OPENVINO_IGNORED_PATTERNS

    components = []
    for registry in (OPENVINO_HW_FUSED_PATTERNS, OPENVINO_IGNORED_PATTERNS):
        for key, build in registry.registry_dict.items():
            for component in build().get_weakly_connected_subgraphs():
                kept = [
                    node
                    for node, data in component.nodes(data=True)
                    if GraphPattern.NON_PATTERN_NODE_TYPE not in data[GraphPattern.METATYPE_ATTR]
                    and not data.get(GraphPattern.PATTERN_NODE_TO_EXCLUDE, False)
                ]
                components.append((key.value.name, component.subgraph(kept)))
    return components


def pattern_names(match: Any) -> set[str]:
    def same(node: dict[str, Any], wanted: dict[str, Any]) -> bool:
        return node["metatype"] in wanted[GraphPattern.METATYPE_ATTR]

    return {
        name
        for name, component in pattern_components()
        if len(component) == len(match) and nx.is_isomorphic(match, component, node_match=same)
    }


def operation_types() -> set[str]:
    """The types that NNCF knows of."""
    from nncf.openvino.graph.metatypes.openvino_metatypes import OV_OPERATOR_METATYPES

    return {name for metatype in OV_OPERATOR_METATYPES.registry_dict.values() for name in metatype.op_names}


def prepare_process() -> None:
    nncf.set_log_level(logging.ERROR)
    logging.getLogger("tightrope").setLevel(logging.ERROR)
    stack = ExitStack()
    stack.enter_context(reference_placement.quick_patterns())


def outcomes(seeds: range, jobs: int) -> Iterator[Outcome]:
    if jobs == 1:
        prepare_process()
        yield from map(check, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, prepare_process) as pool:
        yield from pool.imap(check, seeds, chunksize=8)


def summary(results: list[Outcome]) -> str:
    verdicts = Counter(result.verdict for result in results)
    lines = [f"{'models':50}{len(results):6}"]
    lines += [f"{verdict:50}{count:6}" for verdict, count in verdicts.most_common()]
    accepted = sum((result.accepted for result in results), Counter())
    lines += [f"  {name:48}{count:6}" for name, count in accepted.most_common()]
    types = set[str]().union(*(result.types for result in results))
    patterns = set[str]().union(*(result.patterns for result in results))
    missing_types = sorted(operation_types() - types)
    missing_patterns = sorted({name for name, _ in pattern_components()} - patterns)
    lines.append(
        f"operation types: {len(types)}; known to NNCF, but not generated: {', '.join(missing_types) or 'none'}"
    )
    lines.append(f"patterns found: {len(patterns)}; not found: {', '.join(missing_patterns) or 'none'}")
    return "\n".join(lines)


def report(result: Outcome) -> str:
    head = f"\nseed {result.seed}, {result.verdict}, options {json.dumps(result.options)}"
    return "\n".join([head, *(f"  {line}" for line in result.lines)])


def keep(seed: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model, options = case(seed)
    ov.save_model(model, folder / f"{seed}.xml", compress_to_fp16=False)
    (folder / f"{seed}.json").write_text(json.dumps(options) + "\n")
    (folder / f"{seed}.txt").write_text(listing(model) + "\n")


def shrunk(seed: int) -> str:
    model, options = case(seed)
    if judge(model, options).verdict != "different":
        return f"seed {seed}: no difference"
    model, options = shrink(model, options, lambda m, o: judge(m, o).verdict == "different")
    return "\n".join([listing(model), f"options {json.dumps(options)}", *judge(model, options).lines])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="how many models")
    parser.add_argument("--seed", type=int, default=0, help="of the first model")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where models that differ are saved")
    parser.add_argument("--shrink", type=int, metavar="SEED")
    parser.add_argument("--nncf", type=int, metavar="SEED")
    args = parser.parse_args()
    if "PYTHONHASHSEED" not in os.environ:
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})

    if args.nncf is not None:
        prepare_process()
        model, options = case(args.nncf)
        print(json.dumps(nncf_decision(model, **options)))
        return 0
    if args.shrink is not None:
        prepare_process()
        print(shrunk(args.shrink))
        return 0

    results = []
    for result in outcomes(range(args.seed, args.seed + args.count), args.jobs):
        results.append(result)
        if result.verdict == "different":
            print(report(result), flush=True)
            if args.keep:
                keep(result.seed, args.keep)
    print(summary(results))
    return any(result.verdict == "different" for result in results)


if __name__ == "__main__":
    sys.exit(main())
