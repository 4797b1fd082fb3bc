# SPDX-License-Identifier: Apache-2.0
"""Turns the arguments of the user into plain dicts for the core.

The dicts hold the same names as the arguments and can be written as JSON: enums by value, objects as nested dicts,
None as null, an infinite number as the largest finite one. Only types are checked here, against the type hints;
the core checks what the values mean. Wherever an enum is expected, its value or the name of a member, as a string in
any case, will do.
"""

import math
import os
import reprlib
import sys
from collections.abc import Collection, Mapping, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from numbers import Integral, Real
from os import PathLike
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from tightrope.errors import InvalidArgumentError
from tightrope.parameters import (
    DropType,
    ModelType,
    Objective,
    Placement,
    QuantizationMode,
    QuantizationPreset,
    TargetDevice,
)
from tightrope.quantization.advanced_parameters import (
    AdvancedAccuracyRestorerParameters,
    AdvancedQuantizationParameters,
)
from tightrope.scopes import IgnoredScope


def quantize_options(
    *,
    mode: QuantizationMode | str | None,
    preset: QuantizationPreset | str | None,
    target_device: TargetDevice | str,
    subset_size: int,
    fast_bias_correction: bool,
    model_type: ModelType | str | None,
    ignored_scope: IgnoredScope | None,
    advanced_parameters: AdvancedQuantizationParameters | None,
    placement: Placement | str,
    statistics_path: str | PathLike[str] | None,
    weight_rounding: bool | None,
    advanced_argument: str = "advanced_parameters",
) -> dict[str, Any]:
    """The options of `quantize` as a plain dict.

    advanced_argument: what the caller's caller calls `advanced_parameters`; the name in the dict, and in messages.

    Raises InvalidArgumentError if an argument or a field has a wrong type.
    """
    return {
        "mode": _encode("mode", mode, QuantizationMode | None),
        "preset": _encode("preset", preset, QuantizationPreset | None),
        "target_device": _encode("target_device", target_device, TargetDevice),
        "subset_size": _encode("subset_size", subset_size, int),
        "fast_bias_correction": _encode("fast_bias_correction", fast_bias_correction, bool),
        "model_type": _encode("model_type", model_type, ModelType | None),
        "ignored_scope": _encode("ignored_scope", ignored_scope, IgnoredScope | None),
        advanced_argument: _encode(advanced_argument, advanced_parameters, AdvancedQuantizationParameters | None),
        "placement": _encode("placement", placement, Placement),
        "statistics_path": _encode("statistics_path", statistics_path, str | PathLike[str] | None),
        "weight_rounding": _encode("weight_rounding", weight_rounding, bool | None),
    }


def accuracy_options(
    *,
    max_drop: float | Mapping[str, float],
    drop_type: DropType | str | Mapping[str, DropType | str],
    higher_is_better: bool | Mapping[str, bool],
    advanced_accuracy_restorer_parameters: AdvancedAccuracyRestorerParameters | None,
    validation_device: str,
    validation_precision: str,
    objective: Objective | str = Objective.OPERATIONS,
    repair: bool = True,
    time_budget: float | None = None,
    work_dir: str | PathLike[str] | None = None,
    early_stopping: bool = True,
    measure_deployed: bool = False,
    eval_requests_number: int | None = None,
) -> dict[str, Any]:
    """The options that `quantize_with_accuracy_control` has beyond those of `quantize`, as a plain dict.

    Raises InvalidArgumentError if an argument or a field has a wrong type.
    """
    return {
        "max_drop": _encode("max_drop", max_drop, float | dict[str, float]),
        "drop_type": _encode("drop_type", drop_type, DropType | dict[str, DropType]),
        "higher_is_better": _encode("higher_is_better", higher_is_better, bool | dict[str, bool]),
        "advanced_accuracy_restorer_parameters": _encode(
            "advanced_accuracy_restorer_parameters",
            advanced_accuracy_restorer_parameters,
            AdvancedAccuracyRestorerParameters | None,
        ),
        "validation_device": _encode("validation_device", validation_device, str),
        "validation_precision": _encode("validation_precision", validation_precision, str),
        "objective": _encode("objective", objective, Objective),
        "repair": _encode("repair", repair, bool),
        "time_budget": _encode("time_budget", time_budget, float | None),
        "work_dir": _encode("work_dir", work_dir, str | PathLike[str] | None),
        "early_stopping": _encode("early_stopping", early_stopping, bool),
        "measure_deployed": _encode("measure_deployed", measure_deployed, bool),
        "eval_requests_number": eval_requests_number,
    }


def _encode(name: str, value: Any, hint: Any) -> Any:
    """The value as JSON knows it, by the first alternative of the type hint that fits."""
    for choice in _alternatives(hint):
        if choice is NoneType:
            if value is None:
                return None
        elif choice is bool:
            if isinstance(value, bool):
                return value
        elif choice is int:
            if isinstance(value, Integral) and not isinstance(value, bool):
                return int(value)
        elif choice is float:
            if isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value):
                return min(max(float(value), -sys.float_info.max), sys.float_info.max)
        elif choice is str:
            if isinstance(value, str):
                return str(value)
        elif get_origin(choice) is PathLike:
            if isinstance(value, PathLike):
                return os.fsdecode(value)
        elif get_origin(choice) is list:
            if isinstance(value, Collection) and not isinstance(value, (str, bytes, Mapping)):
                items = sorted(value, key=repr) if isinstance(value, Set) else value
                return [_encode(f"{name}[{i}]", item, get_args(choice)[0]) for i, item in enumerate(items)]
        elif get_origin(choice) is dict:
            if isinstance(value, Mapping):
                key_hint, item_hint = get_args(choice)
                return {
                    _encode(f"a key of {name}", key, key_hint): _encode(f"{name}[{key!r}]", item, item_hint)
                    for key, item in value.items()
                }
        elif isinstance(choice, type) and is_dataclass(choice):
            if isinstance(value, choice):
                return {f.name: _encode(f"{name}.{f.name}", getattr(value, f.name), f.type) for f in fields(choice)}
        elif (member := _member(choice, value)) is not None:
            return member.value
    found = f"{reprlib.repr(value)} ({_type_name(type(value))})"
    needed = " or ".join(_describe(choice) for choice in _alternatives(hint))
    raise InvalidArgumentError(f"[options] {name}: found {found}; needs {needed}.")


def _alternatives(hint: Any) -> tuple[Any, ...]:
    if hint is Any:  # whatever JSON can hold
        return bool, int, float, str, PathLike[str], list[Any], dict[str, Any], NoneType
    return get_args(hint) if isinstance(hint, UnionType) else (hint,)


def _member(enum: type[Enum], value: Any) -> Enum | None:
    if isinstance(value, enum):
        return value
    if isinstance(value, str):
        wanted = str(value).lower()
        return next((m for m in enum if wanted in (m.value.lower(), m.name.lower())), None)
    return None


def _describe(choice: Any) -> str:
    plain = {
        NoneType: "None",
        bool: "True or False",
        int: "an integer",
        float: "a number",
        str: "a string",
        PathLike[str]: "a path",
        list[str]: "a list of strings",
        list[Any]: "a list",
    }
    if choice in plain:
        return plain[choice]
    if get_origin(choice) is dict:
        return "a dict with strings as keys"
    if get_origin(choice) is list:
        return f"a list of {get_args(choice)[0].__name__}"
    if issubclass(choice, Enum):
        return f"{choice.__name__} (one of {', '.join(repr(m.value) for m in choice)})"
    return f"an object of type {_type_name(choice)}"


def _type_name(kind: type) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
