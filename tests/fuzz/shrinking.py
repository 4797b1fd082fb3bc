# SPDX-License-Identifier: Apache-2.0
"""Makes a model and options smaller while something that they show stays."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import openvino as ov
import openvino.opset13 as ops

Options = dict[str, Any]
Shows = Callable[[ov.Model, Options], bool]
Edit = tuple[str, str, int]  # what to do, at which operation, with which input or output


def shrink(model: ov.Model, options: Options, shows: Shows) -> tuple[ov.Model, Options]:
    """The smallest model and options that single edits lead to."""
    while True:
        size = len(model.get_ops()), len(str(options))
        for smaller_options in list(smaller(options)):
            if shows(model, smaller_options):
                options = smaller_options
                break
        for edit in list(edits(model)):
            try:
                candidate = edited(model, edit)
            except (KeyError, RuntimeError):  # an earlier edit removed the operation, or the model is invalid now
                continue
            if candidate is not None and shows(candidate, options):
                model = candidate
        if (len(model.get_ops()), len(str(options))) == size:
            return model, options


def smaller(options: Options) -> Iterator[Options]:
    for key, value in options.items():
        yield {other: kept for other, kept in options.items() if other != key}
        if isinstance(value, dict):
            yield from ({**options, key: inner} for inner in smaller(value))
        elif isinstance(value, list) and len(value) > 1:
            yield from ({**options, key: [item]} for item in value)


def edits(model: ov.Model) -> Iterator[Edit]:
    """From the outputs up."""
    nodes = model.get_ordered_ops()[::-1]
    for node in nodes:
        name, kind = node.get_friendly_name(), node.get_type_name()
        if kind in ("Result", "Assign"):
            yield "drop", name, 0
    for node in nodes:
        name, kind = node.get_friendly_name(), node.get_type_name()
        if kind == "Result":
            producer = node.input_value(0).get_node()
            yield from (("raise", name, port) for port in range(producer.get_input_size()))
        elif kind not in ("Parameter", "Constant", "Assign"):
            yield from (("cut", name, port) for port in range(node.get_output_size()))
            bypasses = itertools.product(range(node.get_output_size()), range(node.get_input_size()))
            yield from (("bypass", name, 100 * output + port) for output, port in bypasses)


def edited(model: ov.Model, edit: Edit) -> ov.Model | None:
    """The model after one edit; None if there is nothing to do."""
    action, name, port = edit
    result = model.clone()
    node = {op.get_friendly_name(): op for op in result.get_ops()}[name]
    if action == "drop":
        if len(result.get_results()) + len(result.get_sinks()) == 1:
            return None
        result.remove_sink(node) if node.get_type_name() == "Assign" else result.remove_result(node)
    elif action == "raise":
        source = node.input_value(0).get_node().input_value(port)
        if source.get_node().get_type_name() == "Constant":
            return None
        node.input(0).replace_source_output(source)
    elif action == "cut":
        value = node.output(port)
        if not value.get_target_inputs():
            return None
        parameter = ops.parameter(value.get_partial_shape(), value.get_element_type(), name=f"{name} cut {port}")
        value.replace(parameter.output(0))
        result.add_parameters([parameter])
    else:
        value, source = node.output(port // 100), node.input_value(port % 100)
        same = source.get_partial_shape() == value.get_partial_shape()
        if not same or source.get_element_type() != value.get_element_type() or not value.get_target_inputs():
            return None
        value.replace(source)
    result.validate_nodes_and_infer_types()
    return without_unused(result)


def without_unused(model: ov.Model) -> ov.Model:
    result = model.clone()  # has only what outputs depend on
    for parameter in result.get_parameters():
        if not parameter.output(0).get_target_inputs():
            result.remove_parameter(parameter)
    return result


def listing(model: ov.Model) -> str:
    """One line per operation: name, shapes of its outputs, inputs. Constants appear only as inputs."""
    lines = []
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant":
            continue
        shapes = ", ".join(str(value.get_partial_shape()) for value in node.outputs())
        inputs = []
        for value in node.input_values():
            source = value.get_node()
            index = f":{value.get_index()}" if source.get_output_size() > 1 else ""
            constant = source.get_type_name() == "Constant"
            inputs.append(f"constant {value.get_shape()}" if constant else f"'{source.get_friendly_name()}'{index}")
        telling = ("transpose_a", "transpose_b", "linear_before_reset")
        attributes = {key: value for key, value in node.get_attributes().items() if key in telling and value}
        tail = f"  {attributes}" if attributes else ""
        lines.append(f"{node.get_type_name():24} '{node.get_friendly_name()}' {shapes} <- {', '.join(inputs)}{tail}")
    return "\n".join(lines)
