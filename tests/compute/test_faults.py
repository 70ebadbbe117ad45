import pytest
import torch

from compute.faults import DeviceError, is_device_fault, is_out_of_memory, within_memory


@pytest.mark.parametrize(
    ("error", "device", "memory"),
    [
        (RuntimeError("CUDA error: an illegal memory access was encountered"), True, False),
        (RuntimeError("CUDA error: no kernel image is available for execution on the device"), True, False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), True, False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), False, True),
        (RuntimeError("CUDA error: out of memory"), False, True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), False, True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: not enough memory"), False, True),
        (MemoryError(), False, True),
        (DeviceError("cuda:7 does not work"), True, False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False, False),
        (ValueError("CUDA error is what this picks file is called"), False, False),
    ],
)
def test_whose_fault_an_error_is(error, device, memory):
    assert (is_device_fault(error), is_out_of_memory(error)) == (device, memory)


def test_torchs_own_error_of_a_device_is_seen():
    kind = getattr(torch, "AcceleratorError", None)
    if kind is not None:  # torch 2.8 or newer
        assert issubclass(kind, RuntimeError)
    assert issubclass(torch.OutOfMemoryError, RuntimeError)


def test_the_first_size_that_fits_is_taken():
    tried = []

    def attempt(size):
        tried.append(size)
        if size > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 10 * size

    assert within_memory(attempt, 12, lambda size: size // 2 or None) == (30, 3)
    assert tried == [12, 6, 3]
    with pytest.raises(torch.OutOfMemoryError):
        within_memory(attempt, 12, lambda size: size // 2 if size > 8 else None)


def test_other_errors_are_no_reason_to_try_less():
    with pytest.raises(RuntimeError, match="shapes"):
        within_memory(lambda size: torch.ones(2, 3) @ torch.ones(2, 3), 4, lambda size: size // 2)
