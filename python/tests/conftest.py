# SPDX-License-Identifier: Apache-2.0
"""Models that all tests share: quantization never changes them."""

import openvino as ov
import pytest
import small_models

import tightrope


@pytest.fixture(scope="session")
def classifier() -> ov.Model:
    return small_models.classifier()


@pytest.fixture(scope="session")
def fragile() -> ov.Model:
    return small_models.fragile()


@pytest.fixture(scope="session")
def images() -> tightrope.Dataset:
    return tightrope.Dataset(small_models.images(8))


@pytest.fixture(scope="session")
def vectors() -> tightrope.Dataset:
    return tightrope.Dataset(small_models.vectors(32))


@pytest.fixture(scope="session")
def labeled() -> tightrope.Dataset:
    return tightrope.Dataset(small_models.labeled_vectors(64))
