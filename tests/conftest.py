import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def one_thread():
    """Commands set the number of threads of their process, which here is the tests' own."""
    yield
    torch.set_num_threads(1)
