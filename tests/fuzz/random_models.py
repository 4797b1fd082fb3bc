# SPDX-License-Identifier: Apache-2.0
"""Small random OpenVINO models that are valid and hit the rules of placement: `random_model(seed)`.

A model grows by recipes. Each picks tensors that it can use, adds an operation or a motif that networks are made of,
and leaves its results to later recipes. What nothing has used in the end becomes an output. The seed decides
everything, names included.
"""

import random

import openvino as ov
from growing import Growing, NoFit
from motifs import add_input
from recipes import RECIPES


def random_model(seed: int) -> ov.Model:
    rng = random.Random(seed)
    growing = Growing(rng)
    target = rng.choice([3, 5, 8, 12, 16, 20, 25])
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3])):
        add_input(growing)
    weights, recipes = zip(*RECIPES, strict=True)
    for _ in range(4 * target):
        if growing.operations >= target:
            break
        try:
            rng.choices(recipes, weights)[0](growing)
        except (NoFit, RuntimeError):  # OpenVINO refuses what the recipe made of the shapes at hand
            continue
    model = growing.finish(f"random {seed}")
    return with_dynamic_batch(model) if rng.random() < 0.25 else model


def with_dynamic_batch(model: ov.Model) -> ov.Model:
    """The same model for any batch, or the model itself where that does not work."""
    result = model.clone()
    for parameter in result.get_parameters():
        parameter.set_partial_shape(ov.PartialShape([-1, *list(parameter.get_output_shape(0))[1:]]))
    try:
        result.validate_nodes_and_infer_types()
    except RuntimeError:
        return model
    known = all(value.get_partial_shape().rank.is_static for node in result.get_ops() for value in node.outputs())
    return result if known else model
