"""Each measure against its reference implementation, called by hand on photographs."""

from __future__ import annotations

import sys
from collections.abc import Callable

import DISTS_pytorch
import lpips
import numpy as np
import piq
import pytest
import torch
from PIL import Image as PillowImage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from degradations import psnr
from miqd_builder.measures import create_measure, find_measure
from miqd_builder.measures.brisque import read_machine
from miqd_builder.measures.dists import dists_core
from miqd_builder.measures.features import BACKBONES, Features, load_features, tensors_of
from miqd_builder.measures.lpips import lpips_core
from miqd_builder.measures.weights import verified_weights
from tests.measures.pictures import Image, blurred, measure_or_skip, noisy, photographs, tensor

PIQ: dict[str, Callable[..., torch.Tensor]] = {
    "ssim": lambda x, y: piq.ssim(x, y, data_range=1.0, downsample=False),
    "ms_ssim": piq.multi_scale_ssim,
    "vsi": piq.vsi,
    "fsim": piq.fsim,
    "gmsd": piq.gmsd,
    "vif": piq.vif_p,
    "haarpsi": piq.haarpsi,
    "mdsi": piq.mdsi,
}


def pairs() -> list[tuple[Image, Image]]:
    return [(degraded, image) for image in photographs() for degraded in (blurred(image, 1.5), noisy(image, 25))]


@pytest.mark.parametrize("name", PIQ)
def test_piq(name) -> None:
    score = create_measure(name)
    for degraded, image in pairs():
        expected = float(PIQ[name](tensor(degraded), tensor(image)))
        assert score(degraded[None], image)[0] == pytest.approx(expected, abs=find_measure(name).tolerance)


def test_psnr_and_ssim_equal_scikit_image() -> None:
    for degraded, image in pairs():
        ours = {name: create_measure(name)(degraded[None], image)[0] for name in ("psnr", "ssim")}
        assert ours["psnr"] == pytest.approx(peak_signal_noise_ratio(image, degraded, data_range=255), abs=1e-9)
        assert ours["psnr"] == psnr(degraded, image)
        settings = {
            "gaussian_weights": True,
            "sigma": 1.5,
            "use_sample_covariance": False,
            "data_range": 255,
            "channel_axis": 2,
        }
        _, full = structural_similarity(image, degraded, full=True, **settings)
        assert ours["ssim"] == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-4)


@pytest.mark.parametrize(("net", "backbone"), [("alex", "alexnet"), ("squeeze", "squeezenet")])
def test_lpips_with_real_weights(net, backbone, monkeypatch, tmp_path) -> None:
    score = measure_or_skip(f"lpips_{net}", monkeypatch, tmp_path)
    reference = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    stored = load_features(backbone, verified_weights(backbone)).stack.state_dict()
    reference.net.load_state_dict({key: stored[key.split(".", 1)[1]] for key in reference.net.state_dict()})
    for degraded, image in pairs():
        with torch.no_grad():
            expected = float(reference(tensor(degraded), tensor(image), normalize=True))
        assert score(degraded[None], image)[0] == pytest.approx(expected, abs=1e-4)


def test_lpips_vgg_with_random_weights() -> None:
    torch.manual_seed(0)
    reference = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
    layers = [layer for part in range(1, 6) for layer in getattr(reference.net, f"slice{part}").children()]
    shapes = {f"lin{number}.model.1.weight": (1, c, 1, 1) for number, c in enumerate(BACKBONES["vgg16"].channels)}
    heads = tensors_of("lpips_vgg", verified_weights("lpips_vgg"), shapes)
    core = lpips_core(Features(torch.nn.Sequential(*layers), BACKBONES["vgg16"].layers), list(heads.values()), "cpu")
    degraded, image = pairs()[0]
    with torch.no_grad():
        expected = float(reference(tensor(degraded), tensor(image), normalize=True))
    assert expected > 1e-3
    assert core(degraded[None], image[None])[0] == pytest.approx(expected, abs=1e-4)


def test_dists_with_random_features(monkeypatch) -> None:
    torch.manual_seed(0)
    network = BACKBONES["vgg16"].network(weights=None)
    monkeypatch.setattr(DISTS_pytorch.DISTS_pt.models, "vgg16", lambda pretrained: network)
    reference = DISTS_pytorch.DISTS(load_weights=False)
    learned = tensors_of("dists", verified_weights("dists"), {"alpha": (1, 1475, 1, 1), "beta": (1, 1475, 1, 1)})
    reference.alpha.data, reference.beta.data = learned["alpha"], learned["beta"]
    core = dists_core(Features(network.features, BACKBONES["vgg16"].layers), learned["alpha"], learned["beta"], "cpu")
    image = np.asarray(PillowImage.fromarray(photographs()[0]).resize((401, 330)))
    degraded = blurred(image, 2)
    prepare = DISTS_pytorch.DISTS_pt.prepare_image
    with torch.no_grad():
        expected = float(reference(*(prepare(PillowImage.fromarray(i), resize=True) for i in (degraded, image))))
    assert expected > 1e-3
    assert core(degraded[None], image[None])[0] == pytest.approx(expected, abs=1e-4)


def test_brisque_equals_piq_with_the_same_machine(monkeypatch, tmp_path) -> None:
    score = measure_or_skip("brisque", monkeypatch, tmp_path)
    coefficients, vectors, _, _ = read_machine(verified_weights("brisque"))

    def load(url: str, map_location: object) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor(coefficients), torch.tensor(vectors)

    monkeypatch.setattr(sys.modules["piq.brisque"], "load_url", load)
    for degraded, _ in pairs():
        even = np.ascontiguousarray(degraded[: degraded.shape[0] // 2 * 2, : degraded.shape[1] // 2 * 2])
        # gray: piq rounds half to even and takes other digits of the weights of R, G and B than MATLAB
        grays = tensor(even, torch.float64)
        weights = grays.new_tensor([0.298936021293775, 0.587043074451121, 0.114020904255103]).view(1, 3, 1, 1)
        gray = (grays * 255 * weights).sum(1, keepdim=True).add(0.5).floor() / 255
        expected = float(piq.brisque(gray))  # rho of the machine is piq's own
        assert score(even[None], None)[0] == pytest.approx(expected, abs=find_measure("brisque").tolerance)
