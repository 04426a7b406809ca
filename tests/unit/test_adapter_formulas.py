"""Each adapter's arithmetic against its formula, written out here with plain operations."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from nirlora.adapters import AdapterOptions, adapter_spec, add_adapter, read_options
from nirlora.adapters.windows import PromptedSwinBlock
from nirlora.models.backbones import Backbone
from small_nets import small_backbone

D = 48
X = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def adapted(adapter: str, net: str = "vit-tiny", blocks: str = "all", **values) -> Backbone:
    """A small network with the adapter as if trained."""
    torch.manual_seed(0)
    backbone = small_backbone(net).eval()
    options = read_options(adapter_spec(adapter), AdapterOptions(blocks=blocks), values)
    add_adapter(adapter, backbone, options)
    with torch.no_grad():
        for parameter in backbone.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn(parameter.shape)
    return backbone.eval()


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


def tokens(count: int = 25, width: int = D) -> torch.Tensor:
    return torch.randn(2, count, width, generator=torch.Generator().manual_seed(2))


def bottleneck(part, x: torch.Tensor, act=torch.relu) -> torch.Tensor:
    hidden = act(x @ part.down.weight.T + part.down.bias)
    return hidden @ part.up.weight.T + part.up.bias


def halves(block, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """x' and what the MLP of a plain ViT block adds to it."""
    y = x + block.attn(block.norm1(x))
    return y, block.mlp(block.norm2(y))


def close(got: torch.Tensor, want: torch.Tensor) -> None:
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


def test_serial_adapter():
    block = adapted("adapter").net.blocks[0]
    x = tokens()
    h = block.attn.proj.base(_attended(block.attn, block.norm1(x)))
    y = x + h + bottleneck(block.attn.proj.part, h, functional.gelu)
    h = block.mlp.base(block.norm2(y))
    close(block(x), y + h + bottleneck(block.mlp.part, h, functional.gelu))


def _attended(attention, x: torch.Tensor, temperature: float = 1.0, keys=None, values=None) -> torch.Tensor:
    """Softmax attention before the projection, head by head."""
    q, k, v = (x @ attention.qkv.weight.T + attention.qkv.bias).chunk(3, dim=-1)
    out, width = [], D // attention.num_heads
    for head in range(attention.num_heads):
        part = slice(head * width, (head + 1) * width)
        k_head, v_head = k[..., part], v[..., part]
        if keys is not None:
            k_head = torch.cat([keys[head].expand(len(x), -1, -1), k_head], 1)
            v_head = torch.cat([values[head].expand(len(x), -1, -1), v_head], 1)
        logits = q[..., part] @ k_head.transpose(1, 2) / math.sqrt(width) / temperature
        out.append(logits.softmax(-1) @ v_head)
    return torch.cat(out, dim=-1)


@pytest.mark.parametrize("given", ["residual", "norm"])
def test_adaptformer(given):
    block = adapted("adaptformer", input=given, scale=0.3).net.blocks[0]
    x = tokens()
    y, mlp = halves(block.base, x)
    seen = y if given == "residual" else block.base.norm2(y)
    close(block(x), y + mlp + 0.3 * bottleneck(block.mlp_branch.part, seen))


