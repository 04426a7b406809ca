import pytest
import torch

from nirlora.errors import ModelError, OutputError
from nirlora.training.checkpoint import (
    TrainState,
    load_checkpoint,
    pack_optimizer,
    save_checkpoint,
    unpack_optimizer,
)


def trained():
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.randn(4, 3)).pow(2).sum().backward()
        optimizer.step()
    return net, optimizer, {id(p): n for n, p in net.named_parameters()}


def test_a_checkpoint_brings_back_every_number(tmp_path):
    net, optimizer, names = trained()
    state = TrainState(step=3, elapsed_s=1.5, best_miou=0.25, best_epoch=1, confusion=[[1, 2], [3, 4]])
    state.history.append({"epoch": 1, "loss": 0.5, "miou": None})
    state.weights = dict(net.state_dict())
    state.best_weights = {k: v + 1 for k, v in net.state_dict().items()}
    state.optimizer = pack_optimizer(optimizer, names)
    save_checkpoint(tmp_path / "a", state, "run")
    back = load_checkpoint(tmp_path / "a", "run")
    assert (back.step, back.elapsed_s, back.best_miou, back.history) == (3, 1.5, 0.25, state.history)
    assert back.confusion == [[1, 2], [3, 4]]
    for group in ("weights", "best_weights", "optimizer"):
        assert getattr(back, group).keys() == getattr(state, group).keys()
        for name, tensor in getattr(state, group).items():
            torch.testing.assert_close(getattr(back, group)[name], tensor, rtol=0, atol=0)


def test_an_optimiser_goes_on_as_if_never_stopped():
    net, optimizer, names = trained()
    packed = {k: v.clone() for k, v in pack_optimizer(optimizer, names).items()}
    twin = torch.nn.Linear(3, 2)
    twin.load_state_dict(net.state_dict())
    other = torch.optim.AdamW(twin.parameters(), lr=0.1)
    unpack_optimizer(other, {id(p): n for n, p in twin.named_parameters()}, packed)
    for model, opt in ((net, optimizer), (twin, other)):
        opt.zero_grad()
        model(torch.ones(1, 3)).sum().backward()
        opt.step()
    torch.testing.assert_close(net.weight, twin.weight, rtol=0, atol=0)


def test_other_settings_and_damage_are_refused(tmp_path):
    path = tmp_path / "a"
    save_checkpoint(path, TrainState(step=1), "run")
    with pytest.raises(ModelError, match="other settings"):
        load_checkpoint(path, "another")
    path.write_bytes(path.read_bytes()[:-10] if path.stat().st_size > 400 else b"\x00" * 5)
    with pytest.raises(ModelError, match="cannot be read"):
        load_checkpoint(path, "run")


def test_a_checkpoint_that_cannot_be_written_is_told_and_the_old_one_stays(tmp_path, monkeypatch):
    path = tmp_path / "a"
    save_checkpoint(path, TrainState(step=1), "run")

    def full(tensors, part, metadata):
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nirlora.training.checkpoint.save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        save_checkpoint(path, TrainState(step=2), "run")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert load_checkpoint(path, "run").step == 1
    with pytest.raises(OutputError, match="cannot be written"):
        save_checkpoint(tmp_path / "gone" / "a", TrainState(), "run")
