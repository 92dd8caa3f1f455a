"""What pyproject.toml cannot say: the checkpoints lie beside the library here, and inside it when installed."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["cvae_core", "cvae_core.*"]), "cvae_core.checkpoints"],
    package_dir={"cvae_core.checkpoints": "checkpoints"},
    package_data={"cvae_core": ["py.typed", "tense/*.tsv"], "cvae_core.checkpoints": ["*.safetensors"]},
    exclude_package_data={"cvae_core.checkpoints": ["tense-first.safetensors"]},  # kept between steps of `make tense`
    include_package_data=False,
)
