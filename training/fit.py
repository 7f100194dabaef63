"""Learning one network from one seed, the same to the last bit each time on one machine."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# cuBLAS and thread pools read these when torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rusy_tui.ensemble.manifest import CNN, DNN, LSTM
from rusy_tui.features.windows import (
    FeatureTable,
    Rows,
    bar_input,
    flow_input,
    image_input,
    sequence_input,
)
from training.dataset import Pool, build_pool, split
from training.networks.cnn import ImageNetwork
from training.networks.dnn import BarNetwork
from training.networks.lstm import SequenceNetwork
from training.networks.normalise import Normalise

BATCH = 256
LEARNING_RATE = 1e-3
"""The peak of the cycle. Thrice this overfits the LSTM within three epochs."""
FLOW_SHOWN = 0.5
"""Share of training rows that keep their flow group; the others have it hidden, so that the
network learns to vote without."""


@dataclass(frozen=True, slots=True)
class Job:
    """One network to learn; ``every`` as :func:`training.dataset.split` takes it."""

    member: str
    seed: int
    epochs: int
    every: int = 1


@dataclass(frozen=True, slots=True)
class Fitted:
    """A learnt network's weights, of the epoch with the least loss on validation data."""

    job: Job
    weights: dict[str, NDArray[np.float32]]
    validation_loss: float
    seconds: float


def build_network(member: str, table: FeatureTable, train: Rows) -> nn.Module:
    """An untrained network, its normalisation fitted on the training rows alone."""
    if member == LSTM:
        normalise = _normalise(table.sequence[train])
        return SequenceNetwork(normalise, table.sequence.shape[1])
    if member == CNN:
        hours = np.unique(table.hour_row[train])
        fast, slow = table.image[train], table.hour_image[hours]
        mean = np.stack([fast.mean(axis=0), slow.mean(axis=0)])[:, None, :]
        deviation = np.stack([fast.std(axis=0), slow.std(axis=0)])[:, None, :]
        normalise = Normalise(torch.tensor(mean), torch.tensor(deviation))
        return ImageNetwork(normalise, 2, table.image.shape[1])
    flow = table.flow[train]
    flow = flow[np.isfinite(flow).all(axis=1)]
    columns = table.bar.shape[1] + table.flow.shape[1]
    return BarNetwork(_normalise(table.bar[train]), _normalise(flow), columns)


def _normalise(rows: NDArray[np.floating]) -> Normalise:
    mean = torch.tensor(rows.mean(axis=0, dtype=np.float64))
    return Normalise(mean, torch.tensor(rows.std(axis=0, dtype=np.float64)))


def network_inputs(member: str, table: FeatureTable, rows: Rows) -> tuple[Tensor, ...]:
    """A batch as the network's ``forward`` takes it."""
    if member == LSTM:
        return (torch.from_numpy(sequence_input(table, rows)),)
    if member == CNN:
        return (torch.from_numpy(image_input(table, rows)),)
    flow, present = flow_input(table, rows)
    bar = np.ascontiguousarray(bar_input(table, rows))
    return torch.from_numpy(bar), torch.from_numpy(flow), torch.from_numpy(present)


def loss_of(member: str, output: Tensor, rose: Tensor, pattern: Tensor) -> Tensor:
    """Mean log loss of a batch. The strength's P(up), (1 + tanh z) / 2, is σ(2z)."""
    if member == CNN:
        return functional.cross_entropy(output, pattern)
    logit = 2 * output if member == DNN else output
    return functional.binary_cross_entropy_with_logits(logit, rose)


def fit(
    job: Job, pool: Pool, train: Rows, validation: Rows, say: Callable[[str], None]
) -> Fitted:
    """Learn with AdamW under a one-cycle rate, keeping the best epoch."""
    started = time.monotonic()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(job.seed)
    shuffle = np.random.default_rng(job.seed)
    network = build_network(job.member, pool.table, train)
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
    steps = len(train) // BATCH
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=LEARNING_RATE, total_steps=steps * job.epochs
    )
    best, kept = float("inf"), dict[str, NDArray[np.float32]]()
    for epoch in range(job.epochs):
        network.train()
        order = shuffle.permutation(train)
        for step in range(steps):
            rows = order[step * BATCH : (step + 1) * BATCH]
            inputs = network_inputs(job.member, pool.table, rows)
            if job.member == DNN:
                inputs = _flow_hidden(inputs, shuffle)
            loss = loss_of(job.member, network(*inputs), *_targets(pool, rows))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            rate.step()
        judged = _validation_loss(job.member, network, pool, validation)
        say(
            f"{job.member} seed {job.seed}: epoch {epoch + 1}/{job.epochs}, "
            f"validation log loss {judged:.5f}, {time.monotonic() - started:.0f} s"
        )
        if judged < best:
            best = judged
            kept = {name: value.numpy().copy() for name, value in network.state_dict().items()}
    return Fitted(job, kept, best, time.monotonic() - started)


def restored(fitted: Fitted, table: FeatureTable, train: Rows) -> nn.Module:
    """The learnt network, ready to be used."""
    network = build_network(fitted.job.member, table, train)
    network.load_state_dict(
        {name: torch.from_numpy(value) for name, value in fitted.weights.items()}
    )
    return network.eval()


def _targets(pool: Pool, rows: Rows) -> tuple[Tensor, Tensor]:
    rose = torch.from_numpy((pool.log_return[rows] > 0).astype(np.float32))
    return rose, torch.from_numpy(pool.pattern[rows])


def _flow_hidden(
    inputs: tuple[Tensor, ...], shuffle: np.random.Generator
) -> tuple[Tensor, ...]:
    bar, flow, present = inputs
    shown = torch.from_numpy((shuffle.random((len(bar), 1)) < FLOW_SHOWN).astype(np.float32))
    return bar, flow * shown, present * shown


def _validation_loss(member: str, network: nn.Module, pool: Pool, rows: Rows) -> float:
    network.eval()
    whole = 0.0
    with torch.no_grad():
        for start in range(0, len(rows), 4096):
            part = rows[start : start + 4096]
            output = network(*network_inputs(member, pool.table, part))
            whole += float(loss_of(member, output, *_targets(pool, part))) * len(part)
    return whole / len(rows)


_worker_pool: list[Pool] = []


def prepare_worker(data: Path) -> None:
    """Load the data once in a worker process."""
    _worker_pool.append(build_pool(data))


def fit_in_worker(job: Job) -> Fitted:
    """:func:`fit` on the data that :func:`prepare_worker` loaded."""
    pool = _worker_pool[0]
    splits = split(pool, job.every)
    return fit(job, pool, splits.train, splits.validation, _say)


def _say(line: str) -> None:
    print(f"  {line}", flush=True)
