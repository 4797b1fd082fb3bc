# SPDX-License-Identifier: Apache-2.0
"""Everything that Tightrope raises by itself. `except Error` catches all of it.

An exception of your own `validation_fn` reaches you unchanged. One of a `transform_func` or a data source becomes the
`__cause__` of an InvalidArgumentError that tells the item.
"""

from typing import Any


class Error(Exception):
    """The root of all errors of Tightrope."""


class InvalidArgumentError(Error, ValueError):
    """An argument, or a combination of arguments, can't be used. The message says what is needed."""


class UnsupportedError(Error):
    """The request makes sense, but this model, framework or device can't be served."""


class QuantizationError(Error):
    """The model holds nothing that can be quantized, or the device can't run it."""


class UnsupportedBackendError(UnsupportedError):
    """The model is not of a framework that Tightrope knows."""


class InstallationError(UnsupportedError):
    """A package that is needed is missing, or its version doesn't fit."""


class IoError(Error, OSError):
    """A file can't be read or written."""


class InternalError(Error):
    """A mistake in Tightrope. Please report it with the message."""


class AccuracyNotReachedError(Error):
    """No model within the limit was found. The best one that was found is attached.

    model: the best model, in the type of the input model; None after pickling, which leaves it out.
    report: what was tried and measured.
    drop: the drop of `model`, in the unit of `max_drop`.
    drop_reverted: the drop with everything reverted, or None if that was not measured. If it is above the limit,
        no choice of operations to revert can help.
    advice: what to try next, in a sentence or two.
    """

    def __init__(
        self,
        message: str = "",
        *,
        model: Any = None,
        report: Any = None,
        drop: float | None = None,
        drop_reverted: float | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(message)
        self.model = model
        self.report = report
        self.drop = drop
        self.drop_reverted = drop_reverted
        self.advice = advice

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self.advice}" if self.advice else super().__str__()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, {**self.__dict__, "model": None}


# Names that code written for NNCF catches, where the meaning is that of an error above.
ValidationError = InvalidArgumentError
ParameterNotSupportedError = InvalidArgumentError
UnsupportedDatasetError = InvalidArgumentError
UnsupportedModelError = UnsupportedError
UnsupportedVersionError = InstallationError
InvalidPathError = IoError
BufferFullError = InternalError
InvalidCollectorTypeError = InternalError
InvalidGroupSizeError = InvalidArgumentError
InvalidQuantizerGroupError = InternalError
ModuleNotFoundError = InstallationError
StatisticsCacheError = IoError
UnknownDatasetError = InvalidArgumentError
