"""Density is scaled while an edit lasts, in proposals and field alike, and nothing is left of it afterwards."""

import pytest
import torch
from nerfstudio.data.scene_box import SceneBox

from samnerf.camera import Camera
from samnerf.distill.cameras import from_nerfstudio, to_nerfstudio
from samnerf.distill.colour_model import ColourModelConfig

pytestmark = pytest.mark.filterwarnings("ignore:Using a non-tuple sequence for multidimensional indexing")

HEIGHT, WIDTH = 6, 8


def small_model(encoding="planes", **config):
    torch.manual_seed(0)
    return ColourModelConfig(
        encoding=encoding,
        implementation="torch",
        plane_resolutions=(8,),
        num_levels=2,
        log2_hashmap_size=8,
        proposal_net_args_list=[{"hidden_dim": 4, "log2_hashmap_size": 6, "num_levels": 2, "max_res": 16}] * 2,
        num_proposal_samples_per_ray=(16, 12),
        num_nerf_samples_per_ray=8,
        far_plane=10.0,
        eval_num_rays_per_chunk=20,
        average_init_density=1.0,
        **config,
    ).setup(scene_box=SceneBox(torch.tensor([[-1.0] * 3, [1.0] * 3])), num_train_data=2)


@pytest.fixture(params=["planes", "hash"])
def model(request):
    return small_model(request.param)


@pytest.fixture
def camera():
    pose = torch.cat([torch.eye(3), torch.tensor([[0.1], [0.2], [2.0]])], dim=1)
    return Camera(pose, 8.0, 8.0, 4.0, 3.0, HEIGHT, WIDTH)


def nothing(positions):
    return torch.zeros(positions.shape[:-1])


def half(positions):
    return torch.full(positions.shape[:-1], 0.5)


def test_a_world_without_density_is_seen_through(model, camera):
    with model.edited(nothing):
        rendering = model.render(camera)
    assert (rendering.opacity == 0).all()
    assert (rendering.samples.weights == 0).all()
    assert model.render(camera).opacity.min() > 0


def test_proposals_and_field_are_both_scaled_where_the_factor_says(model, camera):
    positions = torch.rand(5, 7, 3) * 4 - 2

    def left(positions):
        return (positions[..., 0] < 0).float()

    rays = to_nerfstudio(camera).generate_rays(camera_indices=0, keep_shape=True).flatten()
    samples = model.proposal_sampler.initial_sampler(model.collider(rays), num_samples=4)
    there = left(samples.frustums.get_positions())[..., None]
    before = [fn(positions) for fn in model.density_fns], model.field.get_density(samples)[0]
    with model.edited(left):
        after = [fn(positions) for fn in model.density_fns], model.field.get_density(samples)[0]
    for one, other in zip(before[0], after[0], strict=True):
        assert torch.equal(one * left(positions)[..., None], other)
    assert torch.equal(before[1] * there, after[1])


def test_edits_within_edits_multiply(model):
    positions = torch.rand(9, 3)
    whole = model.density_fns[0](positions)
    with model.edited(half):
        with model.edited(half):
            torch.testing.assert_close(model.density_fns[0](positions), whole / 4)
        torch.testing.assert_close(model.density_fns[0](positions), whole / 2)
    assert torch.equal(model.density_fns[0](positions), whole)


@pytest.mark.parametrize("fails", [False, True], ids=["after an edit", "after one that failed"])
def test_an_edit_leaves_no_trace(model, camera, fails):
    before, fns = model.render(camera), model.density_fns
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    try:
        with model.edited(nothing):
            assert model.state_dict().keys() == state.keys()
            model.render(camera)
            if fails:
                raise ArithmeticError
    except ArithmeticError:
        assert fails
    after = model.render(camera)
    assert model.density_fns is fns
    assert "get_density" not in vars(model.field)
    assert torch.equal(before.colour, after.colour)
    assert torch.equal(before.samples.weights, after.samples.weights)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_training_does_not_notice_an_earlier_edit(model, camera):
    def gradients():
        torch.manual_seed(1)
        model.train().zero_grad()
        rays = to_nerfstudio(camera).generate_rays(camera_indices=0, keep_shape=True).flatten()
        rays.camera_indices = torch.zeros(len(rays), 1, dtype=torch.long)
        model(rays)["rgb"].sum().backward()
        return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}

    before = gradients()
    with model.edited(nothing):
        model.render(camera)
    after = gradients()
    assert before.keys() == after.keys()
    assert any(gradient.abs().sum() > 0 for gradient in after.values())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_colour_and_samples_of_one_pass_are_those_of_two(model, camera):
    rendering = model.render(camera)
    colour, depth = model.render_colour(camera)
    samples = model.render_samples(camera)
    assert torch.equal(rendering.colour, colour)
    assert torch.equal(rendering.depth, depth)
    torch.testing.assert_close(rendering.samples.positions, samples.positions)
    torch.testing.assert_close(rendering.samples.weights, samples.weights)
    torch.testing.assert_close(samples.weights.sum(dim=1), rendering.opacity.flatten())


def test_nerfstudio_gets_further_pictures_of_the_same_pass(model, camera):
    seen = []

    def pictures(colour, samples):
        seen.append((colour, samples))
        return {"negative": 1 - colour}

    model.eval()
    plain = model.get_outputs_for_camera(to_nerfstudio(camera))
    model.make_pictures = pictures
    outputs = model.get_outputs_for_camera(to_nerfstudio(camera))
    assert outputs.keys() - plain.keys() == {"negative"}
    assert torch.equal(outputs["rgb"], plain["rgb"])
    assert torch.equal(outputs["negative"], 1 - plain["rgb"])
    torch.testing.assert_close(seen[0][1].weights, model.render_samples(camera).weights)
    assert not model.renderer_expected_depth._forward_pre_hooks


def test_cameras_come_back_from_nerfstudio_as_they_went(camera):
    there_and_back = from_nerfstudio(to_nerfstudio(camera))
    assert torch.equal(there_and_back.camera_to_world, camera.camera_to_world)
    assert there_and_back.image_size == (HEIGHT, WIDTH)
    assert (there_and_back.fx, there_and_back.cy) == (8.0, 3.0)
