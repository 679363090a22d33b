"""Which calls of PyTorch record a function, and in which order; there is no GPU here that could show what they do."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest
import torch

from trials.training.cuda_graphs import WARM_UPS, CudaGraphs, graphs_on

GPU = torch.device("cuda:1")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """Of ``torch.cuda``, all in one."""
    cuda = MagicMock()
    for name in (
        *("get_rng_state", "set_rng_state", "graph_pool_handle", "CUDAGraph", "Stream"),
        *("device", "current_stream", "stream", "graph"),
    ):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    return cuda


def test_a_function_is_recorded(calls: MagicMock) -> None:
    """It warms up on a stream of its own, for which the training's stream waits; then random numbers go back."""
    graphs = CudaGraphs(GPU)
    calls.reset_mock()
    replay = graphs.record(calls.function)
    assert [name for name, *_ in calls.mock_calls] == [
        *("get_rng_state", "CUDAGraph", "device", "device().__enter__"),
        *("current_stream", "Stream().wait_stream", "stream", "stream().__enter__"),
        *["function"] * WARM_UPS,
        *("stream().__exit__", "current_stream", "current_stream().wait_stream"),
        *("graph", "graph().__enter__", "function", "graph().__exit__"),
        *("device().__exit__", "set_rng_state"),
    ]
    calls.device.assert_called_once_with(GPU)
    calls.stream.assert_called_once_with(calls.Stream.return_value)
    calls.get_rng_state.assert_called_once_with(GPU)
    calls.set_rng_state.assert_called_once_with(calls.get_rng_state.return_value, GPU)
    replay()
    calls.CUDAGraph.return_value.replay.assert_called_once_with()


def test_records_share_stream_and_memory(calls: MagicMock) -> None:
    graphs = CudaGraphs(GPU)
    for _ in range(2):
        graphs.record(calls.function)
    calls.Stream.assert_called_once_with(GPU)
    calls.graph_pool_handle.assert_called_once_with()
    shared = calls.graph_pool_handle.return_value, calls.Stream.return_value
    for call in calls.graph.call_args_list:
        assert call.args == (calls.CUDAGraph.return_value, *shared)
        assert call.kwargs == {"capture_error_mode": "thread_local"}
    assert calls.CUDAGraph.call_count == 2


def test_all_of_a_device_share_them(calls: MagicMock) -> None:
    graphs_on.cache_clear()
    assert graphs_on(GPU) is graphs_on(GPU) is not graphs_on(torch.device("cuda:0"))
    assert calls.Stream.call_count == 2
    graphs_on.cache_clear()
