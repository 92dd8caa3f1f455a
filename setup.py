"""What pyproject.toml cannot say: checkpoints and the data of the wug test lie beside the library here, and inside it
when installed.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["cvae_core", "cvae_core.*"]), "cvae_core.checkpoints", "cvae_core.wug"],
    package_dir={"cvae_core.checkpoints": "checkpoints", "cvae_core.wug": "assets/wug"},
    package_data={
        "cvae_core": ["py.typed", "tense/*.tsv"],
        "cvae_core.checkpoints": ["*.safetensors"],
        "cvae_core.wug": ["*.tsv"],
    },
    exclude_package_data={"cvae_core.checkpoints": ["tense-first.safetensors"]},  # kept between steps of `make tense`
    include_package_data=False,
)