@pytest.mark.parametrize("site", ["mlp", "attn", "block"])
def test_mufa_in_parallel(site):
    block = adapted("mufa", site=site).net.blocks[0]
    x = tokens()
    y, mlp = halves(block.base, x)
    branch = getattr(block, f"{site}_branch")
    widths = [b.down.out_features for b in branch.part.branches]
    assert widths == [D // 8, D // 16, D // 32]

    def fused(u: torch.Tensor) -> torch.Tensor:
        return 0.1 * sum(bottleneck(b, u) for b in branch.part.branches)

    if site == "mlp":
        want = y + mlp + fused(y)
    elif site == "block":
        want = y + mlp + fused(x)
    else:
        y = y + fused(x)
        want = y + block.base.mlp(block.base.norm2(y))
    close(block(x), want)


def test_mufa_in_series_is_not_scaled():
    block = adapted("mufa", placement="serial", rates="8").net.blocks[0]
    x = tokens()
    y = x + block.attn(block.norm1(x))
    h = block.mlp.base(block.norm2(y))
    close(block(x), y + h + bottleneck(block.mlp.part.part.branches[0], h))


def test_mufa_behind_the_block():
    block = adapted("mufa", placement="serial", site="block", scale=2).net.blocks[0]
    y = block.base(tokens())
    close(block(tokens()), y + 2 * sum(bottleneck(b, y) for b in block.part.part.branches))


@pytest.mark.parametrize(("net", "blocks", "width"), [("vit-tiny", "all", 6), ("swin-tiny", "last:1", 48)])
def test_mufa_with_one_rate_is_adaptformer(net, blocks, width):
    """Weight for weight; on Swin in the last block, for its widths grow from stage to stage."""
    mufa, former = adapted("mufa", net, blocks, rates="8"), adapted("adaptformer", net, blocks, width=width)
    for parameter in mufa.parameters():
        parameter += 0.1 * torch.randn(parameter.shape)
    state = {k.replace(".part.branches.0.", ".part."): v for k, v in mufa.state_dict().items()}
    assert not torch.equal(former(X), mufa(X))
    former.load_state_dict(state)
    assert torch.equal(former(X), mufa(X))


def test_mufa_concatenated_is_the_sum():
    """The branches' matrices side by side are the one pair of matrices."""
    together = adapted("mufa", fusion="concat", bias=False)
    apart = adapted("mufa", bias=False)
    for one, many in zip(together.net.blocks, apart.net.blocks, strict=True):
        branches = many.mlp_branch.part.branches
        one.mlp_branch.part.down.weight.copy_(torch.cat([b.down.weight for b in branches], 0))
        one.mlp_branch.part.up.weight.copy_(torch.cat([b.up.weight for b in branches], 1))
    close(together(X), apart(X))


@pytest.mark.parametrize(("mode", "count"), [("fixed", 0), ("learnable", 2), ("per-branch", 6)])
def test_mufa_scales(mode, count):
    backbone = adapted("mufa", scale_mode=mode)
    scales = [p for n, p in backbone.named_parameters() if n.endswith("scale")]
    assert len(scales) == count
    assert all(p.requires_grad for p in scales)


def test_convpass_convolves_patches_where_they_lie_and_the_class_token_alone():
    backbone = adapted("convpass", scale=2.0)
    backbone(X)  # 4 x 6 tokens
    block = backbone.net.blocks[0]
    bypass = block.attn_branch.part
    x = tokens(25)
    u = block.base.norm1(x)
    h = _quick_gelu(u @ bypass.down.weight.T + bypass.down.bias)
    weight, bias = bypass.conv.weight, bypass.conv.bias
    patches = torch.zeros(2, 4 + 2, 6 + 2, 8)
    patches[:, 1:-1, 1:-1] = h[:, 1:].reshape(2, 4, 6, 8)
    out = bias.repeat(2, 4, 6, 1)
    for row in range(3):
        for col in range(3):
            out += patches[:, row : row + 4, col : col + 6] @ weight[:, :, row, col].T
    alone = h[:, :1] @ weight[:, :, 1, 1].T + bias
    hidden = _quick_gelu(torch.cat([alone, out.reshape(2, 24, 8)], 1))
    y = x + block.base.attn(u) + 2.0 * (hidden @ bypass.up.weight.T + bypass.up.bias)
    second = block.mlp_branch.part
    close(block(x), y + block.base.mlp(block.base.norm2(y)) + 2.0 * second(block.base.norm2(y)))


def _quick_gelu(x: torch.Tensor) -> torch.Tensor:
    return x / (1 + torch.exp(-1.702 * x))


def test_convpass_starts_with_the_identity_convolution():
    torch.manual_seed(0)
    backbone = small_backbone("vit-tiny")
    add_adapter("convpass", backbone, adapter_spec("convpass").defaults)
    conv = backbone.net.blocks[0].attn_branch.part.conv
    maps = torch.randn(1, 8, 5, 7)
    assert torch.equal(conv(maps), maps)


def test_lorand_shares_its_kernels():
    part = adapted("lorand", branches=3, kernel=2).net.blocks[0].mlp.part
    down, up = torch.zeros(D, D // 2), torch.zeros(D // 2, D)
    for i in range(3):
        down += part.down_left[i] @ part.kernels[i] @ part.down_right[i]
        up += part.up_left[i] @ part.kernels[i] @ part.up_right[i]
    x = tokens()
    close(part(x), functional.gelu(x @ down + part.down_bias) @ up + part.up_bias)


def run_blocks(backbone: Backbone) -> tuple[torch.Tensor, int]:
    """Tokens before the first block, and the number in front of the patches."""
    net = backbone.net
    x = net.norm_pre(net.patch_drop(net._pos_embed(net.patch_embed(X))))
    return x, net.num_prefix_tokens


def as_map(backbone: Backbone, x: torch.Tensor) -> torch.Tensor:
    return backbone.net.norm(x)[:, -24:].reshape(2, 4, 6, D).permute(0, 3, 1, 2)


@pytest.mark.parametrize("net", ["vit-tiny", "dinov2-small"])
def test_shallow_prompts_stay_to_the_end(net):
    torch.manual_seed(3)
    backbone = adapted("vpt-shallow", net, prompts=5)
    side = backbone.patch
    images = X[..., : 4 * side, : 6 * side] if side * 6 <= 96 else torch.randn(2, 3, 4 * side, 6 * side)
    model = backbone.net
    x = model.norm_pre(model._pos_embed(model.patch_embed(images)))
    prompts = model.blocks[0].prompts.tokens.expand(2, -1, -1)
    x = torch.cat([x[:, :1], prompts, x[:, 1:]], 1)
    for block in model.blocks:
        x = block.base(x)
    assert x.shape[1] == 1 + 5 + 24
    close(backbone(images), as_map(backbone, x))


def test_deep_prompts_are_replaced_behind_every_block():
    backbone = adapted("vpt-deep", prompts=5)
    x, first = run_blocks(backbone)
    assert first == 1
    for block in backbone.net.blocks:
        x = block.base(torch.cat([x[:, :1], block.prompts.tokens.expand(2, -1, -1), x[:, 1:]], 1))
        x = torch.cat([x[:, :1], x[:, 6:]], 1)
    close(backbone(X), as_map(backbone, x))


def test_prompts_start_within_the_bounds_of_the_patch_embedding():
    torch.manual_seed(0)
    backbone = small_backbone("vit-tiny")
    add_adapter("vpt-deep", backbone, replace(adapter_spec("vpt-deep").defaults, prompts=1000))
    bound = math.sqrt(6 / (3 * 16 * 16 + D))
    prompts = backbone.net.blocks[0].prompts.tokens
    assert 0.99 * bound < prompts.max() <= bound
    assert -bound <= prompts.min() < -0.99 * bound
    assert abs(prompts.std() - bound / math.sqrt(3)) < 0.01 * bound


def test_gated_prompts_and_temperatures():
    backbone = adapted("ivpt", prompts=5, gate_start=0.5)
    net = backbone.net
    x, _ = run_blocks(backbone)
    x = torch.cat([x[:, :1], net.blocks[0].prompts.tokens.expand(2, -1, -1), x[:, 1:]], 1)
    for index, block in enumerate(net.blocks):
        base = block.base
        temperature = float(base.attn.q_norm[1].value)
        assert temperature != 1.0
        y = x + base.attn.proj(_attended(base.attn, base.norm1(x), temperature))
        y = y + base.mlp(base.norm2(y))
        if index == 0:
            share = 1 / (1 + math.exp(-float(block.gate.logit)))
            y[:, 1:6] = share * y[:, 1:6] + (1 - share) * x[:, 1:6]
        else:
            assert block.gate is None
        x = y
    close(backbone(X), as_map(backbone, x))


def test_gates_start_almost_closed_and_temperatures_are_clamped():
    torch.manual_seed(0)
    backbone = small_backbone("vit-tiny")
    add_adapter("ivpt", backbone, adapter_spec("ivpt").defaults)
    block = backbone.net.blocks[0]
    assert torch.sigmoid(block.gate.logit).item() == pytest.approx(1 / (1 + math.exp(5)))
    temperature = block.base.attn.q_norm[1]
    q = torch.ones(1, 3, 2, 16)
    for value, applied in ((1.0, 1.0), (100.0, 10.0), (-1.0, 0.01), (2.0, 2.0)):
        temperature.value.fill_(value)
        torch.testing.assert_close(temperature(q), q / applied)


@pytest.mark.parametrize("shared", [True, False])
def test_learnt_keys_and_values(shared):
    backbone = adapted("e2vpt", prompts=2, kv_prompts=3, share_kv=shared)
    x, _ = run_blocks(backbone)
    for block in backbone.net.blocks:
        base, extra = block.base, block.base.attn.key_values
        x = torch.cat([x[:, :1], block.prompts.tokens.expand(2, -1, -1), x[:, 1:]], 1)
        values = extra.keys if shared else extra.values
        attended = _attended(base.attn.base, base.norm1(x), keys=extra.keys, values=values)
        y = x + base.attn.base.proj(attended)
        y = y + base.mlp(base.norm2(y))
        x = torch.cat([y[:, :1], y[:, 3:]], 1)
    close(backbone(X), as_map(backbone, x))


def test_rotary_positions_pass_by_prompts():
    """DINOv3 turns queries and keys by the place of their patch: prompts have none, as class tokens."""
    backbone = adapted("vpt-deep", "dinov3-small", prompts=5)
    net = backbone.net
    x, rope = net._pos_embed(net.patch_embed(X))
    for block in net.blocks:
        base = block.base
        assert base.attn.num_prefix_tokens == net.num_prefix_tokens + 5 == 10
        x = torch.cat([x[:, :5], block.prompts.tokens.expand(2, -1, -1), x[:, 5:]], 1)
        x = base(x, rope=rope)
        x = torch.cat([x[:, :5], x[:, 10:]], 1)
    close(backbone(X), as_map(backbone, x))


def test_attention_with_no_more_keys_is_the_plain_one():
    for net in ("vit-tiny", "dinov3-small"):
        attention = adapted("e2vpt", net).net.blocks[0].base.attn
        attention.key_values.keys = torch.nn.Parameter(torch.zeros(3, 0, 16))
        x, rope = tokens(10 + 24 if net == "dinov3-small" else 25), torch.randn(24, 32)
        rotary = {"rope": rope} if net == "dinov3-small" else {}
        attention.base.__dict__["num_prefix_tokens"] = 10
        close(attention(x, **rotary), attention.base(x, **rotary))


def test_a_swin_block_without_prompts_is_the_plain_one():
    """Shifted windows, and a map that is no multiple of the window, included."""
    torch.manual_seed(0)
    backbone = small_backbone("swin-tiny").eval()
    for _, block in backbone.blocks():
        width = block.norm1.weight.shape[0]
        for rows, cols in ((14, 21), (9, 16)):
            x = torch.randn(2, rows, cols, width)
            close(PromptedSwinBlock(block)(x), block(x))


def test_prompts_in_windows_of_swin():
    """Prompts as tokens of each window whose own outputs are dropped: attention over the joint sequence."""
    backbone = adapted("vpt-deep", "swin-tiny", prompts=3)
    wrapped = backbone.net.layers[1].blocks[0]
    block, attention = wrapped.base, wrapped.base.attn
    assert block.shift_size == (0, 0)
    window = block.window_size[0]
    x = torch.randn(2, window, window, 96)  # one window an image
    joint = torch.cat([wrapped.prompts.tokens.expand(2, -1, -1), x.flatten(1, 2)], 1)
    q, k, v = attention.qkv(block.norm1(joint)).chunk(3, dim=-1)
    bias = functional.pad(attention._get_rel_pos_bias()[0], (3, 0, 3, 0))
    out = []
    for head in range(2):
        part = slice(head * 48, (head + 1) * 48)
        logits = q[..., part] @ k[..., part].transpose(1, 2) / math.sqrt(48) + bias[head]
        out.append(logits.softmax(-1) @ v[..., part])
    y = joint + attention.proj(torch.cat(out, -1))
    y = y + block.mlp(block.norm2(y))
    close(wrapped(x), y[:, 3:].reshape(x.shape))


def test_swin_prompts_have_the_width_of_their_stage():
    backbone = adapted("vpt-deep", "swin-tiny", prompts=3)
    shapes = [b.prompts.tokens.shape for stage in backbone.net.layers for b in stage.blocks]
    assert [tuple(s) for s in shapes] == [(3, w) for w in (48, 48, 96, 192, 384)]


def test_bitfit_trains_every_bias_and_no_weight():
    trained = {n for n, p in adapted("bitfit").named_parameters() if p.requires_grad}
    assert trained == {n for n, _ in small_backbone("vit-tiny").named_parameters() if n.endswith("bias")}


def test_norms_can_be_trained_with_serial_adapters():
    plain, with_norms = (
        {n for n, p in adapted("adapter", train_norms=w).named_parameters() if p.requires_grad}
        for w in (False, True)
    )
    assert {n.split("blocks.")[1] for n in with_norms - plain} == {
        f"{i}.norm{k}.{what}" for i in (0, 1) for k in (1, 2) for what in ("weight", "bias")
    }
