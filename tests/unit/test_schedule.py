import pytest
from hypothesis import given
from hypothesis import strategies as st

from nirlora.training.schedule import backbone_share, lora_nir_step, run_fraction, warmup_cosine


@pytest.mark.parametrize(
    ("epoch", "rate"), [(0, 1e-4), (3, 1e-4), (4, 9.1e-5), (8, 9.1e-5), (9, 8.281e-5), (69, 2.67e-5)]
)
def test_lora_nir_rates(epoch, rate):
    assert 1e-4 * lora_nir_step(epoch) == pytest.approx(rate, rel=1e-3)


def test_cosine_warms_up_then_falls_to_its_floor():
    assert warmup_cosine(0.0, 0) == pytest.approx(1 / 20)
    assert warmup_cosine(0.0, 19) == pytest.approx(1)
    assert warmup_cosine(0.5, 100) == pytest.approx(0.505)
    assert warmup_cosine(1.0, 1000) == pytest.approx(0.01)


@given(st.integers(0, 500), st.floats(0, 1e4), st.floats(0, 1e4))
def test_fraction_follows_the_nearer_of_steps_and_time(step, elapsed, budget):
    fraction = run_fraction(step, 500, elapsed, budget)
    assert 0 <= fraction <= 1
    assert fraction >= step / 500
    if budget > 0 and elapsed >= budget:
        assert fraction == 1


def test_the_backbone_follows_the_head():
    assert [backbone_share(f, 0.2) for f in (0.0, 0.1, 0.2, 1.0)] == pytest.approx([0, 0.5, 1, 1])
    assert backbone_share(0.0, 0.0) == 1
