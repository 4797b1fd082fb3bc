# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from typing import Any

import pytest

from tightrope.data import Dataset
from tightrope.errors import InvalidArgumentError


class Stream:
    """Re-iterable without random access; counts the items that were read."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.read = 0

    def __iter__(self) -> Iterator[int]:
        for item in range(self.size):
            self.read += 1
            yield item


class Loader(Stream):
    """Looks like a loader of batches over a stream: knows its batch size, not its length."""

    batch_size = 8

    def __len__(self) -> int:
        raise TypeError("object of type 'Stream' has no len()")


def double(item: Any) -> Any:
    return item * 2


def test_data_are_the_items_and_inference_data_the_transformed_ones() -> None:
    dataset = Dataset([1, 2, 3], double)
    assert list(dataset.get_data()) == [1, 2, 3]
    assert list(dataset.get_inference_data()) == [2, 4, 6]


def test_without_a_function_inference_data_are_the_items() -> None:
    item = {"input": object()}
    assert list(Dataset([item]).get_inference_data())[0] is item


@pytest.mark.parametrize("source", [[1, 2, 3, 4], Stream(5)], ids=["random access", "stream"])
@pytest.mark.parametrize("indices", [None, [1, 3], []])
def test_what_was_selected_can_be_read_again_and_again(source: Any, indices: list[int] | None) -> None:
    selected = Dataset(source, double).get_inference_data(indices)
    first = list(selected)
    assert first == list(selected)
    assert len(first) == (len(list(source)) if indices is None else len(indices))


def test_two_readers_of_one_selection_do_not_disturb_each_other() -> None:
    selected = Dataset(Stream(3)).get_data()
    assert list(zip(selected, selected, strict=True)) == [(0, 0), (1, 1), (2, 2)]


def test_random_access_keeps_the_given_order() -> None:
    assert list(Dataset([10, 11, 12, 13]).get_data([2, 0, 2])) == [12, 10, 12]


def test_random_access_transforms_only_what_is_asked_for() -> None:
    seen: list[int] = []
    list(Dataset([10, 11, 12], seen.append).get_inference_data([1]))
    assert seen == [11]


def test_a_stream_yields_selected_items_in_ascending_order() -> None:
    assert list(Dataset(Stream(10)).get_data([7, 2, 2, 5])) == [2, 2, 5, 7]


def test_a_stream_is_read_no_further_than_needed() -> None:
    stream = Stream(10)
    assert list(Dataset(stream).get_data([1, 3])) == [1, 3]
    assert stream.read == 4
    assert list(Dataset(stream).get_data([])) == []
    assert stream.read == 4


def test_positions_that_a_stream_does_not_have_are_left_out() -> None:
    assert list(Dataset(Stream(3)).get_data([-1, 2, 99])) == [2]


def test_the_caller_may_change_the_list_of_indices_afterwards() -> None:
    indices = [0]
    selected = Dataset("abc").get_data(indices)
    indices.append(1)
    assert list(selected) == ["a"]


def test_nothing_is_read_before_the_first_iteration() -> None:
    stream = Stream(3)
    dataset = Dataset(stream)
    dataset.get_data()
    dataset.get_inference_data([1])
    dataset.get_length()
    dataset.get_batch_size()
    assert not dataset.is_one_shot
    assert stream.read == 0


def test_length_is_that_of_the_source_or_none() -> None:
    assert Dataset([1, 2, 3]).get_length() == 3
    assert Dataset([]).get_length() == 0
    assert Dataset(Stream(3)).get_length() is None
    assert Dataset(Loader(3)).get_length() is None


def test_batch_size_is_that_of_the_source_or_none() -> None:
    assert Dataset([1]).get_batch_size() is None
    assert Dataset(Loader(3)).get_batch_size() == 8


def test_an_iterator_is_one_shot_and_anything_that_starts_anew_is_not() -> None:
    assert Dataset(item for item in [1, 2]).is_one_shot
    assert Dataset(iter([1, 2])).is_one_shot
    assert Dataset(map(double, [1, 2])).is_one_shot
    assert not Dataset([1, 2]).is_one_shot
    assert not Dataset(Stream(2)).is_one_shot
    assert not Dataset({"a": 1}.values()).is_one_shot


def test_asking_for_one_shot_takes_no_item_of_an_iterator() -> None:
    dataset = Dataset(iter([1, 2]))
    assert dataset.is_one_shot
    assert list(dataset.get_data()) == [1, 2]


def test_an_error_of_the_source_or_the_function_comes_through_unchanged() -> None:
    with pytest.raises(ZeroDivisionError):
        list(Dataset([0], lambda item: 1 / item).get_inference_data())
    with pytest.raises(IndexError):
        list(Dataset([0]).get_data([5]))


def test_a_source_that_is_not_iterable_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="data_source: found an object of type int; needs an iterable"):
        Dataset(5)  # type: ignore[call-overload]


def test_a_function_that_is_not_callable_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="transform_func: found an object of type str; needs a function"):
        Dataset([1], "double")  # type: ignore[call-overload]


def test_the_type_parameters_can_be_written_down() -> None:
    dataset: Dataset[int, str] = Dataset[int, str]([1], str)
    assert list(dataset.get_inference_data()) == ["1"]
