"""Laws of the optimiser of the tiny teachers' matrices."""

import pytest
import torch

from samnerf.preprocessing.tiny_teachers.matrix_optimiser import MatrixOptimiser, orthogonalised


@pytest.mark.parametrize("shape", [(6, 6), (4, 12), (12, 4)])
def test_orthogonalising_keeps_singular_vectors_and_evens_out_singular_values(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    inside = left.T @ orthogonalised(matrix) @ right.T
    torch.testing.assert_close(inside, torch.diag(inside.diagonal()), atol=1e-4, rtol=0)
    assert values.max() / values.min() > 1.5
    assert ((inside.diagonal() > 0.6) & (inside.diagonal() < 1.3)).all()


def test_a_step_of_a_matrix_does_not_depend_on_the_size_of_its_gradient():
    steps = []
    for size in (1.0, 1e-3):
        weight = torch.nn.Parameter(torch.zeros(4, 4))
        optimiser = MatrixOptimiser([weight], [], matrix_rate=0.1, other_rate=0.1)
        weight.grad = size * torch.arange(16.0).reshape(4, 4).sin()
        optimiser.step()
        steps.append(weight.detach())
    torch.testing.assert_close(steps[0], steps[1], atol=1e-4, rtol=1e-3)


def test_the_filters_of_a_convolution_are_the_rows_of_a_matrix():
    gradient = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    moved = []
    for shape in ((4, 2, 3, 3), (4, 18)):
        weight = torch.nn.Parameter(torch.zeros(shape))
        optimiser = MatrixOptimiser([weight], [], matrix_rate=0.1, other_rate=0.1)
        weight.grad = gradient.reshape(shape)
        optimiser.step()
        moved.append(weight.detach().flatten(1))
    torch.testing.assert_close(*moved)


def test_everything_else_steps_as_adam_does():
    vectors = [torch.nn.Parameter(torch.ones(5)) for _ in range(2)]
    ours = MatrixOptimiser([], [vectors[0]], matrix_rate=0.0, other_rate=0.01)
    adam = torch.optim.Adam([vectors[1]], lr=0.01, betas=(0.9, 0.98))
    for step in range(5):
        for vector in vectors:
            vector.grad = torch.sin(torch.arange(5.0) + step)
        ours.step()
        adam.step()
    torch.testing.assert_close(vectors[0], vectors[1])


def test_a_scale_of_zero_moves_nothing():
    weight, vector = torch.nn.Parameter(torch.ones(3, 3)), torch.nn.Parameter(torch.ones(3))
    optimiser = MatrixOptimiser([weight], [vector], matrix_rate=0.1, other_rate=0.1)
    optimiser.set_scale(0.0)
    weight.grad, vector.grad = torch.ones(3, 3), torch.ones(3)
    optimiser.step()
    assert (weight == 1).all()
    assert (vector == 1).all()


def test_a_quadratic_is_brought_down():
    torch.manual_seed(0)
    weight, target = torch.nn.Parameter(torch.zeros(8, 8)), torch.randn(8, 8)
    optimiser = MatrixOptimiser([weight], [], matrix_rate=0.1, other_rate=0.1, decay=0.0)
    for step in range(150):
        optimiser.set_scale(1 - step / 150)
        weight.grad = weight.detach() - target
        optimiser.step()
    assert (weight - target).square().mean() < 0.01 * target.square().mean()
