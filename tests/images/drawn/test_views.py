"""Training batches: pairs of edited views, the same whoever draws them."""

import numpy as np

from cnnkit.images.drawn.views import BatchPlan, draw_batch

PLAN = BatchPlan(seed=4, step=7, pictures=24, size=64, strength=0.3)


def test_a_batch_is_a_function_of_its_plan() -> None:
    views, labels = draw_batch(PLAN)
    again, labels_again = draw_batch(PLAN)
    assert views.shape == (48, 64, 64, 3)
    assert (views == again).all()
    assert (labels == labels_again).all()
    assert (labels[:24] == labels[24:]).all()


def test_another_step_draws_other_pictures() -> None:
    other = BatchPlan(seed=4, step=8, pictures=24, size=64, strength=0.3)
    assert (draw_batch(PLAN)[0] != draw_batch(other)[0]).mean() > 0.5


def test_two_views_of_a_picture_differ_yet_are_closer_than_those_of_others() -> None:
    views, _ = draw_batch(PLAN)
    assert (views[:24] != views[24:]).any(axis=(1, 2, 3)).all()
    # Colour alone tells most pairs: distances between mean colours, own partner against others.
    mean = views.reshape(48, -1, 3).mean(axis=1)
    distance = np.linalg.norm(mean[:24, None] - mean[None, 24:], axis=2)
    assert np.median(distance.diagonal()) < 0.6 * np.median(distance)
