# SPDX-License-Identifier: Apache-2.0
"""All recipes. A random model depends on their order: changing it changes the models of all seeds."""

from recipes import elementwise, linear, moving, reductions, sequences, shapes

RECIPES = [
    *linear.RECIPES,
    *elementwise.RECIPES,
    *reductions.RECIPES,
    *moving.RECIPES,
    *shapes.RECIPES,
    *sequences.RECIPES,
]
