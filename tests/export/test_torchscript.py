"""SAM as TorchScript: what is written answers as the networks do, for any number of points, with Meta's signatures."""

import warnings
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
from torch import nn

from samnerf.errors import SamNerfError
from samnerf.export import torchscript
from samnerf.export.torchscript import MatteDecoder, MatteEncoder, write_pair
from samnerf.teachers import meta_sam
from samnerf.teachers.pairs import load_encoder, load_mask_decoder
from samnerf.teachers.sam import SamEncoder, SamMaskDecoder, normalised_colours

CPU = torch.device("cpu")


def load(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have its newer formats
        return torch.jit.load(str(path))


def small_vit():
    """A SAM of Meta's networks, random and small: 64 pixels, 8 x 8 cells of 32 channels."""
    torch.manual_seed(0)
    network = ImageEncoderViT(
        depth=2,
        embed_dim=32,
        img_size=64,
        mlp_ratio=2,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        num_heads=2,
        patch_size=8,
        qkv_bias=True,
        use_rel_pos=True,
        global_attn_indexes=(1,),
        window_size=3,
        out_chans=32,
    )
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    prompts = PromptEncoder(embed_dim=32, image_embedding_size=(8, 8), input_image_size=(64, 64), mask_in_chans=4)
    masks = MaskDecoder(
        num_multimask_outputs=3,
        transformer=TwoWayTransformer(depth=1, embedding_dim=32, mlp_dim=32, num_heads=2),
        transformer_dim=32,
        iou_head_depth=2,
        iou_head_hidden_dim=32,
    )
    return SamEncoder(network, "small-vit", "0" * 64, 32, 8, 64, CPU), SamMaskDecoder(prompts, masks, "small-vit", CPU)


@pytest.fixture(scope="module")
def small():
    return small_vit()


@pytest.fixture(scope="module")
def tiny():
    return load_encoder("tiny", "sam"), load_mask_decoder("tiny")


@pytest.fixture(scope="module", params=["small", "tiny"])
def pair(request):
    """Encoder, decoder, and what is written of them."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def written(pair, tmp_path_factory):
    return write_pair(*pair, tmp_path_factory.mktemp("pair"))


def with_points(matte, points):
    padded = F.pad(matte, (0, 0, 0, 16))
    for k, point in enumerate(points):
        padded[0, 0, -1, 3 * k : 3 * k + 3] = torch.tensor(point)
    return padded


def by_the_contract(decoder, embedding, points):
    """Row by row what nuke.md says, with SAM's own prompt encoder."""
    rows, columns = torchscript.matte_size(decoder.map_shape)
    active = [(x, 1024 - y, 0.0 if flag >= 1 else 1.0) for x, y, flag in points if 1 <= x <= 1024 and 1 <= y <= 1024]
    if not active:
        return torch.zeros(1, 1, rows + 16, columns, dtype=torch.bool), None
    said = torch.tensor(active)
    scale = decoder.input_side / 1024
    sparse, dense = decoder.prompt_encoder((said[None, :, :2] * scale, said[None, :, 2]), None, None)
    masks, scores = decoder.mask_decoder(
        image_embeddings=embedding,
        image_pe=decoder.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
    )
    best = masks[:, scores[0].argmax()][:, None]
    logits = F.interpolate(best, (rows, columns), mode="bilinear", align_corners=False)
    return F.pad(logits > 0, (0, 0, 0, 16)), logits


def random_points(random):
    """Up to 16: inside, outside, switched off, additive and subtractive."""
    count = int(torch.randint(0, 17, (), generator=random))
    points = torch.rand(count, 3, generator=random) * torch.tensor([1100.0, 1100.0, 2.0]) - torch.tensor(
        [40.0, 40.0, 0.0]
    )
    points[torch.rand(count, generator=random) < 0.2] = 0
    return points.tolist()


@torch.no_grad()
def test_both_halves_answer_as_the_networks_do(pair, written):
    encoder, decoder = pair
    assert written.encoder_difference <= 1e-4 and written.decoder_difference <= 1e-4
    random = torch.Generator().manual_seed(5)
    picture = torch.rand(1, 3, encoder.input_side, encoder.input_side, generator=random)
    embedding = encoder.network(normalised_colours(picture))
    rows, columns = torchscript.matte_size(decoder.map_shape)
    matte = load(written.encoder)(picture)
    assert matte.shape == (1, 1, rows, columns)
    torch.testing.assert_close(matte, embedding.reshape(1, 1, rows, columns), atol=1e-4, rtol=0)
    script = load(written.decoder)
    for _ in range(8):
        points = random_points(random)
        mask = script(with_points(matte, points))
        expected, logits = by_the_contract(decoder, embedding, points)
        assert mask.dtype == torch.bool and mask.shape == (1, 1, rows + 16, columns)
        assert not mask[..., rows:, :].any()
        if logits is None:
            assert not mask.any()
        else:
            assert not ((mask != expected)[..., :rows, :] & (logits.abs() > 1e-4)).any()


@torch.no_grad()
def test_what_it_shows_is_where_the_point_is(tiny):
    """A bright square in the upper right; y of points counts from below."""
    encoder, decoder = tiny
    picture = torch.full((1, 3, 256, 256), 0.3)
    picture[0, :, 30:90, 150:220] = torch.tensor([0.9, 0.2, 0.1])[:, None, None]
    matte = MatteEncoder(encoder.network, decoder.map_shape)(picture)
    mask = MatteDecoder(decoder.prompt_encoder, decoder.mask_decoder)(with_points(matte, [(740.0, 1024 - 240.0, 0.0)]))
    rows, columns = torch.nonzero(mask[0, 0, :256], as_tuple=True)
    assert 30 <= float(rows.float().mean()) <= 90
    assert 300 <= float(columns.float().mean()) <= 440  # the matte is twice as wide as the picture


@pytest.mark.parametrize(
    ("point", "counts"),
    [
        ((1.0, 1.0, 0.0), True),
        ((1024.0, 1024.0, 0.0), True),
        ((0.99, 500.0, 0.0), False),
        ((500.0, 1024.01, 0.0), False),
        ((0.0, 0.0, 1.0), False),
        ((-5.0, 3.0, 0.0), False),
        ((float("nan"), 3.0, 0.0), False),
    ],
)
@torch.no_grad()
def test_only_points_within_1_to_1024_count(small, point, counts):
    _, decoder = small
    logits = MatteDecoder(decoder.prompt_encoder, decoder.mask_decoder).logits
    assert bool(logits(with_points(torch.zeros(1, 1, 32, 64), [point]))[1]) == counts


@torch.no_grad()
def test_a_point_that_does_not_count_is_as_if_it_were_not_there(small):
    _, decoder = small
    logits = MatteDecoder(decoder.prompt_encoder, decoder.mask_decoder).logits
    matte = torch.randn(1, 1, 32, 64, generator=torch.Generator().manual_seed(0))
    alone = logits(with_points(matte, [(300.0, 400.0, 0.0)]))[0]
    among = logits(with_points(matte, [(0.0, 0.0, 1.0), (5000.0, 10.0, 0.0), (300.0, 400.0, 0.0)]))[0]
    subtractive = logits(with_points(matte, [(300.0, 400.0, 1.0)]))[0]
    assert torch.equal(alone, among)
    assert not torch.equal(alone, subtractive)


def test_no_constant_of_the_decoder_is_bound_to_a_device(written):
    """Nuke moves the networks to a GPU, and what a trace took for constant would stay behind."""
    graph = str(load(written.decoder).inlined_graph)
    assert "cpu" not in graph and "cuda" not in graph


def test_meta_s_own_signatures():
    """[1, 3, 1024, 1024] -> [1, 1, 1024, 1024] -> [1, 1, 1040, 1024]; the encoder is stood in for, it takes minutes."""

    class Pooled(nn.Module):
        def forward(self, x):
            return F.avg_pool2d(x, 16).mean(1, keepdim=True).expand(-1, 256, -1, -1)

    decoder = MatteDecoder(meta_sam.build_prompt_encoder(), meta_sam.build_mask_decoder()).eval()
    with torch.no_grad():
        matte = MatteEncoder(Pooled(), (256, 64, 64))(torch.rand(1, 3, 1024, 1024))
        mask = decoder(with_points(matte, [(512.0, 512.0, 0.0)]))
    assert matte.shape == (1, 1, 1024, 1024)
    assert mask.shape == (1, 1, 1040, 1024) and mask.dtype == torch.bool


def test_a_trace_that_differs_is_not_written(small, tmp_path, monkeypatch):
    encoder, decoder = small
    (tmp_path / "small-vit-encoder.pt").write_bytes(b"old")
    trace = torch.jit.trace

    def wrong(module, example, **options):
        broken = MatteEncoder(nn.Sequential(module.network, nn.Threshold(0.5, 7.0)), decoder.map_shape)
        return trace(broken.eval(), example, **options)

    monkeypatch.setattr(torch.jit, "trace", wrong)
    with pytest.raises(SamNerfError, match=r"small-vit-encoder\.pt was not written: what is traced differs"):
        write_pair(encoder, decoder, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["small-vit-encoder.pt"]
    assert (tmp_path / "small-vit-encoder.pt").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["sam-vit-b", "sam-vit-l", "sam-vit-h"])
def test_a_checkpoint_says_which_sam_it_is(tmp_path, name):
    width = meta_sam.SHAPES[name].width
    torch.save({"image_encoder.patch_embed.proj.weight": torch.zeros(width, 3, 16, 16)}, tmp_path / "sam.pth")
    assert meta_sam.teacher_of(tmp_path / "sam.pth") == name


@pytest.mark.parametrize(
    "state", [{"image_encoder.patch_embed.proj.weight": torch.zeros(99, 3, 16, 16)}, {"a": torch.ones(1)}]
)
def test_a_checkpoint_of_something_else_is_refused(tmp_path, state):
    torch.save(state, tmp_path / "sam.pth")
    with pytest.raises(SamNerfError, match="hold no SAM ViT-B, -L or -H"):
        meta_sam.teacher_of(tmp_path / "sam.pth")
