# SPDX-License-Identifier: Apache-2.0
"""Sources and tensors with the protocols of torch, TensorFlow and Hugging Face, which are too large to test with."""

from collections.abc import Iterator
from typing import Any

import numpy as np


class Tensor:
    """As one of torch: NumPy reads it only where it is in memory and needs no gradient."""

    def __init__(self, array: Any, requires_grad: bool = False, device: str = "cpu", dtype: str = "") -> None:
        self.array = np.asarray(array)
        self.requires_grad, self.device, self.dtype = requires_grad, device, dtype or f"torch.{self.array.dtype}"
        self.is_sparse = False

    def detach(self) -> "Tensor":
        return Tensor(self.array, False, self.device, self.dtype)

    def cpu(self) -> "Tensor":
        return Tensor(self.array, self.requires_grad, "cpu", self.dtype)

    def float(self) -> "Tensor":
        return Tensor(self.array.astype(np.float32), self.requires_grad, self.device)

    def numpy(self) -> Any:
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if self.device != "cpu":
            raise TypeError(f"can't convert {self.device} device type tensor to numpy.")
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.numpy()


class TorchLoader:
    """As `torch.utils.data.DataLoader`: pairs of tensors; no random access; a smaller last batch."""

    def __init__(self, inputs: Any, labels: Any, batch_size: int, **of_tensors: Any) -> None:
        self.inputs, self.labels, self.batch_size, self.of_tensors = inputs, labels, batch_size, of_tensors

    def __len__(self) -> int:
        return -(-len(self.inputs) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(self.inputs), self.batch_size):
            part = slice(start, start + self.batch_size)
            yield Tensor(self.inputs[part], **self.of_tensors), Tensor(self.labels[part])


class TorchDataset:
    """As a map-style dataset of torch: a length and `__getitem__`, which never raises IndexError."""

    def __init__(self, inputs: Any) -> None:
        self.inputs = inputs

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> Tensor:
        return Tensor(self.inputs[index % len(self.inputs)])


class EagerTensor:
    """As one of TensorFlow: `numpy()` and `__array__`, no `detach`."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def numpy(self) -> Any:
        return self.array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.array


class Scalar(EagerTensor):
    def __int__(self) -> int:
        return int(self.array)


class TensorFlowDataset:
    """As `tf.data.Dataset`: its length may not be known; one that batches knows the size of a batch."""

    def __init__(self, inputs: Any, batch_size: int = 0) -> None:
        self.inputs, self.step = inputs, batch_size
        if batch_size:
            self._batch_size = Scalar(np.int64(batch_size))

    def __len__(self) -> int:
        raise TypeError("The dataset is infinite.")

    def __iter__(self) -> Iterator[EagerTensor]:
        if not self.step:
            return (EagerTensor(entry) for entry in self.inputs)
        return (EagerTensor(self.inputs[i : i + self.step]) for i in range(0, len(self.inputs), self.step))


class Prefetched:
    """As what `prefetch` makes of such a dataset: it knows the one that it reads."""

    def __init__(self, dataset: Any) -> None:
        self._input_dataset = dataset

    def __iter__(self) -> Iterator[Any]:
        return iter(self._input_dataset)


class HuggingFaceDataset:
    """As `datasets.Dataset`: dicts of nested lists by column, random access by position and by name."""

    def __init__(self, **columns: Any) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, str):
            return self.columns[key]
        return {name: np.asarray(column[key]).tolist() for name, column in self.columns.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[i] for i in range(len(self)))


class DatasetDict(dict):  # type: ignore[type-arg]
    """As `datasets.DatasetDict`: splits by name."""
