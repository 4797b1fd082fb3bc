# SPDX-License-Identifier: Apache-2.0
import copy
import pickle

import pytest

from tightrope import errors
from tightrope.errors import AccuracyNotReachedError, Error, InvalidArgumentError, IoError, UnsupportedError


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
)
def test_every_error_keeps_its_message_is_caught_as_error_and_survives_pickling(kind: type[Exception]) -> None:
    error = kind("what was found; what is needed")
    assert str(error) == "what was found; what is needed"
    assert isinstance(error, Error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)


def test_a_bad_argument_is_also_a_value_error_and_a_bad_file_an_os_error() -> None:
    assert issubclass(InvalidArgumentError, ValueError)
    assert issubclass(IoError, OSError)


def test_an_io_error_with_number_and_file_tells_both() -> None:
    error = IoError(2, "no such file", "model.xml")
    assert (error.errno, error.filename) == (2, "model.xml")
    assert type(error) is IoError


def test_code_that_catches_nncf_names_catches_ours() -> None:
    with pytest.raises(errors.ValidationError):
        raise InvalidArgumentError("subset_size")
    with pytest.raises(errors.ParameterNotSupportedError):
        raise InvalidArgumentError("histogram")
    with pytest.raises(UnsupportedError):
        raise errors.UnsupportedBackendError("int")


def test_an_unmet_limit_carries_the_best_model_and_what_was_measured() -> None:
    model, report = object(), {"steps": [1, 2]}
    error = AccuracyNotReachedError("drop 0.2, limit 0.1", model=model, report=report, drop=0.2, drop_reverted=0.15)
    assert error.model is model
    assert error.report is report
    assert (error.drop, error.drop_reverted, error.advice) == (0.2, 0.15, "")
    assert str(error) == "drop 0.2, limit 0.1"


def test_the_advice_is_shown_below_the_message() -> None:
    error = AccuracyNotReachedError("drop 0.2, limit 0.1", advice="Allow a larger drop.")
    assert str(error) == "drop 0.2, limit 0.1\nAllow a larger drop."


def test_an_unmet_limit_survives_pickling_without_its_model() -> None:
    error = AccuracyNotReachedError(
        "drop 0.2", model=lambda: None, report={"steps": [1]}, drop=0.2, drop_reverted=None, advice="More data."
    )
    error.add_note("seen in worker 3")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is AccuracyNotReachedError
    assert again.model is None
    assert error.model is not None
    assert (again.report, again.drop, again.drop_reverted) == ({"steps": [1]}, 0.2, None)
    assert (str(again), again.__notes__) == (str(error), ["seen in worker 3"])


def test_an_unmet_limit_can_be_copied() -> None:
    assert copy.copy(AccuracyNotReachedError("drop 0.2", drop=0.2)).drop == 0.2
